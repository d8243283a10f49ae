"""Whole verdicts: the first round by version 1, and what single changes of a rule or of a row do to them."""

from __future__ import annotations

import collections
import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lib.verdicts.archive import Archive
from lib.verdicts.cells import Cells
from lib.verdicts.claims import Register
from lib.verdicts.computations import COMPUTATIONS, Computed
from lib.verdicts.verdict import Verdict, judge

# By an independent implementation of version 1, and as chapters printed it, but for claim 85: they read it as flat.
COUNTS = {"supported": 25, "contradicted": 25, "inconclusive": 11, "not testable": 5}
PRINTED = {
    "supported": (1, 26, 27, 30, 32, 33, 35, 37, 38, 39, 40, 42, 43, 44, 46),
    "contradicted": (3, 12, 28, 29, 34, 36, 41),
    "inconclusive": (31, 47, 85),
    "not testable": (10,),
}
SOME = (4, 6, 11, 13, 19, 22, 48, 55, 58, 59, 61, 62)


@pytest.fixture(scope="module")
def first(rules: dict[int, Register], archive: Archive) -> dict[int, Verdict]:
    computed = {number: compute() for number, compute in COMPUTATIONS.items()}
    return judge(rules[1], archive, 1, computed | {21: Computed({}, {}, "contradicted")})


def test_the_first_round_by_version_1_is_what_others_found(first: dict[int, Verdict]) -> None:
    assert collections.Counter(verdict.word for verdict in first.values()) == COUNTS
    for word, numbers in PRINTED.items():
        assert {number: first[number].word for number in numbers} == dict.fromkeys(numbers, word)


def test_numbers_of_the_first_round(first: dict[int, Verdict]) -> None:
    """Effects that chapters print, and those that were recomputed apart from the book."""
    (_, place) = first[34].tests
    (zero,) = place.results
    assert (zero.effect, zero.low, zero.high) == pytest.approx((0.5012, 0.4938, 0.5087), abs=5e-5)
    assert first[85].raw.p_against == pytest.approx(4 * 8 * 0.00171, rel=0.01)
    steepest = min(result.effect for result in first[35].tests[0].results)
    assert len(first[35].tests[0].curves) == 15 and steepest < 0
    (failures,) = first[37].tests[0].results
    assert failures.effect == 0 and np.isfinite(first[37].tests[0].curves[0].matrix).sum() == 45


def test_no_seed_of_a_pilot_and_no_unregistered_seed_decides(first: dict[int, Verdict]) -> None:
    seeds = {
        s for v in first.values() for t in v.tests for r in t.results for s in r.seeds if t.test.sweeps != ("draws",)
    }
    assert seeds <= set(range(3, 23))


def some(register: Register) -> Register:
    return dataclasses.replace(register, claims={n: c for n, c in register.claims.items() if n in SOME})


def shape(initializer: str, depth: int, width: int) -> float:
    """P that rises with depth under He and NTK, falls under LeCun, and hardly knows the width."""
    scale = {"he": 0.1, "lecun": -0.1, "ntk": 0.1, "power-2": -0.5}[initializer]
    return float(np.exp(scale * depth + 0.002 * np.log2(width)))


def words(register: Register, archive: Archive, round: int = 1) -> dict[int, str]:
    return {number: verdict.word for number, verdict in judge(register, archive, round, {}).items()}


