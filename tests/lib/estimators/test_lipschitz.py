"""The local Lipschitz constant against exact values, enumerated regions, and its own bounds."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from lib.estimators import foreign, jacobian, jacobian_spectrum, lipschitz, local_lipschitz, measuring
from lib.networks import FCN

F64 = {"dtype": torch.float64}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **F64)


def norm_at(network, r, point):
    return float(torch.linalg.matrix_norm(network.jacobian(point[None])[r, 0].detach(), 2))


def test_a_linear_network_has_its_spectral_norm_everywhere():
    layer = nn.Linear(6, 3, bias=False, **F64)
    exact = torch.linalg.matrix_norm(layer.weight.detach(), 2)
    for frozen in (False, True):
        layer.requires_grad_(not frozen)
        for radius in (0.3, 50.0):
            found = local_lipschitz(layer, random(4, 6), radius, steps=3, starts=2)
            torch.testing.assert_close(found, exact.expand(1, 4), rtol=1e-12, atol=0)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("radius", [0.3, 0.9, 2.0])
def test_every_sector_of_the_plane_is_enumerated(outputs, radius):
    """In the plane the regions of a two-layer network are sectors, and a ball sees an interval of angles."""
    network, x = FCN(7, 2, 2, outputs, replicas=4, seed=1, **F64), random(6, 2, seed=2)
    x = x / x.norm(dim=1, keepdim=True)
    found, exact = local_lipschitz(network, x, radius, steps=4, starts=60)[..., None], []
    for r, i in product(range(4), range(6)):
        middle = float(torch.atan2(x[i, 1], x[i, 0]))
        half = np.arcsin(radius) if radius < 1 else np.pi
        normals = network.weights[0][r].detach().numpy()
        kinks = np.arctan2(normals[1], normals[0]) + np.pi / 2
        kinks = middle + np.mod(np.concatenate([kinks, kinks + np.pi]) - middle + np.pi, 2 * np.pi) - np.pi
        ends = np.sort([middle - half, *kinks[abs(kinks - middle) < half], middle + half])
        exact.append(best_and_wide(lambda a, r=r: norm_at(network, r, torch.tensor([np.cos(a), np.sin(a)])), ends))
    check(found.flatten(), exact)


def test_all_patterns_of_few_neurons_are_enumerated():
    """In R^4 a pattern of gates exists if a linear programme finds a point of it."""
    network, x = FCN(6, 2, 4, 2, replicas=4, seed=3, **F64), random(1, 4, seed=4)
    # J(cx) = J(x): a ball that dwarfs x sees all directions.
    found = local_lipschitz(network, x, 100.0, steps=6, starts=50)[:, 0]
    exact = []
    for r in range(4):
        first, last = (weight[r].detach() for weight in network.weights)
        largest = 0.0
        for gates in product((-1.0, 1.0), repeat=6):
            inside = linprog(np.zeros(4), -np.array(gates)[:, None] * first.T.numpy(), -np.ones(6), bounds=(None, None))
            if inside.status == 0:
                there = last.T @ ((torch.tensor(gates, **F64) > 0)[:, None] * first.T)
                largest = max(largest, float(torch.linalg.matrix_norm(there, 2)))
        exact.append((largest, 0.0))
    check(found, exact)


def test_kinks_on_a_line_are_found_with_biases():
    network = nn.Sequential(nn.Linear(1, 12, **F64), nn.ReLU(inplace=True), nn.Linear(12, 1, **F64))
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.copy_(random(*parameter.shape, seed=index))
    x = torch.linspace(-2, 2, 9, **F64)[:, None]
    found, exact = local_lipschitz(network, x, 0.7, steps=4, starts=60)[0], []
    kinks = (-network[0].bias / network[0].weight[:, 0]).detach()
    for point in x[:, 0]:
        inside = kinks[(kinks - point).abs() < 0.7]
        ends = torch.cat([point[None] - 0.7, inside, point[None] + 0.7]).sort().values.numpy()
        exact.append(best_and_wide(lambda at: float(jacobian(network, torch.tensor([[at]], **F64)).abs()), ends))
    check(found, exact)


def best_and_wide(norm, ends):
    """The largest norm over all regions, and over those that a search cannot miss: wide, and not only at an edge."""
    middles = (ends[1:] + ends[:-1]) / 2
    norms = np.array([norm(middle) for middle in middles])
    width, centre = np.diff(ends) / (ends[-1] - ends[0]), (ends[0] + ends[-1]) / 2
    safe = (width > 0.08) & (abs(middles - centre) < 0.35 * (ends[-1] - ends[0]))
    return norms.max(), norms[safe].max(initial=0.0)


def check(found, exact):
    """Never above the maximum over all regions, never below that over the wide ones, and mostly the maximum itself."""
    exact = torch.tensor(exact, **F64)
    assert (found <= exact[:, 0] * (1 + 1e-9)).all()
    assert (found >= exact[:, 1] * (1 - 1e-9)).all()
    assert (found >= exact[:, 0] * (1 - 1e-9)).double().mean() >= 0.75


def test_a_smooth_network_is_differentiated_as_it_is():
    """‖∇ tanh(w·x)‖ = ‖w‖ (1 − tanh²), largest where the ball comes nearest to the plane w·x = 0."""
    neuron = nn.Sequential(nn.Linear(4, 1, bias=False, **F64), nn.Tanh())
    w, x = neuron[0].weight.detach()[0], 3 * random(5, 4)
    nearest = ((x @ w).abs() - 0.5 * w.norm()).clamp_min(0)
    exact = w.norm() * (1 - torch.tanh(nearest) ** 2)
    torch.testing.assert_close(local_lipschitz(neuron, x, 0.5, steps=60)[0], exact, rtol=1e-3, atol=0)


@pytest.mark.parametrize(("depth", "outputs"), [(2, 1), (4, 1), (4, 5)])
def test_the_result_is_a_lower_bound_above_the_points_own_norm(depth, outputs):
    network, x = FCN(20, depth, 8, outputs, replicas=2, seed=5, **F64), random(5, 8, seed=6)
    own = jacobian_spectrum(network, x)[..., -1].sqrt()
    found = local_lipschitz(network, x, 0.5 * float(x.norm(dim=1).mean()))
    product_of_norms = torch.stack([torch.linalg.matrix_norm(w.detach(), 2) for w in network.weights]).prod(dim=0)
    assert (found >= own * (1 - 1e-12)).all()
    assert float(found.mean()) > 1.15 * float(own.mean())
    assert (found <= product_of_norms[:, None]).all()


def test_the_ascent_finds_more_than_equally_many_random_points():
    network, x = FCN(64, 3, 20, 1, replicas=3, seed=7, **F64), random(4, 20, seed=8)
    ascended = local_lipschitz(network, x, 1.5, steps=20)
    drawn = local_lipschitz(network, x, 1.5, steps=0, starts=21)
    assert (ascended > drawn).all()


def test_more_steps_starts_and_room_never_give_less():
    network, x = FCN(16, 3, 6, 2, replicas=2, seed=9, **F64), random(3, 6, seed=10)
    by_steps = torch.stack([local_lipschitz(network, x, 0.8, steps=steps) for steps in (0, 1, 2, 5, 15)])
    by_starts = torch.stack([local_lipschitz(network, x, 0.8, steps=4, starts=starts) for starts in (1, 2, 4)])
    for results in (by_steps, by_starts):
        assert (results.diff(dim=0) >= 0).all()
        assert (results[-1] > results[0]).any()


def test_all_iterates_lie_in_the_ball(monkeypatch):
    network, x, seen = FCN(16, 3, 6, 2, replicas=2, seed=11, **F64), random(3, 6, seed=12), []
    first = lipschitz._Climb._first_singular
    monkeypatch.setattr(
        lipschitz._Climb, "_first_singular", lambda c, points: (seen.append(points), first(c, points))[1]
    )
    local_lipschitz(network, x, 0.4, steps=10, starts=3)
    distances = torch.stack([(points - x).norm(dim=-1) for points in seen])
    assert len(seen) == 3 * (11 + 2)  # and two beside each start
    assert distances.max() <= 0.4 * (1 + 1e-12)
    assert distances.max() > 0.39


def test_a_plain_module_and_the_fast_path_agree_in_any_chunks(monkeypatch):
    network, x = FCN(10, 3, 6, 3, replicas=2, alpha=2.0, seed=13, **F64), random(5, 6, seed=14)
    stacked = local_lipschitz(network, x, 0.6, steps=8, starts=2, seed=3)
    plain = torch.cat([local_lipschitz(network.module(r), x, 0.6, steps=8, starts=2, seed=3) for r in range(2)])
    torch.testing.assert_close(plain, stacked, rtol=1e-9, atol=0)
    monkeypatch.setattr(measuring, "_CHUNK_NUMBERS", 4 * 2 * 3 * 10 * 2)  # two points a chunk, the last one alone
    monkeypatch.setattr(foreign, "_CHUNK_BYTES", 2 * 8 * 500)
    for n, expected in ((network, stacked), (network.module(0), stacked[:1])):
        torch.testing.assert_close(local_lipschitz(n, x, 0.6, steps=8, starts=2, seed=3), expected, rtol=1e-9, atol=0)


def test_homogeneity_scales_out():
    network, x = FCN(12, 3, 4, 1, seed=15, **F64), random(3, 4, seed=16)
    small = local_lipschitz(network, x, 0.3, steps=10)
    torch.testing.assert_close(local_lipschitz(network, 7 * x, 2.1, steps=10), small, rtol=1e-9, atol=0)


def test_images_in_training_mode_are_measured_in_eval_mode_and_left_alone():
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()]
    network = nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(16, 3)).double().train()
    x, state = random(5, 2, 4, 4, seed=17), copy.deepcopy(network.state_dict())
    own = jacobian_spectrum(network, x)[..., -1].sqrt()
    with torch.no_grad():
        found = local_lipschitz(network, x, 1.0, steps=10)
    assert found.shape == (1, 5)
    assert (found >= own * (1 - 1e-12)).all()
    assert (found > 1.01 * own).any()
    assert network.training
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_tiny_derivatives_keep_their_direction():
    single = FCN(64, 8, 20, 3, "power-2", dtype=torch.float32)
    double = FCN.from_modules([single.module().double()])
    x = random(3, 20)
    exact = local_lipschitz(double, x, 0.5, steps=1)
    assert 0 < float(exact.max()) < 1e-18
    torch.testing.assert_close(local_lipschitz(single, x.float(), 0.5, steps=1), exact, rtol=1e-3, atol=0)


def test_a_diverged_network_gives_nan():
    network = FCN(4, 2, 3, 2, replicas=2, **F64)
    with torch.no_grad():
        network.weights[1][0, 0, 0] = torch.inf
    found = local_lipschitz(network, torch.ones(2, 3, **F64), 0.1, steps=2)
    assert found[0].isnan().all() or found[0].isinf().all()
    assert found[1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_wide_ball_gives_no_less_than_its_center(dtype):
    first, last = random(6, 8).to(dtype), random(8, 3, seed=1).to(dtype)

    class Plain(nn.Module):
        def forward(self, x):
            return torch.tanh(x @ first) @ last

    x = random(5, 6, seed=2).to(dtype)
    own = jacobian_spectrum(Plain(), x)[..., -1].sqrt()
    for radius in (1.0, 1e4, 1e8, 1e12, 1e36):
        assert (local_lipschitz(Plain(), x, radius, steps=2) >= own * (1 - 1e-3)).all()


@pytest.mark.parametrize("make", [lambda: FCN(16, 3, 6, 2, replicas=2, seed=9, **F64), lambda: nn.Linear(6, 2, **F64)])
def test_an_example_alone_has_the_starts_that_it_has_in_a_batch(make):
    network, x = make(), random(5, 6, seed=10)
    together = local_lipschitz(network, x, 0.8, steps=2, starts=4)
    alone = torch.cat([local_lipschitz(network, point[None], 0.8, steps=2, starts=4) for point in x], dim=1)
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"radius": 0.0}, "radius must be positive"),
        ({"radius": float("nan")}, "radius must be positive"),
        ({"radius": float("inf")}, "radius must be positive and finite"),
        ({"steps": -1}, "steps must be an integer of at least 0, got -1"),
        ({"steps": 1.5}, "steps must be an integer"),
        ({"starts": 0}, "starts must be an integer of at least 1, got 0"),
        ({"x": torch.zeros(0, 3)}, "x must have shape"),
    ],
)
def test_bad_input_is_refused(change, sentence):
    arguments = {"x": torch.ones(1, 3), "radius": 1.0, **change}
    with pytest.raises(ValueError, match=sentence):
        local_lipschitz(FCN(4, 2, 3, 2), **arguments)
