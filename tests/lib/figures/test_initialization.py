"""Chapter 3's figures: cells side by side in the right panels, laws as lines, draws as points."""

import numpy as np
import pandas as pd
import pytest

from lib.figures import INITIALIZATIONS
from lib.figures import initialization as drawn
from lib.theory.initialization import mean_stability


@pytest.fixture(scope="module")
def cells():
    names = [(name, L, m) for name in ("he", "lecun") for L in (2, 4) for m in (16, 64, 256)]
    frame = pd.DataFrame(names, columns=["initializer", "depth", "width"])
    frame["x"] = (frame["depth"] - 1) / frame["width"]
    return frame.assign(
        ratio=1.01, error=0.01, P=0.2, P_error=0.01, excess=5 * frame["x"], relative=0.99, relative_error=0.01,
        measured=1 / frame["depth"],
    )  # fmt: skip


def test_depths_stand_side_by_side_in_a_panel_an_initialization(cells):
    axes = drawn.measured_over_exact({"draws": cells, "networks": cells[cells["width"] < 256]}).axes
    assert [axis.get_title(loc="left").split("  ")[1] for axis in axes[:2]] == ["He", "LeCun"]
    shallow, deep = (bars[0].get_xdata() for bars in axes[0].containers)
    assert (shallow < [16, 64, 256]).all() and (deep > [16, 64, 256]).all()
    assert len(axes[2].containers[0][0].get_xdata()) == 2


def test_the_mean_has_its_law_and_its_draws(cells):
    (axis,) = drawn.mean_over_width(cells[cells["initializer"] == "he"], 784, 10, 0.16).axes
    assert axis.lines[0].get_ydata()[0] == mean_stability(16, 2, 784, 10, "he")
    assert axis.containers[1][0].get_ydata().tolist() == [0.2] * 3
    assert axis.lines[-1].get_ydata()[0] == 0.16
    (without,) = drawn.mean_over_width(cells[cells["initializer"] == "he"], 784, 10, None).axes
    assert not any("rms" in label for label in without.get_legend_handles_labels()[1])


def test_the_spread_lies_on_its_line(cells):
    (axis,) = drawn.excess_variance(cells).axes
    line = next(line for line in axis.lines if line.get_label() == r"$5\,(L-1)/m$")
    assert line.get_ydata() == pytest.approx(5 * np.array([1 / 256, 3 / 16]))


def test_initializations_keep_their_colours(cells):
    left, right = drawn.scale_and_relative(cells, 0.998, [2, 4]).axes
    assert left.get_legend_handles_labels()[1] == ["He", "LeCun"]
    assert {line.get_color() for line in left.lines} == {INITIALIZATIONS[name].colour for name in ("he", "lecun")}
    low, high = right.get_ylim()
    assert low < 0.97 and high > 1