@pytest.fixture(scope="module")
def rows(simulated: Callable[..., list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return simulated(shape)


def everything(verdicts: dict[int, Verdict]) -> dict[int, Any]:
    """What a verdict rests on, but for Holm's adjustment, which ties the claims of a family together."""
    return {
        number: (verdict.raw, [[(r.effect, *r.decision, r.seeds) for r in t.results] for t in verdict.tests])
        for number, verdict in verdicts.items()
    }


@pytest.mark.parametrize("version", [1, 2])
def test_planted_effects_are_judged_as_planted(rules, rows, archive_of, version: int) -> None:
    found = words(some(rules[version]), archive_of(rows))
    assert {number: found[number] for number in (6, 11, 13, 58, 61, 62)} == {
        6: "supported",
        11: "contradicted",
        13: "supported",
        58: "supported",
        61: "supported",
        62: "supported",
    }


@pytest.mark.parametrize("version", [1, 2])
def test_neither_order_nor_repetition_of_rows_matters(rules, rows, archive_of, version: int) -> None:
    register, shuffled = some(rules[version]), [*rows, *rows[::7]]
    random.Random(0).shuffle(shuffled)
    before, after = (everything(judge(register, archive_of(one), 1, {})) for one in (rows, shuffled))
    assert repr(before) == repr(after)


def test_the_units_of_width_do_not_matter(rules, test_of, curves_of) -> None:
    from lib.verdicts.statistics import get

    stack = np.random.default_rng(0).standard_normal((1, 5, 6)) + np.arange(5.0)[:, None]
    for statistic, effect in (("page_t", "change"), ("inverted_u", "change"), ("t", "slope")):
        test = test_of(statistic, effect=effect, axis="log2_width", margin=0.1)
        here, renamed = (
            get(statistic)(curves_of(stack, np.log2(scale * 2.0 ** np.arange(4, 9)), width=16, depth=2), test, rules[2])
            for scale in (1, 1000)
        )
        assert here[0].decision == pytest.approx(renamed[0].decision)


@pytest.mark.parametrize("version", [1, 2])
def test_a_claim_without_rows_is_not_testable(rules, archive_of, row_of, version: int) -> None:
    nothing = archive_of([row_of("he", 2, 16, 0, 1.0)])  # a pilot's seed
    assert set(words(some(rules[version]), nothing).values()) == {"not testable"}
    assert set(words(some(rules[version]), Archive({}, rules[2])).values()) == {"not testable"}


def without(rows: list[dict[str, Any]], drop: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    return [row for row in rows if not drop(row["configuration"])]


def test_gaps_are_named_and_what_is_left_decides(rules, rows, archive_of) -> None:
    register = some(rules[2])

    def changed(number: int, broken: list[dict[str, Any]]) -> Verdict:
        return judge(register, archive_of(broken), 1, {})[number]

    # An absent width: one curve fewer, or one level fewer.
    absent = changed(61, without(rows, lambda c: c["initializer"] == "he" and c["width"] == 64))
    assert [curve.where["width"] for curve in absent.tests[0].curves] == [16, 32, 128, 256]
    level = changed(61, without(rows, lambda c: c["initializer"] == "he" and (c["width"], c["depth"]) == (64, 4)))
    assert [len(curve.levels) for curve in level.tests[0].curves] == [5, 5, 4, 5, 5]
    # A seed that is missing at one level: four complete seeds, so that the level goes and is named.
    gap = changed(
        61, without(rows, lambda c: (c["initializer"], c["width"], c["depth"], c["seed"]) == ("he", 64, 4, 3))
    )
    assert [len(curve.levels) for curve in gap.tests[0].curves] == [5, 5, 4, 5, 5]
    assert any("width = 64" in note and "L = 4" in note for note in gap.tests[0].left_out)
    # The same by a divergence, by an accuracy below the threshold and by a dead network.
    for change in ({"failure": "diverged: the loss is not finite"}, {"test_accuracy": 0.5}, {"P": 0.0}, {"P": None}):
        broken = []
        for row in rows:
            c = row["configuration"]
            if (c["initializer"], c["width"], c["depth"], c["seed"]) == ("he", 64, 4, 3):
                row = {**row, "failure": change.get("failure")}
                row["measurements"] = [
                    {**m, **{k: v for k, v in change.items() if k != "failure"}} for m in row["measurements"]
                ]
            broken.append(row)
        same = changed(61, broken)
        assert repr(everything({61: same})) == repr(everything({61: gap})), change
        assert same.tests[0].left_out == gap.tests[0].left_out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"P": -0.1}, r"line 7: P must be at least 0, got -0.1; compute the row again"),
        ({"P": "0.1"}, r"line 7: P must be a number or null, got '0.1'"),
        ({"test_accuracy": 1.2}, r"line 7: test_accuracy must be between 0 and 1, got 1.2"),
    ],
)
def test_an_impossible_value_is_refused_by_line_and_field(rules, rows, line: dict, message: str) -> None:
    bad = {**rows[6], "measurements": [{**m, **line} for m in rows[6]["measurements"]]}
    numbered = [(f"line {i}", row) for i, row in enumerate([*rows[:6], bad, *rows[7:]], 1)]
    with pytest.raises(ValueError, match=message):
        words(some(rules[2]), Archive({"": Cells("", numbered)}, rules[2]))


# -- mutations -------------------------------------------------------------------------------------------------------

