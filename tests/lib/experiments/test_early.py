"""The dynamics against scipy's solver of the gradient flow, the moments at which rows are measured, and the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from lib.estimators import perturbation_stability
from lib.experiments import Store, sweep
from lib.experiments.early import FITS, EarlyTraining, _clock, _Run, sphere
from lib.experiments.plan import EXPERIMENTS
from lib.theory.early_training import growth_bound
from lib.theory.initialization import lower_bound_constant

pytestmark = pytest.mark.usefixtures("one_thread")


def flow(weights: Sequence[torch.Tensor], x: np.ndarray, y: np.ndarray, end: float) -> np.ndarray:
    """Solve a' = (1/n)Σ r_i relu(w·x_i), w' = (1/n)Σ r_i a 1{w·x_i ≥ 0} x_i; return (w, a) flattened."""
    d, m = weights[0].shape

    def right(_: float, theta: np.ndarray) -> np.ndarray:
        w, a = theta[: d * m].reshape(d, m), theta[d * m :]
        pre = x @ w
        residual = (y - np.maximum(pre, 0) @ a) / len(y)
        return np.concatenate([(x.T @ ((pre >= 0) * np.outer(residual, a))).ravel(), residual @ np.maximum(pre, 0)])

    start = np.concatenate([weights[0].ravel(), weights[1].ravel()])
    return solve_ivp(right, (0, end), start, rtol=1e-10, atol=1e-12).y[:, -1]


def test_small_steps_follow_the_gradient_flow():
    errors = []
    # With these seeds no neuron slides along a kink of its ReLU, where the flow's right side jumps to and fro.
    for lr in (0.02, 0.01):
        tasks = tuple(EarlyTraining("power-0.5", 4, 3, seed, in_features=2, lr=lr) for seed in (4, 5))
        run = _Run(4, tasks, "cpu")
        start = [w.detach().clone() for w in run.network.weights]
        for _ in range(round(6 / lr)):
            run.step()
        for replica, task in enumerate(tasks):
            data = sphere(3, 2, task.seed)
            exact = flow([w[replica].numpy() for w in start], data.x.numpy(), data.y.numpy(), 6.0)
            reached = np.concatenate([w[replica].detach().numpy().ravel() for w in run.network.weights])
            errors.append(np.linalg.norm(reached - exact) / np.linalg.norm(exact))
    # Euler's method has an error of the first order in the step.
    assert max(errors) < 0.02
    for coarse, fine in zip(errors[:2], errors[2:], strict=True):
        assert coarse / fine == pytest.approx(2, rel=0.1)


def test_points_lie_on_the_sphere_and_are_nested():
    few, many = sphere(5, 20, 3), sphere(20, 20, 3)
    assert torch.equal(few.x, many.x[:5])
    assert torch.equal(few.x_test, sphere(5, 20, 4).x_test) and not torch.equal(few.x, sphere(5, 20, 4).x)
    torch.testing.assert_close(many.x.norm(dim=1), torch.ones(20, dtype=torch.float64))
    assert few.y.tolist() == [1, -1, 1, -1, 1] and few.y.dtype == torch.float64
    # Uniform directions: E x xᵀ = I/d.
    torch.testing.assert_close(
        few.x_test.T @ few.x_test / 500, torch.eye(20, dtype=torch.float64) / 20, atol=0.015, rtol=0
    )


def test_a_step_reports_the_loss_before_it():
    run = _Run(8, (EarlyTraining("power-1", 8, 4, 5),), "cpu")
    data = sphere(4, 20, 5)
    for _ in range(3):
        with torch.no_grad():
            before = float((run.network(data.x)[0, :, 0] - data.y).square().mean() / 2)
        assert run.step()[0] == pytest.approx(before, rel=1e-12)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    store = Store(tmp_path_factory.mktemp("early") / "rows.jsonl")
    tasks = [EarlyTraining("power-1.5", width, 2, seed, lr=0.1) for width in (16, 256) for seed in (0, 1)]
    assert sweep(tasks, store) == 0
    torch.set_num_threads(threads)
    return store.rows()


def test_rows_are_measured_at_the_fractions_of_one_clock(rows):
    for row in rows:
        task = EarlyTraining(**{k: v for k, v in row["configuration"].items() if k != "kind"})
        assert row["key"] == task.key
        (steps,) = _clock((EarlyTraining("power-1.5", 1, 2, task.seed, lr=0.1),), "cpu")
        own = [m for m in row["measurements"] if m.get("share") is not None]
        assert [m["share"] for m in own][:9] == [k / 8 for k in range(9)]
        assert [m["epoch"] for m in own] == [round(m["share"] * steps) for m in own]
        assert all(m["time"] == pytest.approx(0.1 * m["epoch"]) for m in own)
        losses = [m["train_loss"] for m in own]
        assert losses[0] == pytest.approx(0.5, rel=0.05) and all(b <= a for a, b in pairwise(losses))
        # At the smallest width the clock is the network's own: its loss has just halved.
        if task.width == 16:
            at_one = next(m for m in own if m["share"] == 1)
            assert at_one["train_loss"] <= losses[0] / 2 < next(m for m in own if m["share"] == 0.875)["train_loss"]


def test_rows_reach_equal_fits(rows):
    for row in rows:
        start = row["measurements"][0]["train_loss"]
        reached = {m["reached"]: m for m in row["measurements"] if m["reached"] is not None}
        assert list(reached) == list(FITS)
        for fit, measured in reached.items():
            assert fit * start * 0.7 < measured["train_loss"] <= fit * start


def test_measured_stability_obeys_both_bounds(rows):
    for row in rows:
        width = row["configuration"]["width"]
        rate = math.sqrt(2 * row["measurements"][0]["train_loss"])
        for m in row["measurements"]:
            # ‖θ_0‖² scatters about its mean by a few percent at these widths.
            assert m["P"] < 1.5 * growth_bound(width, 20, 1.5, m["time"], rate)
            assert m["P"] >= 0.999 * lower_bound_constant(20) * m["output_norm"]


def test_stability_is_the_gradients_length_times_a_constant():
    run = _Run(32, (EarlyTraining("power-1", 32, 4, 5),), "cpu")
    x = sphere(4, 20, 5).x_test[:10]
    lengths = torch.linalg.vector_norm(run.network.jacobian(x), dim=(-2, -1))
    torch.testing.assert_close(perturbation_stability(run.network, x), lower_bound_constant(20) * lengths)


def test_a_stack_gives_what_its_replicas_give_alone(rows, store):
    sweep([EarlyTraining("power-1.5", 256, 2, 1, lr=0.1)], store)
    (alone,) = store.rows()
    (stacked,) = [row for row in rows if row["key"] == alone["key"]]
    assert alone["measurements"] == stacked["measurements"]


def test_the_published_plan():
    tasks = EXPERIMENTS["early"]()
    assert {task.c for task in tasks} == {1.5, 2.0, 3.0}
    assert {task.seed for task in tasks} == {3, 4, 5, 6, 7}
    for samples, narrowest in ((5, 128), (10, 512), (20, 2048)):
        widths = {task.width for task in tasks if task.samples == samples}
        assert min(widths) == narrowest >= 4 * samples**2 and max(widths) == 2**14


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"initializer": "he"}, "initializer must be power-<c>"),
        ({"initializer": "power"}, "initializer must be one of"),
        ({"width": 0}, "width must be an integer"),
        ({"samples": 0}, "samples must be an integer"),
        ({"samples": True}, "samples must be an integer"),
        ({"in_features": 1.5}, "in_features must be an integer"),
        ({"seed": -1}, "seed must be an integer"),
        ({"lr": math.inf}, "lr must be positive"),
    ],
)
def test_bad_settings_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        EarlyTraining(**{"initializer": "power-2", "width": 8, "samples": 3, "seed": 0, **changes})


def test_a_step_that_is_too_large_is_a_row_with_its_reason(store):
    assert sweep([EarlyTraining("power-1", 8, 2, 0, lr=2.0)], store) == 1
    assert "lr" in store.rows()[0]["failure"]
