"""The count of weights against the network itself, and its inverse."""

from __future__ import annotations

import pytest

from lib.networks import FCN
from lib.theory.parameters import number_of_parameters, width_of_parameters


@pytest.mark.parametrize(("width", "depth", "inputs", "outputs"), [(16, 2, 784, 10), (7, 5, 3, 2), (1, 3, 1, 1)])
def test_the_count_is_that_of_the_network(width, depth, inputs, outputs):
    network = FCN(width, depth, inputs, outputs)
    assert number_of_parameters(width, depth, inputs, outputs) == sum(weight[0].numel() for weight in network.weights)


@pytest.mark.parametrize("depth", [2, 3, 10])
@pytest.mark.parametrize("width", [1, 16, 2**14])
def test_the_width_of_a_count_gives_the_width_back(width, depth):
    count = number_of_parameters(width, depth, 784, 10)
    assert width_of_parameters(count, depth, 784, 10) == pytest.approx(width, rel=1e-12)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="count must be positive and finite, got 0"):
        width_of_parameters(0, 2, 784, 10)
    with pytest.raises(ValueError, match="width must be positive and finite, got 0"):
        number_of_parameters(0, 2, 784, 10)
    with pytest.raises(ValueError, match="depth"):
        number_of_parameters(16, 1, 784, 10)
