"""The exponents of the width are those of the exact law, for either architecture."""

import pytest
import torch

from lib.convolutional import CNN
from lib.estimators.width_scaling import width_scaling
from lib.networks import FCN

X = torch.randn(3, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WIDTHS = (4, 8, 16)
# β_l² ∝ m^a in every layer and a factor m for each of the L−1 hidden ones; L = 3.
EXPONENTS = {"he": 0, "lecun": 0, "power-1": 2 - 6}


def fully_connected(name):
    return lambda width: FCN(width, 3, 16, 2, name, replicas=150, dtype=torch.float64)


def convolutional(name):
    return lambda width: CNN(width, 3, (1, 4, 4), 2, name, replicas=150, dtype=torch.float64)


@pytest.mark.parametrize("build", [fully_connected, convolutional])
@pytest.mark.parametrize("name", ["he", "lecun", "power-1"])
def test_exponents_are_those_of_the_law(build, name):
    found = width_scaling(build(name), WIDTHS, X)
    assert (found.standard_error < 0.15).all()
    assert ((found.exponent - EXPONENTS[name]).abs() < 4 * found.standard_error).all()


def test_a_parameterization_that_grows_is_seen():
    found = width_scaling(fully_connected("ntk-slides"), WIDTHS, X)
    # m β_1²/2 = m β²/2 = 1 and o β_L² = o: nothing grows where the last layer's variance is 1.
    assert (found.exponent.abs() < 4 * found.standard_error).all()
    doubled = width_scaling(lambda m: FCN(m, 3, 16, 2, "he", replicas=50, alpha=1 / m, dtype=torch.float64), WIDTHS, X)
    assert ((doubled.exponent - 2).abs() < 4 * doubled.standard_error).all()


def test_one_width_is_refused():
    with pytest.raises(ValueError, match=r"widths must be two or more different ones, got \[4, 4\]"):
        width_scaling(fully_connected("he"), (4, 4), X)
