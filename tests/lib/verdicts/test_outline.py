"""The outline of the claims fits the register and the chapters, and says which claims rest on which."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.verdicts.checks import load_strict
from lib.verdicts.outline import PATH, Premises, outline, parse, ranks

CHAPTERS = Path(__file__).parents[3] / "chapters"


def test_every_claim_is_shown(rules) -> None:
    assert set(outline().shown) == set(rules[2].claims)


def test_every_figure_is_in_its_chapter() -> None:
    for number, (page, figure) in outline().shown.items():
        text = (CHAPTERS / f"{page}.md").read_text(encoding="utf-8")
        assert f":name: {figure}\n" in text, (number, page, figure)


def test_a_chapter_that_shows_a_claim_has_it_in_its_table() -> None:
    tables = {path.stem: re.findall(r"claim_table\(([\d, ]+)\)", path.read_text()) for path in CHAPTERS.glob("*.md")}
    listed = {page: {int(n) for call in calls for n in call.split(",")} for page, calls in tables.items() if calls}
    assert listed
    for number, (page, _) in outline().shown.items():
        assert page not in listed or number in listed[page], (number, page)


def test_premises_come_first_and_those_of_a_conjunction_are_the_registers(rules) -> None:
    rests_on = outline().rests_on
    assert rests_on[65].claims == rules[2].claims[65].tests[0].of
    rank = ranks(rests_on)
    assert all(rank[other] < rank[number] for number, premises in rests_on.items() for other in premises.claims)
    assert rank[32] == 0 and rank[33] == 1


def test_a_circle_is_refused() -> None:
    circle = {1: Premises((2,), ""), 2: Premises((3,), ""), 3: Premises((2,), "")}
    with pytest.raises(ValueError, match=r"no claim may rest on itself, got 2 on 3 on 2; remove one"):
        ranks(circle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(extra=1), "outline.yml, line .*: outline: a key must be one of shown, rests_on"),
        (lambda d: d["shown"]["09_width"].pop(56), r"shown: claims \[56\] are registered and shown nowhere"),
        (lambda d: d["shown"]["09_width"].update({61: "fig"}), "claim 61 is shown in 09_width already"),
        (lambda d: d["shown"]["09_width"].update({87: "fig"}), "a claim must be one of"),
        (lambda d: d["rests_on"][56].update(claims=[99]), "line .*: rests_on, 56: claims must be one of"),
        (lambda d: d["rests_on"][56].pop("because"), "because is missing"),
        (lambda d: d["rests_on"].update({65: d["rests_on"][56]}), "the register says what it is made of"),
    ],
)
def test_an_outline_that_does_not_fit_is_refused(change: Callable[[dict], object], message: str, rules) -> None:
    document = copy.deepcopy(load_strict(PATH))
    change(document)
    with pytest.raises(ValueError, match=message):
        parse(document, rules[2])
