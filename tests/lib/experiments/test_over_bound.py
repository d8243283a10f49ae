"""Trained networks over Theorem 1's terms: which cells decide, and slopes and powers that were put in."""

import numpy as np
import pandas as pd
import pytest

from lib.experiments import over_bound
from lib.experiments.over_bound import cells_that_decide, power_of_depth, shape, spanning, trained_over_bound
from lib.theory.bounds import theorem1


@pytest.fixture
def rows():
    """P = 2 · T2 · m^0.1 · L^0.5 with seeds that multiply it."""
    cells = [(L, m, s) for L in (2, 4, 8) for m in (16, 64, 256) for s in range(3, 8)]
    frame = pd.DataFrame(cells, columns=["depth", "width", "seed"]).assign(initializer="he", epoch=50, T2=3.0)
    return frame.assign(P=2 * frame.T2 * frame.width**0.1 * frame.depth**0.5 * 1.01**frame.seed)


def test_predictions_are_those_of_the_cell(monkeypatch):
    row = {
        "key": "a", "dataset": "mnist", "scaling": "raw", "momentum": 0.0, "epochs": 50, "loss": "cross_entropy",
        "alpha": 1.0, "samples": np.nan, "reached": np.nan, "P": 0.5, "initializer": "he", "depth": 4, "width": 32,
        "seed": 3, "epoch": 50.0,
    }  # fmt: skip
    others = [row | change for change in ({"momentum": 0.9}, {"P": 0.0}, {"initializer": "ntk"}, {"reached": 0.5})]
    monkeypatch.setattr(over_bound, "published_trainings", lambda *names: pd.DataFrame([row, *others]))
    (found,) = trained_over_bound(["he"]).to_dict("records")
    assert found["bound"] == pytest.approx(theorem1(32, 4, 784, 10, "he"))
    assert found["bound_ratio"] == pytest.approx(0.5 / found["bound"])
    assert 0 < found["finite"] < found["T2"]


def test_only_registered_seeds_in_full_cells_decide(rows):
    pilot = rows[rows.seed < 6].assign(seed=lambda t: t.seed - 3, width=512)
    short = rows[rows.seed < 6].assign(width=1024)
    assert cells_that_decide(pd.concat([rows, pilot, short]), 50).equals(rows)


def test_a_grid_needs_three_levels_of_each(rows):
    assert list(spanning(rows)) == ["he"]
    assert spanning(rows[rows.depth < 8]) == {}


def test_slopes_and_what_is_left(rows):
    found = shape(rows, "T2")
    assert found.on_width.mean == pytest.approx(0.1)
    assert found.on_width.seeds == 5
    logs = 0.1 * np.log(rows.width) + 0.5 * np.log(rows.depth)
    assert found.left == pytest.approx(np.exp(logs.groupby([rows.depth, rows.width]).first().std()))
    power, left = power_of_depth(rows.assign(P=rows.P / rows.width**0.1), "T2")
    assert (power, left) == (pytest.approx(0.5), pytest.approx(1))
