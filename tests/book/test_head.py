"""What a page says about itself to machines."""

from __future__ import annotations

from docutils import nodes
from docutils.utils import new_document

from book.head import description
from book.icons import icons_in


def _page(*paragraphs: nodes.paragraph) -> nodes.document:
    page = new_document("page")
    page.extend(paragraphs)
    return page


def test_the_question_of_a_page_describes_it_with_formulas_as_typed() -> None:
    question = nodes.paragraph()
    question += [nodes.strong(text="Question."), nodes.Text(" Does "), nodes.math(text=r"\mathcal P", nowrap=True)]
    question += nodes.Text(" grow?")
    assert description(_page(nodes.paragraph(text="Words before. " * 9), question)) == "Does P grow?"


def test_other_pages_are_described_by_their_first_whole_sentences() -> None:
    minutes = nodes.paragraph()
    minutes += nodes.emphasis(text="18 minutes, needs chapter 1, networks trained on this page")
    words = nodes.paragraph(
        text="This page tells how rows are made and read. " + "And what is left out of it, word for word. " * 9
    )
    told = description(_page(minutes, words))
    assert told.startswith("This page tells how rows are made and read. And")
    assert told.endswith("word for word.")
    assert len(told) <= 200


def test_icons_are_found_in_their_set() -> None:
    page = '<i class="fas fa-file"></i><i class="theme-switch fa-solid fa-sun   fa-lg"></i><b class="fa-bars"></b>'
    page += '<span class="fa-solid fa-list"></span>'
    assert icons_in([page]) == {("fas", "file"), ("fas", "sun"), ("fas", "list")}
