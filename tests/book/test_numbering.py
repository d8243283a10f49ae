"""Numbers by chapter, and the badge of what a paper states."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from book.numbering import BADGE, by_chapter, mark_papers


def test_a_chapter_counts_over_its_pages_and_each_kind_apart() -> None:
    numbers = {
        "chapters/05_a": {"theorem": {"thm-a": (1,), "lem-a": (2,)}, "figure": {"fig-a": (1,)}},
        "chapters/06_b": {"theorem": {"prop-b": (3,)}, "figure": {}},
        "chapters/06b_c": {"theorem": {"def-c": (4,)}, "figure": {"fig-c": (2,)}},
    }
    assert by_chapter(numbers, {}) == {
        "chapters/05_a": {"theorem": {"thm-a": ("5", 1), "lem-a": ("5", 2)}, "figure": {"fig-a": ("5", 1)}},
        "chapters/06_b": {"theorem": {"prop-b": ("6", 1)}, "figure": {}},
        "chapters/06b_c": {"theorem": {"def-c": ("6", 2)}, "figure": {"fig-c": ("6", 1)}},
    }


def test_an_equation_of_a_paper_keeps_its_name_and_takes_no_number() -> None:
    numbers = {"chapters/04_a": {"displaymath": {"equation-one": (1,), "equation-two": (2,)}}}
    named = by_chapter(numbers, {"chapters/04_a": {"equation-one": "paper’s Eq. 3"}})
    assert named["chapters/04_a"]["displaymath"] == {"equation-one": ("paper’s Eq. 3",), "equation-two": ("4", 1)}


def _marked(title: str) -> tuple[nodes.admonition, dict[str, str]]:
    page = new_document("page")
    box = nodes.admonition("", nodes.title("", title), nodes.math_block("", "x", ids=["equation-eq"]))
    page += box
    env = SimpleNamespace(docname="a", metadata=defaultdict(dict))
    mark_papers(SimpleNamespace(env=env), page)
    return box, env.metadata["a"]["papers_equations"]


@pytest.mark.parametrize(
    ("title", "badge", "equations"),
    [
        ("The paper’s Eq. (2): the network", "The paper’s Eq. (2)", ["paper’s Eq. 2"]),
        ("The paper’s Theorem 1 and Eq. (3): a bound", "The paper’s Theorem 1 and Eq. (3)", ["paper’s Eq. 3"]),
        ("The paper's Definition 2: signs", "The paper's Definition 2", []),
        ("Luo et al.'s Theorems 1 and 2, in our words", "Luo et al.'s Theorems 1 and 2", []),
    ],
)
def test_a_box_that_states_what_a_paper_states_wears_a_badge(title: str, badge: str, equations: list[str]) -> None:
    box, noted = _marked(title)
    assert BADGE in box["classes"]
    shown, rest = box[0].children
    assert (shown.astext(), shown["classes"]) == (badge, ["badge-papers"])
    assert rest.astext().strip() == title.removeprefix(badge).lstrip(":, ")
    assert list(noted.values()) == equations
    assert ("papers-equation" in box[1]["classes"]) is bool(equations)


@pytest.mark.parametrize("title", ["The paper says / We find", "E4: is c = 1.5 included?", "One name, two meanings"])
def test_other_boxes_stay_as_they_are(title: str) -> None:
    box, noted = _marked(title)
    assert (box["classes"], box[0].astext(), noted) == ([], title, {})
