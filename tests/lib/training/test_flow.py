"""Gradient flow against scipy's solver, against what it conserves, and against the linear limit."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from lib.data import Dataset
from lib.estimators import relative_change, tangent_kernel
from lib.initializers import Initializer
from lib.networks import FCN
from lib.training.flow import gradient_flow


def problem(points: int = 4, features: int = 3) -> Dataset:
    stream = torch.Generator().manual_seed(1)
    x = torch.randn(points, features, generator=stream, dtype=torch.float64)
    return Dataset(x, torch.tensor([1.0, -1.0] * (points // 2), dtype=torch.float64))


def of_size(beta: float) -> Initializer:
    return Initializer("given", lambda m, d, o: (beta, beta, beta))


def reference(network: FCN, data: Dataset, time: float) -> list[np.ndarray]:
    """Integrate dW/dt = -dloss/dW of one network by scipy, with the gradient written out in numpy."""
    x, y = data.x.numpy(), data.y.numpy()
    shapes = [weight.shape[1:] for weight in network.weights]
    cuts = np.cumsum([weight.numel() for weight in network.weights])[:-1]

    def velocity(_t: float, flat: np.ndarray) -> np.ndarray:
        weights = [part.reshape(shape) for part, shape in zip(np.split(flat, cuts), shapes, strict=True)]
        inputs = [x]
        for weight in weights[:-1]:
            inputs.append(np.maximum(inputs[-1] @ weight, 0))
        signal = (inputs[-1] @ weights[-1] - y[:, None]) / len(y)
        gradients = []
        for h, weight in zip(reversed(inputs), reversed(weights), strict=True):
            gradients.append((h.T @ signal).ravel())
            signal = (signal @ weight.T) * (h > 0)
        return -np.concatenate(gradients[::-1])

    start = np.concatenate([weight.detach().numpy().ravel() for weight in network.weights])
    end = solve_ivp(velocity, (0, time), start, rtol=1e-5, atol=1e-7).y[:, -1]
    return [part.reshape(shape) for part, shape in zip(np.split(end, cuts), shapes, strict=True)]


@pytest.mark.parametrize(("depth", "beta"), [(2, 0.15), (2, 0.4), (3, 0.3)])
def test_it_follows_scipys_solution(depth: int, beta: float) -> None:
    data = problem()
    network = FCN(20, depth, 3, 1, of_size(beta), seed=4, dtype=torch.float64)
    start = copy.deepcopy(network)
    flow = gradient_flow(network, data, stop_at=0.02, tolerance=1e-3)
    assert bool(flow.reached[0])
    for found, wanted in zip(network.weights, reference(start, data, float(flow.time[0])), strict=True):
        off = np.linalg.norm(found.detach().numpy()[0] - wanted) / np.linalg.norm(wanted)
        assert off < 0.02


def test_shorter_steps_come_closer() -> None:
    data = problem()
    start = FCN(50, 2, 3, 1, of_size(0.05), seed=2, dtype=torch.float64)
    ends = []
    for tolerance in (0.2, 0.02, 0.004):
        network = copy.deepcopy(start)
        gradient_flow(network, data, stop_at=1e-2, tolerance=tolerance)
        ends.append(float(relative_change(network, [w.detach().clone() for w in start.weights])[0, 0]))
    assert abs(ends[1] - ends[2]) < abs(ends[0] - ends[2])
    assert ends[1] == pytest.approx(ends[2], rel=0.01)


def test_a_linear_problem_takes_its_exact_solution() -> None:
    """At tiny output weights of huge number the features stay: r(t) = exp(-K t/n) r(0), whatever the step."""
    data = problem()
    network = FCN(4000, 2, 3, 1, Initializer("lazy", lambda m, d, o: (30.0, 1.0, 1e-4)), seed=0, dtype=torch.float64)
    kernel = tangent_kernel(network, data.x)[0]
    with torch.no_grad():
        residual = network(data.x)[0, :, 0] - data.y
    flow = gradient_flow(network, data, stop_at=0.05)
    with torch.no_grad():
        found = network(data.x)[0, :, 0] - data.y
    wanted = torch.linalg.matrix_exp(-kernel * float(flow.time[0]) / 4) @ residual
    assert torch.allclose(found, wanted, atol=1e-4)
    assert int(flow.steps[0]) < 60


def test_two_layers_stay_balanced() -> None:
    """Gradient flow conserves |a_k|² - ‖w_k‖² of every neuron."""
    data = problem()
    network = FCN(30, 2, 3, 1, of_size(0.1), seed=3, dtype=torch.float64)

    def difference() -> torch.Tensor:
        first, last = (weight.detach() for weight in network.weights)
        return last[0, :, 0].square() - first[0].square().sum(dim=0)

    before = difference()
    gradient_flow(network, data, stop_at=5e-2, tolerance=2e-3)
    scale = network.weights[0].detach().square().sum(dim=1).max()
    assert (difference() - before).abs().max() < 0.02 * scale


def test_replicas_do_not_depend_on_each_other() -> None:
    data = problem()
    stack = FCN(16, 2, 3, 1, of_size(0.1), replicas=3, seed=5, dtype=torch.float64)
    alone = FCN(16, 2, 3, 1, of_size(0.1), seed=6, dtype=torch.float64)
    together = gradient_flow(stack, data, stop_at=1e-4)
    single = gradient_flow(alone, data, stop_at=1e-4)
    assert together.steps[1] == single.steps[0]
    assert torch.equal(stack.weights[0][1], alone.weights[0][0])


def test_it_is_told_what_happens_and_stops_where_it_is_asked_to() -> None:
    data = problem()
    network = FCN(32, 2, 3, 1, of_size(0.05), replicas=2, seed=0, dtype=torch.float64)
    seen: dict[int, list[float]] = {0: [], 1: []}

    def observe(state) -> None:
        for replica, loss in zip(state.replicas, state.loss.tolist(), strict=True):
            seen[replica].append(loss)

    flow = gradient_flow(network, data, stop_at=1e-3, observe=observe)
    for replica, losses in seen.items():
        assert len(losses) == int(flow.steps[replica]) + 1
        assert losses[-1] == pytest.approx(float(flow.loss[replica])) and losses[-1] <= 1e-3 < losses[-2]
        assert all(after < before * 1.01 for before, after in pairwise(losses))
    again = gradient_flow(network, data, stop_at=1e-3)
    assert again.steps.tolist() == [0, 0] and bool(again.reached.all())


def test_a_network_out_of_steps_is_marked() -> None:
    network = FCN(32, 2, 3, 1, of_size(1e-3), replicas=2, seed=0, dtype=torch.float64)
    flow = gradient_flow(network, problem(), max_steps=2)
    assert flow.steps.tolist() == [2, 2] and not bool(flow.reached.any())


def test_a_dead_network_is_left_as_it_is() -> None:
    network = FCN(4, 2, 3, 1, of_size(0.1), dtype=torch.float64)
    with torch.no_grad():
        network.weights[1].zero_()
        network.weights[0].zero_()
    flow = gradient_flow(network, problem())
    assert not bool(flow.reached[0]) and float(flow.loss[0]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stop_at": 0.0}, "stop_at must be positive and finite"),
        ({"stop_at": math.nan}, "stop_at must be positive and finite"),
        ({"tolerance": 1.0}, "tolerance must be in"),
        ({"max_steps": 0}, "max_steps must be an integer of at least 1"),
    ],
)
def test_bad_options(options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        gradient_flow(FCN(4, 2, 3, 1), problem(), **options)


def test_several_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match="network must have one output"):
        gradient_flow(FCN(4, 2, 3, 2), problem())
