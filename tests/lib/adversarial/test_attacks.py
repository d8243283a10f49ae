"""Noise lies on its sphere, PGD in its ball; PGD is that of a plain loop and optimal where the optimum is known."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.adversarial import attacks as adversarial
from lib.adversarial import noise_accuracy, pgd, pgd_accuracy
from lib.data import load
from lib.networks import FCN
from lib.seeds import generator
from lib.training import train

RADII = (0.05, 0.4, 3.0)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def trained(digits):
    """Three replicas that have learned the digits, and test points with their labels."""
    network = FCN(32, 3, 64, 10, replicas=3, seed=1)
    train(network, digits, epochs=10, lr=0.1, momentum=0.9)
    return network, digits.x_test[:150], digits.y_test[:150]


def losses(network, points, y):
    """The cross-entropy of every replica at points of its own."""
    f = network(points).detach()
    return functional.cross_entropy(f.flatten(0, 1), y.repeat(len(f)), reduction="none").view(f.shape[:2])


@pytest.mark.parametrize("radius", RADII)
def test_noise_is_uniform_on_its_sphere_and_the_same_for_every_replica(monkeypatch, radius):
    seen = []
    monkeypatch.setattr(adversarial, "_accuracy", lambda network, points, y: seen.append(points) or torch.zeros(2))
    network = FCN(4, 2, 5, 3, replicas=2, dtype=torch.float64)
    x, y = torch.randn(4000, 5, dtype=torch.float64), torch.zeros(4000, dtype=torch.int64)
    for seed in (0, 0, 1):
        noise_accuracy(network, x, y, radius, seed=seed)
    delta = seen[0][0] - x
    torch.testing.assert_close(delta.norm(dim=1), torch.full((4000,), radius, dtype=torch.float64))
    direction = delta / radius
    # Uniform: mean 0 and covariance I/d; 5 standard errors of 4,000 draws.
    assert direction.mean(dim=0).abs().max() < 5 * (1 / 5 / 4000) ** 0.5
    assert (direction.T @ direction / 4000 - torch.eye(5) / 5).abs().max() < 5 * (3 / 35 / 4000) ** 0.5
    assert torch.equal(seen[0][0], seen[0][1])
    assert torch.equal(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2])


@pytest.mark.parametrize("features", [3, 17, 784])
def test_noise_is_given_by_the_seed_and_the_place_alone(features):
    x = torch.zeros(40, features)
    all_of_them = adversarial._directions(x, 3)
    for points in (1, 2, 39):
        assert torch.equal(adversarial._directions(x[:points], 3), all_of_them[:points])
    if features % 16 == 0:  # as all rows were measured
        once = torch.randn(40, features, generator=generator(3, "noise"), dtype=torch.float64)
        assert torch.equal(all_of_them, once)


def test_noise_accuracy_is_that_of_the_perturbed_points(trained):
    network, x, y = trained
    clean = (network(x).argmax(dim=2) == y).double().mean(dim=1)
    torch.testing.assert_close(noise_accuracy(network, x, y, 1e-4), clean)
    assert (noise_accuracy(network, x, y, 1.0) < clean - 0.2).all()
    assert (noise_accuracy(network, x, y, 1e4) < 0.35).all()  # nothing of the image is left


@pytest.mark.parametrize("radius", RADII)
def test_pgd_stays_in_the_ball_and_uses_it(trained, radius):
    network, x, y = trained
    points = pgd(network, x, y, radius)
    assert points.shape == (3, *x.shape)
    distance = (points - x).norm(dim=2)
    assert (distance <= radius * (1 + 1e-5)).all()
    assert (distance > 0.99 * radius).double().mean() > 0.9


@pytest.mark.parametrize("radius", RADII)
def test_pgd_is_never_worse_for_the_attacker_than_no_attack_or_noise(trained, radius):
    network, x, y = trained
    stack = x.expand(3, *x.shape)
    attacked = losses(network, pgd(network, x, y, radius), y).mean(dim=1)
    noise = radius * functional.normalize(torch.randn(x.shape, generator=torch.Generator().manual_seed(0)), dim=1)
    assert (attacked > losses(network, stack, y).mean(dim=1)).all()
    assert (attacked > losses(network, stack + noise, y).mean(dim=1)).all()
    assert (pgd_accuracy(network, x, y, radius) <= noise_accuracy(network, x, y, radius)).all()
    # To the first order the loss rises by radius × ‖gradient‖: small radii must come close to that.
    if radius == RADII[0]:
        start = stack.clone().requires_grad_()
        value = functional.cross_entropy(network(start).flatten(0, 1), y.repeat(3), reduction="sum")
        (gradient,) = torch.autograd.grad(value, start)
        gain = attacked - losses(network, stack, y).mean(dim=1)
        assert (gain > 0.95 * radius * gradient.norm(dim=2).mean(dim=1)).all()


def plain_pgd(module, x, y, radius, steps):
    """Attack one point after another, as the algorithm is written down."""
    attacked = []
    for point, label in zip(x, y, strict=True):
        current = point.clone()
        for _ in range(steps):
            current = current.detach().requires_grad_()
            functional.cross_entropy(module(current[None]), label[None]).backward()
            gradient = current.grad
            if gradient.norm() == 0:  # every neuron is off
                break
            shift = current.detach() + 2.5 * radius / steps * gradient / gradient.norm() - point
            current = point + shift * min(1.0, radius / float(shift.norm()))
        attacked.append(current.detach())
    return torch.stack(attacked)


@pytest.mark.parametrize("steps", [1, 10])
@pytest.mark.parametrize("radius", [0.3, 2.0])
def test_pgd_is_that_of_a_plain_loop(radius, steps):
    network = FCN(9, 3, 6, 4, replicas=2, seed=3, alpha=1.5, dtype=torch.float64)
    stream = torch.Generator().manual_seed(1)
    x, y = torch.randn(12, 6, generator=stream, dtype=torch.float64), torch.randint(0, 4, (12,), generator=stream)
    points = pgd(network, x, y, radius, steps)
    for r in range(2):
        module = network.module(r)
        expected = plain_pgd(module, x, y, radius, steps)
        assert (expected - x).norm(dim=1).max() > 0.9 * radius
        torch.testing.assert_close(points[r], expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(pgd(module, x, y, radius, steps)[0], expected, rtol=1e-9, atol=1e-12)
        hits = (module(expected).argmax(dim=1) == y).double().mean().reshape(1)
        torch.testing.assert_close(pgd_accuracy(module, x, y, radius, steps), hits)


def test_replicas_are_attacked_as_their_modules_are(trained):
    network, x, y = trained
    for r in range(3):
        module = network.module(r)
        for radius in RADII:
            torch.testing.assert_close(
                pgd(network, x, y, radius)[r], pgd(module, x, y, radius)[0], rtol=1e-3, atol=1e-4
            )
            alone = torch.cat([accuracy(module, x, y, radius) for accuracy in (noise_accuracy, pgd_accuracy)])
            both = torch.stack([noise_accuracy(network, x, y, radius)[r], pgd_accuracy(network, x, y, radius)[r]])
            torch.testing.assert_close(alone, both, rtol=0, atol=1.5 / len(x))  # a point on the boundary may flip


def test_pgd_attacks_a_network_that_is_sure_of_itself_no_less():
    x = torch.randn(20, 7, generator=torch.Generator().manual_seed(2))
    sure = nn.Linear(7, 2, bias=False)
    with torch.no_grad():
        sure.weight.copy_(torch.stack([torch.full((7,), 5.0), torch.full((7,), -5.0)]))
    y = sure(x).argmax(dim=1)
    margin = (sure(x)[:, 0] - sure(x)[:, 1]).abs()
    assert (margin > 28).sum() > 5  # the gradient is below 1e-12, and above the least that a float holds
    assert margin.max() < 87
    assert pgd_accuracy(sure, x, y, radius=10.0) == 0


@pytest.mark.parametrize("radius", RADII)
def test_pgd_reaches_the_optimum_of_a_linear_network(radius):
    stream = torch.Generator().manual_seed(2)
    linear = nn.Linear(7, 2, dtype=torch.float64)
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream, dtype=torch.float64))
    x, y = torch.randn(40, 7, generator=stream, dtype=torch.float64), torch.randint(0, 2, (40,), generator=stream)
    # Two classes: the loss is log(1 + exp(−margin)), and the margin wᵀx + b falls fastest along ∓w.
    w, b = linear.weight.detach(), linear.bias.detach()
    sign = 1 - 2 * y.double()
    away = sign[:, None] * (w[0] - w[1]) * -1
    optimum = x + radius * functional.normalize(away, dim=1)
    torch.testing.assert_close(pgd(linear, x, y, radius)[0], optimum, rtol=1e-9, atol=1e-9)
    margin = sign * (x @ (w[0] - w[1]) + b[0] - b[1])
    robust = (margin > radius * (w[0] - w[1]).norm()).double().mean().reshape(1)
    assert float((margin > 0).double().mean()) > 0
    torch.testing.assert_close(pgd_accuracy(linear, x, y, radius), robust)


def test_a_flat_loss_leaves_the_points_where_they_are():
    network = FCN(4, 2, 6, 3)
    with torch.no_grad():
        network.weights[-1].zero_()
    x = torch.randn(5, 6)
    assert torch.equal(pgd(network, x, torch.zeros(5, dtype=torch.int64), 1.0)[0], x)


def test_a_diverged_replica_classifies_nothing_and_leaves_its_neighbour_alone(trained):
    network, x, y = trained
    pair = FCN.from_modules([network.module(0), network.module(1)])
    with torch.no_grad():
        pair.weights[1][1] = torch.nan
    well = pgd_accuracy(pair, x, y, 0.1)[0]
    torch.testing.assert_close(well, pgd_accuracy(network, x, y, 0.1)[0], rtol=0, atol=1.5 / len(x))
    assert noise_accuracy(pair, x, y, 0.1)[0] > 0.5
    for accuracy in (noise_accuracy, pgd_accuracy):
        assert accuracy(pair, x, torch.zeros_like(y), 0.1)[1] == 0


def test_a_module_is_attacked_in_eval_mode_and_keeps_its_mode_and_gradients():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.Dropout(0.9), nn.Linear(6, 3))
    module[2].eval()
    x, y = torch.randn(5, 2, 4), torch.tensor([0, 1, 2, 0, 1])
    points = pgd(module, x, y, 0.5)
    assert points.shape == (1, 5, 2, 4)
    assert torch.equal(points, pgd(module, x, y, 0.5)), "dropout was at work"
    assert [layer.training for layer in module] == [True, True, False, True]
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not points.requires_grad


def test_steps_that_a_short_type_would_lose_add_up():
    exact, short = FCN(16, 2, 9, 3, "he", seed=2), FCN(16, 2, 9, 3, "he", seed=2).to(torch.bfloat16)
    with torch.no_grad():
        for weight, rounded in zip(exact.weights, short.weights, strict=True):
            weight.copy_(rounded)
    x = (0.5 + torch.rand(20, 9, generator=torch.Generator().manual_seed(0))).bfloat16()
    y = exact(x.float())[0].argmax(dim=-1)
    for network in (short, short.module()):
        points = pgd(network, x, y, radius=0.2, steps=80)
        assert points.dtype == torch.bfloat16
        assert float((points[0].float() - x.float()).norm(dim=1).mean()) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("accuracy", [noise_accuracy, pgd_accuracy, pgd])
def test_a_radius_that_rounding_swallows_is_refused(accuracy):
    with pytest.raises(ValueError, match=r"^radius must be large enough to move x in its type, torch.float32, got"):
        accuracy(FCN(4, 2, 6, 3), 255 * torch.rand(5, 6), [0] * 5, 1e-6)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf])
def test_a_radius_that_is_none_is_refused(radius):
    network, x, y = FCN(4, 2, 6, 3), torch.randn(5, 6), torch.zeros(5, dtype=torch.int64)
    for attack in (noise_accuracy, pgd_accuracy, pgd):
        with pytest.raises(ValueError, match="radius must be positive and finite, got"):
            attack(network, x, y, radius)
