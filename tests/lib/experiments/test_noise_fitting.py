"""Fitting noise: the rows hold what the register names, and the measurements are what they say."""

import dataclasses
import math

import pytest
import torch

from lib.data import random_labels
from lib.experiments import Store, sweep
from lib.experiments.noise_fitting import MATCHED_ERRORS, NoiseFitting, fit, measure
from lib.experiments.plan import EXPERIMENTS
from lib.networks import FCN
from lib.theory.robustness_laws import counting_bound

SMALL = NoiseFitting(samples=32, in_features=8, width=32, depth=2, seed=0, steps=2000)


@pytest.fixture(scope="module")
def fitted():
    return fit([SMALL])[0]


def test_a_network_fits_noise_and_becomes_steep(fitted):
    start, half, end = fitted
    assert [m["reached"] for m in fitted] == [None, *MATCHED_ERRORS]
    assert start["step"] == 0 < half["step"] < end["step"]
    assert start["kappa"] == 0 < half["kappa"] < end["kappa"]
    for measured, error in zip((half, end), MATCHED_ERRORS, strict=True):
        assert measured["train_mse"] == pytest.approx(error, rel=0.2)
    # Each of these bounds the one before it.
    for m in fitted:
        assert m["gradient_norm"] <= m["lipschitz"] * (1 + 1e-5)
        assert m["lipschitz"] <= m["spectral_product"] * (1 + 1e-5)
        assert m["local_lipschitz"] <= m["lipschitz"] * (1 + 1e-5)
    assert end["lipschitz"] > start["lipschitz"]
    # The counting argument holds for every network in float32, these included.
    assert end["lipschitz"] > counting_bound(32, 8, SMALL.parameters, gap=1 - end["train_mse"])


def test_measurements_of_a_network_that_is_linear():
    """Two neurons, w and −w with outputs 1 and −1, make f(x) = w·x: every gradient is w."""
    network = FCN(2, 2, 3, 1, dtype=torch.float64)
    w = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)
    with torch.no_grad():
        network.weights[0][0] = torch.stack([w, -w], dim=1)
        network.weights[1][0] = torch.tensor([[1.0], [-1.0]])
    data = random_labels(20, 3, seed=0, dtype=torch.float64)
    m = measure(network, [weight.detach().clone() for weight in network.weights], data)
    for name in ("gradient_norm", "lipschitz", "local_lipschitz"):
        assert m[name] == pytest.approx(5, rel=1e-5)
    assert m["spectral_product"] == pytest.approx(10, rel=1e-5)  # √2‖w‖ · √2
    assert m["train_mse"] == pytest.approx(float((data.x @ w - data.y).square().mean()), rel=1e-5)
    assert m["output_norm"] == pytest.approx(float((data.x_test @ w).abs().mean()), rel=1e-5)
    assert m["P"] == pytest.approx(m["P_train"], rel=1e-5)


@pytest.mark.slow
def test_a_replica_s_result_is_its_seed_s_alone(fitted):
    """Seed 0 beside seed 1, and descent as PyTorch does it."""
    together = fit([SMALL, dataclasses.replace(SMALL, seed=1)])
    assert together[0] == fitted and together[1] != fitted
    data = random_labels(32, 8, seed=0, dtype=torch.float32)
    module = FCN(32, 2, 8, 1, seed=0, dtype=torch.float32).module()
    optimizer = torch.optim.SGD(module.parameters(), lr=SMALL.lr, momentum=0.9)
    errors = []
    for _ in range(fitted[-1]["step"]):
        optimizer.zero_grad()
        error = (module(data.x)[:, 0] - data.y).square().mean()
        (error / 2).backward()
        optimizer.step()
        errors.append(error.item())
    for measured in fitted[1:]:
        first = next(step for step, error in enumerate(errors, start=1) if error <= measured["reached"])
        assert first == measured["step"]


def test_a_dead_network_has_no_relative_stability():
    network = FCN(2, 2, 3, 1)
    with torch.no_grad():
        network.weights[1].zero_()
    m = measure(network, [weight.detach().clone() + 1 for weight in network.weights], random_labels(20, 3, seed=0))
    assert m["relative_stability"] is None
    assert m["lipschitz"] == m["P"] == 0 and m["train_mse"] == 1


def test_what_does_not_fit_says_so():
    (measurements,) = fit([dataclasses.replace(SMALL, width=1, steps=200)])
    assert [m["reached"] for m in measurements] == [None, *MATCHED_ERRORS]
    assert [m["step"] for m in measurements] == [0, None, None]


@pytest.mark.usefixtures("one_thread")
def test_rows_hold_what_the_register_names(store: Store):
    yaml = pytest.importorskip("yaml")
    from lib.verdicts.register import PATHS

    named = yaml.safe_load(PATHS[2].read_text(encoding="utf-8"))["sweeps"]["random-labels"]
    tiny = dataclasses.replace(SMALL, steps=100)
    assert sweep([tiny, dataclasses.replace(tiny, seed=1)], store) == 0
    frame = store.frame()
    assert frame.seed.nunique() == 2 and frame.stacked.eq(2).all()
    assert list(frame.loc[frame.step == 0].dropna(axis=1).columns.intersection(named["columns"])) == named["columns"]
    assert named["moments"] == ["init", *(f"mse_{error:g}" for error in MATCHED_ERRORS)]
    first, second = (frame[(frame.seed == seed) & (frame.step == 0)].P.item() for seed in (0, 1))
    assert first != second


def test_the_plan_is_the_register_s():
    yaml = pytest.importorskip("yaml")
    from lib.verdicts.register import PATHS

    blocks = yaml.safe_load(PATHS[2].read_text(encoding="utf-8"))["sweeps"]["random-labels"]["blocks"]
    named = {
        (n, d, k, depth)
        for block in blocks
        for n in block["samples"]
        for d in block["features"]
        for k in block["widths"]
        for depth in block["depths"]
    }
    tasks = EXPERIMENTS["random-labels"]()
    planned = {(t.samples, t.in_features, t.width, t.depth) for t in tasks}
    assert planned < named
    assert all(t.parameters >= 2 * t.samples for t in tasks)
    for n, d, k, depth in named - planned:
        assert NoiseFitting(n, d, k, depth, seed=3).parameters < 2 * n
    network = FCN(16, 3, 5, 1)
    assert NoiseFitting(1, 5, 16, 3, seed=0).parameters == sum(w.numel() for w in network.weights)
    assert {t.seed for t in tasks} == {3, 4, 5, 6, 7}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"samples": 0}, "samples must be an integer of at least 1"),
        ({"steps": 1.5}, "steps must be an integer of at least 1"),
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"depth": 1}, "depth must be an integer of at least 2"),
        ({"initializer": "hee"}, "initializer must be one of"),
    ],
)
def test_bad_settings_are_named(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SMALL, **change)


def test_the_guess_of_what_it_costs_grows_with_the_work():
    assert SMALL.seconds(5) == pytest.approx(5 * SMALL.seconds(1))
    larger = dataclasses.replace(SMALL, samples=512, width=512)
    assert math.isfinite(larger.seconds(1)) and larger.seconds(1) > SMALL.seconds(1)
