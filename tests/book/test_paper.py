"""The pages of a built site as one document for paper."""

from __future__ import annotations

import io
from pathlib import Path

import pikepdf
import pytest

from book.errors import BookError
from book.paper import compose, packed
from book.project import Project

_PAGE = """<html><link rel="stylesheet" href="../_static/book.css?v=1" /><h1>not this</h1>
<article class="bd-article"><h1>{title}<a class="headerlink" href="#x">#</a></h1>
<script>no()</script></article></html>"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/00_a\nchapters:\n  - file: chapters/01_b\n")
    (tmp_path / "_config.yml").write_text("title: A & B\n")
    (tmp_path / "CITATION.cff").write_text("version: 1.0\nauthors:\n  - {given-names: Ada, family-names: Lovelace}\n")
    (tmp_path / "chapters").mkdir()
    html = tmp_path / "_build" / "site" / "html" / "chapters"
    html.mkdir(parents=True)
    for name, title in (("00_a", "Start"), ("01_b", "Second")):
        (tmp_path / "chapters" / f"{name}.md").touch()
        (html / f"{name}.html").write_text(_PAGE.format(title=title))
    return Project(tmp_path)


def test_pages_stand_in_order_under_a_cover_without_their_scripts(project: Project) -> None:
    document = compose(project)
    places = [
        document.index(part) for part in ("A &amp; B</h1>", "Ada Lovelace", '"#chapters-01_b">Second', "<h1>Start")
    ]
    assert places == sorted(places)
    assert document.index("<h1>Start") < document.index("<h1>Second")
    assert "no()" not in document
    assert "_static/book.css" in document


def test_a_page_that_is_not_built_is_named(project: Project) -> None:
    (project.html / "chapters" / "01_b.html").unlink()
    with pytest.raises(BookError, match=r"no page chapters/01_b.*book build"):
        compose(project)


@pytest.mark.parametrize(
    ("headings", "titles"),
    [(["A whole heading", "Its part"], ["A whole heading", "Its part"]), (["One"], ["A wholeheading", "Its part"])],
)
def test_the_outline_is_in_the_words_of_the_headings_where_they_match(headings: list[str], titles: list[str]) -> None:
    stream = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        with pdf.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("A wholeheading", 0))
            outline.root[0].children.append(pikepdf.OutlineItem("Its part", 0))
        pdf.save(stream)
    with pikepdf.open(io.BytesIO(packed(stream.getvalue(), headings))) as pdf, pdf.open_outline() as outline:
        (first,) = outline.root
        assert [first.title, first.children[0].title] == titles
