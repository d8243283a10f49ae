"""An ordinary network is not flagged; one whose gradients were hidden on purpose is, whichever way they were."""

import pytest
import torch
from torch import nn

from lib.adversarial import Attack, gradient_masking
from lib.networks import FCN
from lib.training import train

ATTACK = Attack(0.1, steps=10, pixels=(0.0, 1.0))


@pytest.fixture(scope="module")
def trained(images):
    network = FCN(32, 2, 64, 10, replicas=3, seed=3, dtype=torch.float32)
    train(network, images[0], epochs=15, lr=0.1, momentum=0.9, schedule="constant")
    return network.select([0, 1]), network.module(2), images[0].x_test[:200], images[0].y_test[:200]


def test_an_ordinary_network_is_not_flagged(trained):
    network, surrogate, x, y = trained
    found = gradient_masking(network, x, y, ATTACK, surrogate, draws=10)
    assert not found.flagged.any()
    assert (found.more_steps <= found.attack + 0.03).all()  # more steps do not help the defender beyond noise
    assert (found.random > found.attack + 0.1).all()
    assert (found.transferred > found.attack).all()


class Rounded(nn.Module):
    """Round the pixels: almost nothing of f changes, and its derivative is zero."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module((x * 16).round() / 16)


class Saturated(nn.Module):
    """Scale the outputs until the softmax is exactly 0 or 1: predictions stay, gradients vanish."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return 1e4 * self.module(x)


@pytest.mark.parametrize("hide", [Rounded, Saturated])
def test_a_masked_network_is_flagged(trained, hide):
    network, surrogate, x, y = trained
    found = gradient_masking(hide(network.module(0)), x, y, ATTACK, surrogate, draws=10)
    assert found.flagged.all()
    assert found.transferred < found.attack - 0.1


def test_no_draws_are_refused(trained):
    network, _, x, y = trained
    with pytest.raises(ValueError, match="draws must be an integer of at least 1, got 0"):
        gradient_masking(network, x, y, ATTACK, draws=0)
