"""Chapter 1's figures: layers with their names, a path with its kinks, parameters where they are as many as points."""

import numpy as np
import pytest
import torch

from lib.figures import setting
from lib.networks import FCN


def words(axis):
    return [text.get_text() for text in axis.texts]


def test_each_layer_has_its_law_and_its_size():
    (axis,) = setting.network(3, 64, 784, 10).axes
    assert {"$d = 784$", "$m = 64$", "$o = 10$", r"$\mathbf{W}_{L}$"} <= set(words(axis))
    assert words(axis).count(r"$\vdots$") == 4


def test_a_path_starts_on_its_tangent_and_leaves_it_at_its_first_kink():
    network = FCN(8, 3, 6, 2, "he", seed=1, dtype=torch.float64)
    start, end = torch.randn(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    path = setting.path_between(network, start, end, steps=2001)
    first = path.kinks[0]
    assert path.output[: first + 1] == pytest.approx(path.tangent[: first + 1])
    assert abs(path.output[-1] - path.tangent[-1]) > 1e-3
    axis = setting.paths({8: path}).axes[0]
    assert len(axis.lines[2].get_xdata()) == len(path.kinks)


def test_the_turn_is_marked_on_its_curve():
    (axis,) = setting.parameters_over_width([16, 64, 256], [2, 4], 784, 10, 60_000).axes
    (diamond,) = [line for line in axis.lines if line.get_marker() == "D"]
    assert diamond.get_xdata()[0] == 32
    assert diamond.get_ydata()[0] == pytest.approx((32 * 794 + 2 * 32**2) / 60_000)
    assert np.all(np.diff(axis.lines[0].get_ydata()) > 0)
