"""Chapter 5's figures and table: what is in a panel, which cells are red, and slopes that were put in."""

import numpy as np
import pandas as pd
import pytest

from lib.figures import earlier_bounds as drawn
from lib.theory.initialization import mean_stability


@pytest.fixture(scope="module")
def bounds():
    grid = pd.DataFrame([(m, L) for L in (2, 6, 10) for m in (16, 64, 256)], columns=["width", "depth"])
    return grid.assign(**{"Zhu et al.": 2.0, "Wu et al.": grid["width"] / 2, "Huang et al.": grid["width"] ** 2.0})


@pytest.fixture(scope="module")
def cells():
    """P like m^0.2 · e^(L/2); the worst gradient at narrow networks alone."""
    lines = [(m, L, s) for m in (16, 64, 256) for L in (2, 6, 10) for s in range(3)]
    frame = pd.DataFrame(lines, columns=["width", "depth", "seed"])
    P = frame["width"] ** 0.2 * np.exp(frame["depth"] / 2) * (1 + 0.01 * frame["seed"])
    older = {"Wu et al.": frame["width"] ** 0.5, "Huang et al.": 2.0 ** frame["depth"]}
    worst = P.where(frame["width"] < 256)
    return frame.assign(P=P, jacobian_frobenius=P, jacobian_spectral=P, lipschitz=worst, **older)


def test_each_depth_has_the_three_bounds_and_the_exact_law(bounds):
    axes = drawn.bounds_over_width(bounds, 784, 10).axes
    assert [axis.get_title(loc="left").split("  ")[1] for axis in axes] == ["$L = 2$", "$L = 6$", "$L = 10$"]
    names = axes[1].get_legend_handles_labels()[1]
    assert [*names[:3], names[4]] == [*drawn.BOUNDS, "exact $P$ at initialization"]
    assert axes[1].lines[4].get_ydata()[0] == mean_stability(16, 6, 784, 10, "ntk")


def test_cells_where_the_new_bound_is_larger_carry_their_ratio(bounds):
    ratio = bounds["Zhu et al."] / bounds["Wu et al."]
    first, second = drawn.ratio_maps(bounds, {"as printed": ratio, "times ten": 10 * ratio}).axes[:2]
    assert [text.get_text() for text in first.texts] == []
    assert [text.get_text() for text in second.texts] == ["2.5"] * 3


def test_shapes_start_at_the_spectral_norm(cells):
    left, right = drawn.shapes(cells, 6, 64).axes
    lines = dict(zip(left.get_legend_handles_labels()[1], left.lines, strict=True))
    assert lines["shape of Wu et al."].get_ydata()[0] == pytest.approx(lines[r"$\|J\|_2$"].get_ydata()[0])
    assert np.isnan(lines["local Lipschitz"].get_ydata()).tolist() == [False, False, True]
    assert right.get_xticks().tolist() == [2, 6, 10]


def test_slopes_are_those_that_were_put_in(cells):
    table = drawn.slope_table(cells, ["log m"], [2, 10]).set_index("slope of")
    assert table.loc["P"].tolist() == ["log m", "0.20\u00a0±\u00a00.00", "0.20\u00a0±\u00a00.00"]
    assert table.loc["local Lipschitz", "L = 2"] == "0.20\u00a0±\u00a00.00"
    assert table.loc["Wu et al.", "L = 10"] == "0.50"
    over_depth = drawn.slope_table(cells, ["L", "log L"], [64])
    assert over_depth.loc[over_depth["on"] == "L", "m = 64"].tolist()[0] == "0.50\u00a0±\u00a00.00"
    assert len(over_depth) == 12


def test_tables_of_ratios_and_of_conditions():
    ratios = pd.DataFrame({"d": [16, 64], "mean": [1.5, 3.0], "low": [1.4, 2.9], "high": [1.6, 3.1], "seeds": [5, 5]})
    table = drawn.ratio_table(ratios, 10)
    assert table["at least"].tolist() == ["1.34", "2.57"]  # √(18/10), √(66/10)
    assert table["measured, 95%"].tolist() == ["1.50 [1.40, 1.60]", "3.00 [2.90, 3.10]"]
    assert [float(most) for most in table["at most"]] > [float(least) for least in table["at least"]]
    conditions = drawn.condition_table((2, 6))
    assert list(conditions) == ["log₁₀ m from which", "L = 2", "L = 6"]
    assert (conditions["L = 6"].astype(float) > conditions["L = 2"].astype(float)).all()
