"""Ratios of times over the width."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lib.figures.speed import ratios_over_width, seconds_of_an_operation

_TITLES = {name: f"× {name}" for name in ("a", "b", "c", "d")}


def test_each_ratio_has_a_panel_and_each_depth_and_stack_a_curve() -> None:
    lines = [(name, m, L, R, 2.0, 1.5, 3.0) for name in _TITLES for m in (16, 64) for L in (2, 6) for R in (1, 5)]
    table = pd.DataFrame(lines, columns=["ratio", "width", "depth", "replicas", "median", "min", "max"])
    figure = ratios_over_width(table, _TITLES)
    assert [axis.get_title() for axis in figure.axes] == list(_TITLES.values())
    assert all(len(axis.containers) == 4 for axis in figure.axes)
    assert len(figure.legends[0].get_texts()) == 4
    plt.close(figure)


def test_nothing_measured_is_said() -> None:
    figure = ratios_over_width(None, _TITLES)
    assert [axis.texts[0].get_text() for axis in figure.axes] == ["not measured yet"] * 4
    plt.close(figure)


def test_the_time_of_an_operation_is_drawn_with_the_band_in_which_it_is_level() -> None:
    table = pd.DataFrame({"width": [256, 512], "min": [1e-12, 2e-12], "median": [2e-12, 3e-12], "max": [3e-12, 4e-12]})
    axis = seconds_of_an_operation(table, 1.5).axes[0]
    (band,) = axis.patches
    assert band.get_height() > 0 and (band.get_y() + band.get_height()) / band.get_y() == pytest.approx(1.5)
    assert list(axis.containers[0].lines[0].get_ydata()) == pytest.approx([2, 3])
    plt.close(axis.figure)
    empty = seconds_of_an_operation(None, 1.5)
    assert empty.axes[0].texts[0].get_text() == "not measured yet"
    plt.close(empty)
