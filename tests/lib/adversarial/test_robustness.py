"""Robust is correct and stable, in counts; the divergence's slope is that of autograd, a point's largest."""

import pytest
import torch
from torch.nn import functional

from lib.adversarial import Attack, attacked_points, divergence_slope, robustness
from lib.seeds import generator
from lib.training import train


@pytest.fixture
def trained(make, images):
    network = make(replicas=2, seed=1, dtype=torch.float32)
    train(network, images[0], epochs=8, lr=0.1, momentum=0.9, schedule="constant")
    return network, images[0].x_test[:200], images[0].y_test[:200]


def test_robust_is_correct_and_stable_in_counts(trained):
    network, x, y = trained
    attack = Attack(0.15, steps=5, pixels=(0.0, 1.0))
    points = attacked_points(network, x, y, attack, seed=2)
    natural, after = network(x).argmax(dim=-1), network(points).argmax(dim=-1)
    found = robustness(network, x, y, attack, seed=2)
    for r in range(2):
        right_twice = int(((natural[r] == y) & (after[r] == y)).sum())
        assert int(found.robust[r].sum()) == right_twice == int((found.correct[r] & found.stable[r]).sum())
        assert int(found.correct[r].sum()) == int((natural[r] == y).sum())
        assert int(found.stable[r].sum()) == int((natural[r] == after[r]).sum())
        assert 0 < right_twice < int(found.correct[r].sum())


def test_a_stack_is_as_robust_as_its_modules(make, images):
    network = make(replicas=2, seed=1)
    x, y = images[0].x_test[:100].double(), images[0].y_test[:100]
    attack = Attack(0.5, "l2", steps=5)
    together, slopes = robustness(network, x, y, attack), divergence_slope(network, x, attack)
    for r in range(2):
        alone = robustness(network.module(r), x, y, attack)
        assert all(torch.equal(some[r], other[0]) for some, other in zip(together, alone, strict=True))
        torch.testing.assert_close(slopes[r], divergence_slope(network.module(r), x, attack)[0])


def test_the_divergence_slope_is_the_largest_that_the_attack_sees(make):
    network = make(replicas=1)
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(6, 64, generator=stream, dtype=torch.float64)
    attack = Attack(0.2, steps=3)
    p = network(x).softmax(dim=-1).detach()

    def slope(points):
        points = points.detach().requires_grad_()
        value = functional.kl_div(network(points).log_softmax(dim=-1), p, reduction="sum")
        return torch.autograd.grad(value, points)[0]

    point = x + attack.starts(x.shape, generator(4, "attack"))
    largest = torch.zeros(1, 6, dtype=torch.float64)
    for step in range(4):
        gradient = slope(point)
        largest = torch.maximum(largest, gradient.flatten(1).abs().sum(dim=1))
        if step < 3:
            point = torch.minimum(torch.maximum(point + attack.step * gradient.sign(), x - 0.2), x + 0.2)
    torch.testing.assert_close(divergence_slope(network, x, attack, seed=4), largest)


def test_a_constant_network_is_stable_and_flat(make):
    network = make(replicas=1)
    with torch.no_grad():
        network.weights[-1].zero_()
    x, y = torch.rand(6, 64, dtype=torch.float64), torch.zeros(6, dtype=torch.int64)
    assert robustness(network, x, y, Attack(0.2)).stable.all()
    assert (divergence_slope(network, x, Attack(0.2)) == 0).all()
