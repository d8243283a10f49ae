"""Pairs of trainings are equal, different or open as their seeds say; what has no partner counts for nothing."""

import numpy as np
import pandas as pd
import pytest

from lib.verdicts.precision import MARGINS, equivalence, outcomes


def trainings(change, spread, seeds=range(8, 13), names=("fp32", "bf16")):
    """Return pairs whose P, κ and loss differ by a factor and whose accuracies by a fifth of its share, plus noise."""
    stream, lines = np.random.default_rng(0), []
    for seed in seeds:
        base = np.exp(stream.normal(size=3))
        for name in names:
            moved = 1 + (change if name == "bf16" else 0)
            noise = stream.normal(scale=spread if name == "bf16" else 0, size=4)
            P, kappa, loss = base * moved * np.exp(noise[:3])
            accuracy = 0.9 + (moved - 1) / 5 + noise[3] / 5
            line = {"initializer": "he", "depth": 6, "width": 256, "seed": seed, "precision": name}
            lines.append({**line, "P": P, "kappa": kappa, "train_loss": loss, "test_accuracy": accuracy})
    return pd.DataFrame(lines)


@pytest.mark.parametrize(
    ("change", "spread", "outcome"), [(0.0, 1e-3, "equal"), (0.05, 1e-3, "different"), (0.0, 0.1, "open")]
)
def test_small_changes_are_equal_large_ones_different_and_noise_is_open(change, spread, outcome):
    found = equivalence(trainings(change, spread))
    assert found["quantity"].tolist() == list(MARGINS) and (found["seeds"] == 5).all()
    assert set(found["outcome"]) == {outcome}
    assert outcomes(found)["outcome"].tolist() == [outcome]
    assert found["mean"].to_numpy() == pytest.approx(
        [1 + change] * 3 + [change / 5], abs=0.3 * spread + 1e-3 + 0.05 * (spread > 0.01)
    )


def test_equal_is_where_the_interval_lies_inside_the_margin():
    for seed_of_noise in range(20):
        rows = trainings(0.0, 0.004 + 0.001 * seed_of_noise)
        for line in equivalence(rows).itertuples():
            shift = 0.0 if line.quantity == "test_accuracy" else 1.0
            lower = -line.margin if not shift else 1 / (1 + line.margin) - 1
            inside = lower < line.low - shift and line.high - shift < line.margin
            assert (line.outcome == "equal") == inside


def test_one_different_quantity_makes_a_cell_different_and_four_have_a_chance_each():
    found = equivalence(trainings(0.0, 1e-3))
    found.loc[0, ["outcome", "p_different"]] = ["different", 0.02]
    assert outcomes(found)["outcome"].tolist() == ["open"]
    found.loc[0, "p_different"] = 0.01
    assert outcomes(found)["outcome"].tolist() == ["different"]


def test_what_has_no_partner_is_left_out_and_margins_can_be_others():
    rows = trainings(0.05, 1e-3)
    alone = rows[rows.precision == "fp32"]
    assert equivalence(alone).empty and outcomes(equivalence(alone)).empty
    some = equivalence(rows[(rows.precision == "fp32") | (rows.seed < 11)])
    assert (some["seeds"] == 3).all() and set(some["outcome"]) == {"open"}  # fewer than five decide nothing
    wide = equivalence(rows, margins=dict.fromkeys(MARGINS, 0.2))
    assert set(wide["outcome"]) == {"equal"}
