"""Findings of attacked networks against numbers that are planted."""

import itertools
import math

import pandas as pd
import pytest

from lib.experiments.attack_findings import (
    below_product,
    change_with_width,
    direction,
    distance_from_product,
    factor_of_width,
    learned,
    rank_correlation,
    tally,
)
from lib.trends import Interval


@pytest.fixture
def table():
    """Curves of λ = 1 and 6: accuracy falls by .1 or .3 with width, P grows two- or eightfold, seeds differ."""
    lines = []
    for seed, (strength, fall, factor), (at, width) in itertools.product(
        range(3), [(1.0, 0.1, 2.0), (6.0, 0.3, 8.0)], enumerate([8, 16, 32])
    ):
        lines.append(
            {"curve": f"λ = {strength:g}", "strength": strength, "seed": seed, "width": width,
             "natural_accuracy": 0.9 - fall * at / 2 + 0.01 * seed, "stability": 0.5,
             "P": factor ** (at / 2) * (1 + seed)}
        )  # fmt: skip
    frame = pd.DataFrame(lines)
    frame["robust_accuracy"] = frame["natural_accuracy"] * frame["stability"]
    return frame


def test_changes_and_factors_are_those_that_were_planted(table):
    changes = change_with_width(table, "natural_accuracy")
    assert list(changes) == ["λ = 1", "λ = 6"]
    assert changes["λ = 6"].mean == pytest.approx(-0.3)
    assert changes["λ = 6"].seeds == 3
    assert factor_of_width(table, "P").mean == pytest.approx(4.0)  # the geometric mean of 2 and 8
    assert factor_of_width(table, "P").seeds == 3


def test_a_curve_without_its_widest_network_counts_nowhere(table):
    part = table[(table.strength == 1.0) | (table.width < 32)]
    assert list(change_with_width(part, "natural_accuracy")) == ["λ = 1"]
    assert factor_of_width(part, "P").mean == pytest.approx(2.0)


def test_one_width_changes_nothing(table):
    one = table[table.width == 8]
    assert change_with_width(one, "P") == {}
    assert math.isnan(factor_of_width(one, "P").mean)
    assert factor_of_width(one, "P").seeds == 0


def test_a_cell_has_learned_where_every_seed_has(table):
    part = learned(table, 0.6)
    assert set(zip(part.curve, part.width, strict=True)) == set(zip(table.curve, table.width, strict=True))
    table.loc[(table.curve == "λ = 6") & (table.width == 8) & (table.seed == 2), "natural_accuracy"] = 0.1
    part = learned(table, 0.6)
    assert len(part) == len(table) - 3
    assert factor_of_width(part, "P").mean == pytest.approx(2.0)


def test_ranks_are_compared_within_seeds_and_curves(table):
    found = rank_correlation(table, "P", "robust_accuracy")
    assert found.mean == -1
    assert found.seeds == 3
    assert rank_correlation(table, "P", "width").mean == 1
    table.loc[(table.seed == 2) & (table.width == table.width.max()), "robust_accuracy"] = 2.0
    found = rank_correlation(table, "P", "robust_accuracy")
    assert -1 < found.mean < 0 and found.low == -1  # where τ ends


def test_the_distance_is_that_of_the_farthest_point(table):
    assert distance_from_product(table) < 1e-3
    table.loc[(table.width == 16) & (table.strength == 1.0), "robust_accuracy"] += 0.2
    assert distance_from_product(table) == pytest.approx(0.2, abs=1e-3)
    table["robust_accuracy"] -= 0.1
    cells = len(table.groupby(["width", "strength"]))
    assert below_product(table) == f"{cells - 1} of {cells}"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.1, 0.3, "rises"), (-0.3, -0.1, "falls"), (-0.1, 0.1, "does not clearly move")]
)
def test_a_direction_needs_an_interval_on_one_side(low, high, expected):
    assert direction(Interval((low + high) / 2, low, high, 5)) == expected
    assert direction(Interval(0.3, math.nan, math.nan, 1)) == "does not clearly move"


def test_curves_are_tallied_by_where_their_intervals_lie():
    up, down, flat = Interval(0.2, 0.1, 0.3, 5), Interval(-0.2, -0.3, -0.1, 5), Interval(0.0, -0.1, 0.1, 5)
    assert tally([up, up, down, flat]) == "rises in 2 and falls in 1 of 4 curves"
    assert tally([up, up]) == "rises in 2 of 2 curves"
    assert tally([flat, flat]) == "clearly moves in none of 2 curves"