# A change of one test of one claim, and whether it must change what that claim says; all other claims stay as they are.
RULES: list[tuple[int, dict[str, Any]]] = [
    (61, {"alternative": "less"}),
    (61, {"center": 5.0}),
    (61, {"widths": (16, 32)}),
    (61, {"initializers": ("lecun",)}),
    (61, {"curves": ("initializer", "width")}),
    (61, {"levels": (2, 4, 6)}),
    (61, {"transform": "none"}),
    (61, {"effect": "slope"}),
    (61, {"moment": "epoch_1", "column": "kappa"}),
    (62, {"alternative": "greater"}),
    (62, {"levels": (2, 4, 6, 8)}),
    (6, {"center": 1.0}),
    (6, {"cells": ("settled",)}),
    (6, {"column": "kappa"}),
    (11, {"center": -0.1}),
    (11, {"widths": (64,)}),
    (13, {"cells": ()}),
    (13, {"widths": (128,)}),
    (58, {"arms": ("he", "power-2")}),
    (58, {"widths": (16,)}),
    (58, {"transform": "none"}),
    (4, {"depths": (10,)}),
]


@pytest.fixture(scope="module")
def before(rules, rows, archive_of) -> dict[int, Any]:
    return everything(judge(some(rules[2]), archive_of(rows), 1, {}))


@pytest.mark.parametrize(("number", "change"), RULES, ids=lambda value: str(value)[:40])
def test_a_change_of_a_rule_changes_its_claim_alone(
    rules, rows, archive_of, before: dict[int, Any], number: int, change: dict
) -> None:
    register, archive = some(rules[2]), archive_of(rows)
    claim = register.claims[number]
    test, *others = claim.tests
    mutated = dataclasses.replace(claim, tests=(dataclasses.replace(test, **change), *others))
    after = everything(
        judge(dataclasses.replace(register, claims={**register.claims, number: mutated}), archive, 1, {})
    )
    assert [n for n in before if repr(before[n]) != repr(after[n])] == ([] if change.get("curves") else [number])


# A change of the rows of one cell or seed, and the claims whose tests select it.
ROWS: list[tuple[tuple[str, int, int], dict[str, Any], set[int]]] = [
    (("he", 10, 256), {"P": 0.5}, {4, 22, 61}),
    (("he", 10, 16), {"P": 0.5}, {4, 13, 22, 61}),
    (("lecun", 4, 64), {"P": 0.5}, {11, 19, 22, 62}),
    (("ntk", 6, 32), {"P": 0.5}, {22}),
    (("power-2", 2, 32), {"P": 0.5}, {58, 59}),
    (("he", 2, 1024), {"P": 3.0}, {6, 58}),
    (("he", 2, 1024), {"kappa": 0.5}, {48, 55}),
    (("lecun", 8, 32), {"train_loss": 2.0}, {19}),
    (("ntk", 4, 16), {"noise_accuracy_0.5": 0.1}, {22}),
    (("lecun", 10, 128), {"relative_stability": 9.0}, set()),
]


@pytest.mark.parametrize(("cell", "change", "touched"), ROWS, ids=lambda value: str(value)[:40])
def test_a_change_of_a_row_changes_the_claims_that_select_it(
    rules, rows, archive_of, before: dict[int, Any], cell: tuple, change: dict, touched: set[int]
) -> None:
    register = some(rules[2])
    mutated = [
        {**row, "measurements": [{**m, **change} for m in row["measurements"]]}
        if tuple(row["configuration"][n] for n in ("initializer", "depth", "width", "seed")) == (*cell, 5)
        else row
        for row in rows
    ]
    after = everything(judge(register, archive_of(mutated), 1, {}))
    assert {n for n in before if repr(before[n]) != repr(after[n])} == touched


def test_a_claim_waits_for_its_last_row(rules, archive_of, simulated) -> None:
    from lib.verdicts.power import coverage

    register = rules[2]
    rows = simulated(shape)
    fresh = [
        {**row, "key": f"{row['key']}-{seed}", "configuration": {**row["configuration"], "seed": seed}}
        for row in rows
        if row["configuration"]["seed"] == 3 and row["configuration"]["initializer"] == "he"
        for seed in range(8, 16)
    ]
    claim = register.claims[61]
    assert coverage(claim, register, archive_of(rows), 2) == (0, 200)
    assert coverage(claim, register, archive_of([*rows, *fresh]), 2).complete
    one_less = archive_of([*rows, *fresh[1:]])
    assert str(coverage(claim, register, one_less, 2)) == "199 of 200 rows"
    failed = [*rows, {**fresh[0], "failure": "diverged"}, *fresh[1:]]
    assert coverage(claim, register, archive_of(failed), 2).complete
