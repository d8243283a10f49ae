"""Convolutional networks drawn at initialization lie on the exact second moment."""

import pytest

from lib.experiments.convolutional_law import drawn_beside_law
from lib.theory.initialization_convolutional import rms_stability


def test_networks_of_every_cell_lie_on_the_law():
    cells = drawn_beside_law((1, 6, 5), 3, ["he", "lecun"], [8], [2, 3], draws=300)
    assert cells[["initializer", "depth"]].to_numpy().tolist() == [["he", 2], ["he", 3], ["lecun", 2], ["lecun", 3]]
    for cell in cells.itertuples():
        assert cell.exact == rms_stability(8, cell.depth, (1, 6, 5), 3, cell.initializer)
        assert cell.measured == pytest.approx(cell.exact * cell.ratio**0.5)
        # Four of their own standard errors.
        assert abs(cell.ratio - 1) < 2 * (cell.high - cell.low)
        assert cell.high - cell.low < 0.2


def test_a_law_of_other_weights_is_missed():
    cell = drawn_beside_law((1, 6, 5), 3, ["he"], [8], [3], draws=300).iloc[0]
    other = rms_stability(8, 3, (1, 6, 5), 3, "lecun")
    assert not cell.low <= cell.ratio * (cell.exact / other) ** 2 <= cell.high
