"""Numbers of claims in the text lead to the scorecard."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from book.claims import SCORECARD, link_claims


def _links(*content: nodes.Node, found: str = SCORECARD) -> list[tuple[str, str]]:
    page = new_document("page")
    page += nodes.paragraph("", "", *content)
    text = page.astext()
    builder = SimpleNamespace(get_relative_uri=lambda _page, target: f"{target.split('/')[-1]}.html")
    link_claims(SimpleNamespace(env=SimpleNamespace(found_docs={found}, docname="chapters/a"), builder=builder), page)
    assert page.astext() == text
    return [(link.astext(), link["refuri"]) for link in page.findall(nodes.reference)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Claim 73 is about the first column.", ["73"]),
        ("beside claims 27 to 29. The table", ["27", "29"]),
        ("universes of claims 82 and 83.", ["82", "83"]),
        ("(claim 2), and claim 80 asks", ["2", "80"]),
        ("no claim; 3 seeds, reclaim 4, claim 1.5 and claims 2,000", []),
    ],
)
def test_numbers_after_the_word_are_links(text: str, numbers: list[str]) -> None:
    assert _links(nodes.Text(text)) == [(number, f"15_scorecard.html#claim-{number}") for number in numbers]


def test_code_links_and_books_without_a_scorecard_stay() -> None:
    assert _links(nodes.literal("", "claim 3"), nodes.reference("", "", nodes.Text("claim 4"), refuri="x")) == [
        ("claim 4", "x")
    ]
    assert _links(nodes.Text("claim 5"), found="chapters/b") == []
