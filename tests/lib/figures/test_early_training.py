"""Chapter 7's figures: terms as they are, moments as curves, the exit at its place."""

import numpy as np
import pandas as pd
import pytest

from lib.figures import early_training as drawn
from lib.theory.early_training import decay_exponents, theorem3, theorem3_terms
from lib.trends import Interval


@pytest.fixture(scope="module")
def rows():
    """P = m^-(2c-1) e^t up to time 10; the shares are tenths of it and the loss is halved at its end."""
    lines = [
        (c, n, m, s, t, m ** -(2 * c - 1) * np.exp(t), t / 10 * 2.5, 0.5 if t == 10 else np.nan, 0.5 - t / 25)
        for c in (1.5, 2.0) for n in (5, 10) for m in (128, 1024, 4096) for s in (3, 4) for t in (0, 1, 2, 4, 10)
    ]  # fmt: skip
    frame = pd.DataFrame(
        lines, columns=["c", "samples", "width", "seed", "time", "P", "share", "reached", "train_loss"]
    )
    return frame.assign(P_train=frame["P"], in_features=20)


def labels(axis):
    return axis.get_legend_handles_labels()[1]


def test_terms_add_up_to_the_equation():
    widths = [16, 256, 4096]
    axis = drawn.terms_over_width(widths).axes[1]
    total, first, second = (line.get_ydata() for line in axis.lines[:3])
    assert total == pytest.approx(np.add(first, second))
    assert first[1] == theorem3_terms(256, 10, 2.0).first


def test_stability_has_a_curve_a_moment_and_the_bound(rows):
    left, right = drawn.stability_over_width(rows, 5).axes
    assert labels(left)[:2] == ["$t = 0$", "$T/4$"] and labels(left)[-1] == "Eq. (4)"
    assert left.lines[0].get_ydata() == pytest.approx([m**-2.0 for m in (128, 1024, 4096)])
    assert right.lines[-1].get_ydata()[0] == theorem3(128, 5, 2.0)


def test_slopes_stand_at_their_moments_beside_the_exponents():
    moments = {"epoch_0": "0", "time_0.25": "T/4"}
    lines = [(m, c, n, Interval(-c, -c - 0.1, -c + 0.1, 5)) for m in moments for c in (1.5, 2.0) for n in (5, 10, 20)]
    measured = pd.DataFrame(lines, columns=["moment", "c", "n", "slope"])
    axis = drawn.slopes_over_moments(measured, moments).axes[1]
    assert [line.get_ydata()[0] for line in axis.lines[:5]] == [-value for value in decay_exponents(2.0)]
    assert axis.containers[2][0].get_xdata() == pytest.approx([0.18, 1.18])
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "T/4"]


def test_widths_collapse_on_one_curve(rows):
    axis = drawn.collapse(rows, 3).axes[0]
    assert labels(axis) == ["$c = 1.5$", "$c = 2$"]
    assert all(line.get_ydata() == pytest.approx(axis.lines[0].get_ydata()) for line in axis.lines)


def test_the_exit_is_a_cross_on_the_bound(rows):
    runs = rows[(rows.c == 2) & (rows.samples == 5) & (rows.seed == 3) & rows.width.isin([128, 4096])]
    exits = pd.DataFrame({"width": [128, 4096], "exit": [3.0, 6.0], "proved": [1.0, 2.0]})
    left, right = drawn.exit_of_the_bound(runs, exits).axes
    crosses = [line for line in left.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [
        (3.0, theorem3(128, 5, 2.0)), (6.0, theorem3(4096, 5, 2.0)),
    ]  # fmt: skip
    assert min(right.lines[1].get_ydata()) == 0
