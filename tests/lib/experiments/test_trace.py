"""A trace is what the training was: its losses, its learning rates, and how far the weights were at each epoch."""

from __future__ import annotations

import pytest
import torch

from lib.data import Dataset
from lib.estimators import lazy_training_ratio, relative_change
from lib.experiments.training import Tracer
from lib.networks import FCN
from lib.training import train


def data():
    stream = torch.Generator().manual_seed(0)
    return Dataset(torch.randn(40, 5, generator=stream), torch.arange(40) % 3)


def followed(epochs, also=lambda moment: None, **options):
    network = FCN(6, 3, 5, 3, replicas=2, seed=1)
    tracer = Tracer(network, [weight.detach().clone() for weight in network.weights], epochs)

    def observe(moment):
        also((network, moment))
        seen = {"measured": None, "traced": tracer(moment)}
        return seen if seen["traced"] else None

    history = train(network, data(), epochs=epochs, observe=observe, **options)
    return tracer.traces(history), history


def test_a_trace_is_what_the_training_was():
    initial = [weight.detach().clone() for weight in FCN(6, 3, 5, 3, replicas=2, seed=1).weights]
    expected = []

    def measure(at):
        network, moment = at
        if moment.loss is None and moment.epoch:
            expected.append((lazy_training_ratio(network, initial), relative_change(network, initial)))

    traces, history = followed(30, measure, batch_size=8, lr=0.05, observe_at=(1.0,))
    for replica, trace in enumerate(traces):
        assert trace["epoch"] == list(range(1, 31))
        assert trace["lr"] == pytest.approx([0.05] * 25 + [0.005] * 5)
        assert trace["loss"] == pytest.approx([float(loss[replica]) for loss in history.loss], rel=1e-5)
        assert trace["kappa"] == pytest.approx([float(kappa[replica]) for kappa, _ in expected], rel=1e-5)
        changes = torch.tensor(trace["relative_change"], dtype=torch.float64)
        assert torch.allclose(changes, torch.stack([change[replica].double() for _, change in expected]), rtol=1e-5)
    assert traces[0]["kappa"] != traces[1]["kappa"]


@pytest.mark.parametrize(("epochs", "count"), [(1, 1), (50, 50), (60, 60), (61, 60), (500, 60)])
def test_a_long_training_has_sixty_moments_evenly_spread(epochs, count):
    tracer = Tracer(FCN(2, 2, 2, 2), [], epochs)
    chosen = sorted(tracer.epochs)
    assert (len(chosen), chosen[0], chosen[-1]) == (count, 1, epochs)
    gaps = torch.tensor(chosen).diff()
    assert epochs == 1 or gaps.max() - gaps.min() <= 1


def test_numbers_have_six_digits_and_what_diverged_is_none():
    traces, _ = followed(3, lr=1e30, loss="squared", schedule="constant")
    assert traces[0]["loss"][-1] is None
    assert traces[0]["kappa"][-1] is None
    fine, _ = followed(2, lr=1 / 3)
    assert fine[0]["lr"] == [0.333333, 0.333333]
