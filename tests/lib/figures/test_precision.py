"""The figure of what a precision changes: a panel a quantity, a line a cell, filled where the cell is equal there."""

import pandas as pd
import pytest

from lib.figures.precision import changes
from lib.verdicts.precision import MARGINS


@pytest.fixture
def found():
    lines = []
    for initializer, depth, outcome in (("he", 2, "equal"), ("lecun", 6, "open")):
        for quantity in MARGINS:
            shift = 0.0 if quantity == "test_accuracy" else 1.0
            values = {"mean": shift + 0.001, "low": shift - 0.002, "high": shift + 0.004}
            cell = {"initializer": initializer, "depth": depth, "width": 256, "quantity": quantity}
            lines.append({**cell, **values, "outcome": outcome})
    return pd.DataFrame(lines)


def test_every_cell_has_its_line_and_is_filled_where_it_is_equal(found):
    axes = changes(found, MARGINS).axes
    assert len(axes) == 4
    for axis in axes:
        points = [line for line in axis.lines if line.get_marker() not in ("None", "|")]
        assert [line.get_xydata()[0].tolist() for line in points] == [pytest.approx([0.1, place]) for place in (0, 1)]
        assert points[0].get_markerfacecolor() == points[0].get_color() and points[1].get_markerfacecolor() == "white"
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["He, L = 2, m = 256", "LeCun, L = 6, m = 256"]


def test_without_a_pair_the_panels_are_there_and_empty(found):
    axes = changes(found[:0], MARGINS).axes
    assert [axis.get_xlabel() for axis in axes] == ["change, %"] * 3 + ["points"]
