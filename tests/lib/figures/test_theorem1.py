"""Chapter 4's figures and tables: peaks where the theorem has them, arrows that are arithmetic, fits as they are."""

import numpy as np
import pandas as pd
import pytest

from lib.experiments.over_bound import Shape
from lib.figures import theorem1 as drawn
from lib.theory.bounds import theorem1, theorem1_terms
from lib.trends import Interval
from lib.verdicts.profile_likelihood import TwoTerms


@pytest.fixture(scope="module")
def fits():
    rng = np.random.default_rng(0)
    first, second = np.array([1.0, 4.0, 2.0, 0.5]), np.ones(4)
    logs = np.log(second)[:, None] + 0.05 * rng.standard_normal((4, 5))
    return {("he", epoch, "one scale"): TwoTerms(logs, first, second) for epoch in (0, 50)}


def labels(axis):
    return axis.get_legend_handles_labels()[1]


def test_the_table_of_peaks_says_where_and_how_far():
    bounds = pd.DataFrame([(L, m) for L in (2, 6) for m in (16, 128)], columns=["depth", "width"])
    bounds["bound"] = [theorem1(m, L, 784, 10, "he") for L, m in zip(bounds.depth, bounds.width, strict=True)]
    table = drawn.peak_table(bounds.assign(initializer="he"), 784, 10)
    assert table["L"].tolist() == [2, 6] and table["m* = L³/2"].tolist() == ["4", "108"]
    most = max(theorem1(m, 6, 784, 10, "he") for m in (16, 128))
    plateau = theorem1_terms(10, 6, 784, 10, "he").plateau
    assert table["largest on the grid / plateau"][1] == f"{most / plateau:.3g}"


def test_peaks_are_marked_where_the_bound_has_them():
    left, right = drawn.bound_over_width(["he", "lecun"], [16, 64, 256, 1024], [2, 6], 784, 10).axes
    assert labels(left) == ["$L = 2$", "$L = 6$"]
    (mark,) = [line for line in right.lines if len(line.get_xdata()) == 1]  # for two layers it lies off the axis
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (108, theorem1(108, 6, 784, 10, "lecun"))


def test_an_event_that_was_not_drawn_is_a_gap():
    cells = pd.DataFrame({"depth": 4, "width": [16, 64, 256], "leaves": [0.5, 0.01, 0.0], "share": [0.4, 0.01, 0.0]})
    left, right = drawn.rare_event(cells.assign(over=[9.0, 5.0, 0.1]), 1000).axes
    assert np.isnan(left.lines[0].get_ydata()).tolist() == [False, False, True]
    assert right.lines[1].get_ydata().tolist() == [9.0, 5.0, 0.1]


def test_trained_networks_have_a_panel_each(trainings):
    ends = trainings.query("moment == 'end' and scaling == 'raw' and momentum == 0").assign(bound_ratio=0.3)
    parts = {name: ends[ends["initializer"] == name] for name in ("he", "ntk")}
    axes = drawn.ratio_over_width(parts, [16, 64, 256], [2, 6]).axes
    assert [axis.get_title(loc="left").split("  ")[1] for axis in axes] == ["untrained", "He", "NTK"]
    assert axes[1].lines[0].get_ydata() == pytest.approx([0.3] * 3)


def test_profiles_are_dashed_before_training_and_zero_at_the_estimate(fits):
    (axis,) = drawn.profiles(fits).axes
    before, after = axis.lines[:2]
    assert (before.get_linestyle(), after.get_linestyle()) == ("--", "-")
    assert labels(axis) == ["one scale, untrained", "one scale, epoch 50"]
    assert min(after.get_ydata()) == pytest.approx(0, abs=0.05)


def test_arrows_are_flat_within_the_share():
    table = pd.DataFrame([[1.0, 1.04, 2.0, 0.1]], columns=[16, 32, 64, 128])
    assert drawn.arrows(table, 0.05).iloc[0].tolist() == ["→", "↗", "↘"]
    assert drawn.arrows(table, 0.01).iloc[0].tolist() == ["↗", "↗", "↘"]


def test_initializations_with_equal_arrows_share_their_lines():
    cells = [(name, L, m) for name in ("he", "ntk", "lecun") for L in (2, 4) for m in (16, 48)]
    bounds = pd.DataFrame(cells, columns=["initializer", "depth", "width"])
    bounds["bound"] = bounds["exact"] = [L if name != "lecun" else 1 / L for name, L, _ in cells]
    table = drawn.arrows_over_depth(bounds, 0.05)
    assert table.to_numpy().tolist() == [
        ["He, NTK", "bound", 4, "↗", "↗"],
        ["He, NTK", "exact law", 4, "↗", "↗"],
        ["LeCun", "bound", 4, "↘", "↘"],
        ["LeCun", "exact law", 4, "↘", "↘"],
    ]
    assert list(table)[3:] == ["2⁴", "48"]
    over_width = drawn.arrows_over_width(bounds[bounds["initializer"] == "he"], 0.05)
    assert over_width["to 48"].tolist() == ["→"] * 4


def test_tables_say_what_was_fitted(fits):
    shape = Shape(Interval(0.5, 0.4, 0.6, 5), Interval(-0.1, -0.2, 0.0, 5), 2.0, 1.5)
    (line,) = drawn.shape_table({("he", 50, "T2"): shape}).to_dict("records")
    assert (line["P divided by"], line["constant"], line["factor left"]) == ("plateau alone", "2", "1.50")
    table = drawn.fit_table(fits)
    fit = fits["he", 50, "one scale"]
    assert table["a/b, 95%"].tolist()[1] == f"{fit.ratio:.2g} [{fit.low:.2g}, {fit.high:.2g}]"
    assert table["initialization"].unique().tolist() == ["He"]
