"""Figures of chapter 11: the law is a line, networks are points on it, and a ratio off the law is seen off one."""

import pandas as pd
import pytest

from lib.figures.convolutional import law_and_networks


def test_the_law_is_drawn_with_its_networks():
    cells = pd.DataFrame(
        {
            "initializer": ["he", "he", "lecun", "lecun"],
            "depth": [2, 4, 2, 4],
            "width": [4, 4, 4, 4],
            "exact": [0.5, 0.4, 0.3, 0.1],
            "measured": [0.51, 0.41, 0.29, 0.1],
            "ratio": [1.04, 1.05, 0.93, 1.3],
            "low": [0.9, 0.9, 0.8, 1.2],
            "high": [1.2, 1.2, 1.1, 1.4],
        }
    )
    left, right = law_and_networks(cells, 0.55).axes
    assert [line.get_ydata().tolist() for line in left.lines[1:3]] == [[0.5, 0.4], [0.51, 0.41]]
    assert left.get_legend_handles_labels()[1] == ["He", "LeCun"]
    points = [line for line in right.lines if len(line.get_xdata()) == 1 and line.get_marker() != "None"]
    assert sorted(float(line.get_ydata()[0]) for line in points) == pytest.approx([0.93, 1.04, 1.05, 1.3])
