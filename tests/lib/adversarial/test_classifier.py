"""Every entry takes labels of any integer type and refuses wrong ones, one output, and what is no attack."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.adversarial import (
    Attack,
    attacked_points,
    divergence_slope,
    gradient_masking,
    noise_accuracy,
    pgd,
    pgd_accuracy,
    robustness,
)
from lib.networks import FCN

ATTACK = Attack(0.2, steps=2)
CALLS = {
    "noise_accuracy": lambda network, x, y: noise_accuracy(network, x, y, 0.2),
    "pgd_accuracy": lambda network, x, y: pgd_accuracy(network, x, y, 0.2, steps=2),
    "pgd": lambda network, x, y: pgd(network, x, y, 0.2, steps=2),
    "attacked_points": lambda network, x, y: attacked_points(network, x, y, ATTACK),
    "robustness": lambda network, x, y: robustness(network, x, y, ATTACK).robust,
    "gradient_masking": lambda network, x, y: gradient_masking(network, x, y, ATTACK, draws=1).attack,
    "divergence_slope": lambda network, x, y: divergence_slope(network, x, ATTACK),
}
LABELLED = [call for name, call in CALLS.items() if name != "divergence_slope"]
ACCURACIES = [CALLS[name] for name in ("noise_accuracy", "pgd_accuracy", "robustness", "gradient_masking")]


@pytest.fixture(params=[1, 2])
def network(request):
    """A stack and a plain module."""
    stack = FCN(8, 2, 6, 3, "he", replicas=request.param, seed=1)
    return stack if request.param == 2 else stack.module()


@pytest.fixture
def x():
    return torch.rand(5, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("call", LABELLED)
def test_labels_are_looked_at(network, x, call):
    expected = call(network, x, torch.tensor([0, 1, 2, 0, 1]))
    for same in ([0, 1, 2, 0, 1], np.array([0, 1, 2, 0, 1], np.int32), torch.tensor([0, 1, 2, 0, 1]).byte()):
        assert torch.equal(call(network, x, same), expected)
    for wrong in ([1, 2, 3, 1, 2], [-1, 0, 1, -1, 0], [0, 1], np.eye(5), None):
        with pytest.raises(ValueError, match=r"^y must be 5 integers from 0 to 2, the classes of the points, got "):
            call(network, x, wrong)


@pytest.mark.parametrize("call", CALLS.values())
def test_a_single_output_is_refused(x, call):
    for network in (FCN(8, 2, 6, 1), nn.Linear(6, 1)):
        with pytest.raises(ValueError, match=r"^network must have at least 2 outputs, one a class, got 1;"):
            call(network, x, [0] * 5)


@pytest.mark.parametrize("call", CALLS.values())
def test_points_that_are_not_finite_are_refused(network, x, call):
    x[3, 2] = torch.nan
    with pytest.raises(ValueError, match=r"^x must be finite, got 1 entries that are not\.$"):
        call(network, x, [0] * 5)


@pytest.mark.parametrize("call", ACCURACIES)
def test_a_network_that_has_diverged_is_right_nowhere(network, x, call):
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    assert (call(network, x, [0] * 5) == 0).all()
    assert not robustness(network, x, [0] * 5, ATTACK).stable.any()


@pytest.mark.parametrize("attack", ["pgd", None, 0.1])
def test_what_is_no_attack_is_refused(network, x, attack):
    for call in (attacked_points, robustness, gradient_masking):
        with pytest.raises(ValueError, match=r"^attack must be an Attack, got "):
            call(network, x, [0] * 5, attack)
    with pytest.raises(ValueError, match=r"^attack must be an Attack, got "):
        divergence_slope(network, x, attack)
