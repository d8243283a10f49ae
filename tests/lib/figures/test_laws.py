"""Chapter 14's figures: the law dashed, the ratio with its constant, maximum and average side by side."""

import numpy as np
import pandas as pd
import pytest

from lib.figures import laws


@pytest.fixture(scope="module")
def rows():
    cells = [
        (n, d, k, L, s) for n in (128, 512) for d in (16, 32) for k in (8, 32, 128) for L in (2, 3) for s in (3, 4)
    ]
    frame = pd.DataFrame(cells, columns=["samples", "in_features", "width", "depth", "seed"])
    frame["lipschitz"] = 20 / frame["width"] ** 0.25
    ratio = frame["lipschitz"] / np.sqrt(frame["samples"] / frame["width"])
    return frame.assign(P=1 / frame["width"], relative_stability=1.0, ratio=ratio, universal_ratio=3.0)


def test_the_law_is_dashed_under_its_curve(rows):
    two = rows[rows["depth"] == 2]
    floors = {(n, d): 1.5 for n in (128, 512) for d in (16, 32)}
    left, right = laws.lipschitz_over_width(two, floors).axes
    assert left.get_title(loc="left").endswith("$d = 16$") and right.get_title(loc="left").endswith("$d = 32$")
    curve, law = left.lines[:2]
    assert curve.get_ydata()[0] == pytest.approx(20 / 8**0.25)
    assert law.get_linestyle() == "--" and law.get_ydata()[0] == pytest.approx(4)


def test_ratios_stand_over_neurons_and_over_parameters(rows):
    left, right = laws.ratios(rows).axes
    assert left.get_legend_handles_labels()[1] == ["$n = 128$", "$n = 512$"]
    assert right.get_legend_handles_labels()[1] == ["$L = 2$", "$L = 3$"]
    assert left.lines[0].get_xdata()[0] == pytest.approx(8 / 128)
    assert right.containers[0][0].get_xdata()[0] == pytest.approx(8 * 17 / 128 / 16)


def test_moments_have_their_line_styles(rows):
    two = rows[(rows["depth"] == 2) & (rows["samples"] == 512)]
    axes = laws.maximum_and_average({"init": two, "error 0.5": two, "error 0.1": two}).axes
    assert [line.get_linestyle() for line in axes[0].lines[::2]] == [":", "--", "-"]
    assert axes[1].get_title(loc="left").endswith("$P$ at new points")
