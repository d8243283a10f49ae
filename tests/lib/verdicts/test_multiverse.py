"""How far a verdict depends on choices: which universes are one, what is fragile, and what no choice can move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lib.verdicts.archive import Archive
from lib.verdicts.claims import Register
from lib.verdicts.computations import Computed
from lib.verdicts.multiverse import LEVELS, Multiverse, Universe, confidence, explore
from lib.verdicts.verdict import judge

S, C, U, N = "supported", "contradicted", "inconclusive", "not testable"


def multiverse(*words: str) -> Multiverse:
    return Multiverse(tuple(Universe({}, word, np.nan, np.nan, np.nan) for word in words), {})


@pytest.mark.parametrize(
    ("words", "verdict", "fragile"),
    [
        ((S, S, C), S, False),  # two thirds of those that decide agree
        ((S, C), S, True),
        ((S, U), S, False),  # half decides
        ((S, U, U), S, True),
        ((S, N, N, N), S, False),  # what cannot be tested leaves the denominator
        ((U, U), U, True),  # nothing that decides agrees with it
        ((N, N), N, False),
    ],
)
def test_fragile_is_a_matter_of_thirds_and_halves(words: tuple[str, ...], verdict: str, fragile: bool) -> None:
    assert multiverse(*words).fragile(verdict) is fragile


def test_shares_are_of_the_universes_that_can_be_tested() -> None:
    assert multiverse(S, S, C, U, N).shares() == {S: 0.5, C: 0.25, U: 0.25}
    assert multiverse(N).shares() == {S: 0, C: 0, U: 0}


@pytest.fixture(scope="module")
def first(rules: dict[int, Register], archive: Archive) -> dict[int, Any]:
    return judge(rules[2], archive, 1, {})


def test_universes_that_differ_in_the_last_bits_are_one(rules, archive, first) -> None:
    """Claim 38 has curves of which some choices change nothing but the rounding of p near 1."""
    found = explore(rules[2].claims[38], rules[2], archive, 1, {n: verdict.raw for n, verdict in first.items()})
    seen = {universe.identity for universe in found.universes}
    assert len(seen) == len(found.universes) < 36
    numbers = [number for identity in seen for number in identity[1:]]
    assert all(len(number.strip("-").replace(".", "").split("e")[0].lstrip("0")) <= 6 for number in numbers)


@pytest.mark.parametrize(("outcome", "word"), [(C, C), (S, U)])
def test_no_choice_moves_an_arithmetic_half(rules, archive, outcome: str, word: str) -> None:
    """Claim 21 asks for a computation and for rows: where the first contradicts, so does every universe."""
    computed = Computed({}, {}, outcome)
    raw = {n: verdict.raw for n, verdict in judge(rules[2], archive, 2, {21: computed}).items()}
    found = explore(rules[2].claims[21], rules[2], archive, 2, raw, computed)
    words = {universe.word for universe in found.universes}
    assert words == {C} if outcome == C else word in words
    assert outcome != C or set(found.left_out.values()) == {C}


def test_confidence_goes_down_by_a_level_for_each_doubt() -> None:
    assert confidence(S, None, None) == LEVELS[-1]
    assert confidence(S, [S, S], False) == LEVELS[-2]
    assert confidence(S, [S, C], True) == LEVELS[-4]
    assert confidence(U, [C], True) == LEVELS[0] == confidence(N, None, None)
