"""The whole book on paper: its outline, its links, its size, and that no page of it is empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pikepdf
import pytest

from book.paper import print_book
from book.project import Project

pytestmark = pytest.mark.nightly  # minutes
ROOT = Path(__file__).resolve().parents[2]
_TITLE = re.compile(r"<h1>(.*?)<a class=\"headerlink\"", re.DOTALL)


@pytest.fixture(scope="module")
def pdf(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[pikepdf.Pdf]:
    path = print_book(Project(ROOT), tmp_path_factory.mktemp("paper") / "book.pdf")
    with pikepdf.open(path) as opened:
        yield opened


def flat(entries: list[pikepdf.OutlineItem], depth: int = 0) -> Iterator[tuple[int, str]]:
    for entry in entries:
        yield depth, entry.title
        yield from flat(entry.children, depth + 1)


def test_the_outline_has_the_pages_titles_in_reading_order_with_their_sections(pdf: pikepdf.Pdf, html: Path) -> None:
    with pdf.open_outline() as outline:
        entries = list(flat(outline.root))
    first, *titles = [title for depth, title in entries if depth == 0]
    pages = [(html / f"{page}.html").read_text(encoding="utf-8") for page in Project(ROOT).pages()]
    headings = [re.sub(r"<[^>]+>|\\[()]", "", unescape(_TITLE.search(page)[1])).strip() for page in pages]
    assert len(titles) == len(headings)
    for title, heading in zip(titles, headings, strict=True):
        assert title.split()[:3] == heading.split()[:3] or "\\" in heading  # a formula is spelled otherwise
    assert "executable paper" in first
    assert sum(depth == 1 for depth, _ in entries) > 4 * len(titles)
    assert all(title.strip() for _, title in entries)


def test_links_lead_to_places_of_the_book_or_out_of_it(pdf: pikepdf.Pdf) -> None:
    places = {str(name) for name in pdf.Root.Dests}
    links = [link for page in pdf.pages for link in page.get("/Annots", []) if link.Subtype == "/Link"]
    inside = [str(link.Dest) for link in links if "/Dest" in link]
    assert len(inside) > 1000 and set(inside) <= places
    outside = [str(link.A.URI) for link in links if "/Dest" not in link]
    assert all(re.match(r"https://|mailto:", address) for address in outside)
    assert not any("book.invalid" in address for address in outside)


def test_it_is_light_and_no_page_is_empty(pdf: pikepdf.Pdf) -> None:
    assert Path(pdf.filename).stat().st_size < 10_000_000
    # A page that shows its number alone draws a handful of letters.
    empty = []
    for number, page in enumerate(pdf.pages, 1):
        drawn = sum(
            1 for _, operator in pikepdf.parse_content_stream(page) if str(operator) in ("Tj", "TJ", "f", "S", "Do")
        )
        if drawn < 20:
            empty.append(number)
    assert empty == []
