"""Products in bf16: the same training up to the rounding of their factors, and refused where they are not offered."""

from __future__ import annotations

import pytest
import torch

from lib.convolutional import CNN
from lib.networks import FCN
from lib.processor import Processor
from lib.products import precision as precisions
from lib.products import refuse_precision
from lib.training import train

ABLE, UNABLE = Processor("AMD EPYC", ("avx2", "avx512_bf16")), Processor("AMD EPYC", ("avx2",))


@pytest.fixture
def offered(monkeypatch):
    """Let this processor multiply in bf16, however slowly, and at small widths."""
    monkeypatch.setattr(Processor, "here", classmethod(lambda cls: ABLE))
    monkeypatch.setattr(precisions, "LEAST_WIDTH", 8)


def network(**changes):
    return FCN(**{"width": 40, "depth": 4, "in_features": 6, "out_features": 3, "replicas": 2, "seed": 1, **changes})


def moved(stack, **changes):
    return [w.detach() - s.detach() for w, s in zip(stack.weights, network(**changes).weights, strict=True)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.5, "weight_decay": 0.1},
        {"weight_decay": 0.1, "loss": "squared"},
        {"batch_size": None, "epochs": 20},
    ],
)
@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_a_training_in_bf16_is_one_in_float32_up_to_rounding(points, offered, options, alpha):
    """bf16 rounds a factor by at most 2^-9; an update is wrong by a few of those, and by the kinks that are crossed."""
    options = {"epochs": 1, "batch_size": 20, "lr": 0.02, **options}
    ends = {}
    for name in ("fp32", "bf16"):
        stack = network(alpha=alpha)
        history = train(stack, points(), precision=name, **options)
        assert all(weight.dtype is torch.float32 for weight in stack.weights)
        ends[name] = moved(stack, alpha=alpha), history.loss[-1]
    (exact, loss), (rounded, rounded_loss) = ends["fp32"], ends["bf16"]
    errors = [float((a - b).norm() / a.norm()) for a, b in zip(exact, rounded, strict=True)]
    assert 1e-4 < max(errors) < 0.1
    assert torch.allclose(loss, rounded_loss, rtol=0.01)


def test_updates_smaller_than_bf16_can_add_are_not_lost(points, offered):
    """A step of 1e-4 of a weight is below bf16's resolution: the weights themselves must be float32."""
    stack = network()
    train(stack, points(), precision="bf16", epochs=1, lr=1e-6)
    assert all(float(change.abs().max()) > 0 for change in moved(stack))
    largest = max(float((c / w.detach()).abs().median()) for c, w in zip(moved(stack), stack.weights, strict=True))
    assert largest < 2**-9


@pytest.mark.parametrize("numbers", [1, 100, 1599])
def test_parts_of_an_update_change_nothing(points, offered, monkeypatch, numbers):
    monkeypatch.setattr("lib.reduced_passes._NUMBERS_AT_ONCE", numbers)
    stack, other = network(), network()
    train(stack, points(), precision="bf16", epochs=1, batch_size=20, lr=0.02, weight_decay=0.1)
    monkeypatch.setattr("lib.reduced_passes._NUMBERS_AT_ONCE", 2**20)
    train(other, points(), precision="bf16", epochs=1, batch_size=20, lr=0.02, weight_decay=0.1)
    assert all(torch.equal(one, two) for one, two in zip(stack.weights, other.weights, strict=True))


@pytest.mark.parametrize("numbers", [100, 2**18])
def test_weights_that_something_else_changes_between_two_steps_are_cast_again(offered, monkeypatch, numbers):
    monkeypatch.setattr("lib.reduced_passes._NUMBERS_AT_ONCE", numbers)
    stack = network()
    passes = stack.passes(20, "bf16")
    passes.points.normal_(generator=torch.Generator().manual_seed(0))

    def step():
        passes.forward()
        outputs = passes.output.clone()
        passes.backward([weight.detach() for weight in stack.weights], 1.0, -0.01)
        return outputs

    step()
    with torch.no_grad():
        stack.weights[1].mul_(3)
    kept, fresh = step(), stack.passes(20, "bf16")
    passes.forward()
    fresh.points.copy_(passes.points)
    fresh.forward()
    assert torch.equal(fresh.output, passes.output)
    assert not torch.equal(kept, passes.output)


def test_the_gradient_in_the_points_is_the_jacobians(offered):
    stack, x = network(), torch.randn(5, 6)
    passes, into = stack.passes(5, "bf16"), torch.empty(10, 6)
    passes.points.copy_(x.repeat(2, 1))
    passes.forward()
    assert torch.allclose(passes.output, stack(x), rtol=0.05, atol=0.05)
    passes.output.zero_()[..., 1] = 1
    passes.pull_back(into)
    exact = stack.jacobian(x).detach()[:, :, 1].reshape(10, 6)
    errors = (into - exact).norm(dim=1) / exact.norm(dim=1)
    assert errors.median() < 0.02, "but for a point that lies at a kink"


@pytest.mark.parametrize("replica", [0, 1])
def test_a_replica_does_not_depend_on_its_company(points, offered, one_thread, replica):
    stack, alone = network(), network(replicas=1, seed=1 + replica)
    for each in (stack, alone):
        train(each, points(), precision="bf16", epochs=2)
    assert all(torch.equal(a[replica], b[0]) for a, b in zip(stack.weights, alone.weights, strict=True))


@pytest.mark.parametrize(
    ("precision", "widths", "processor", "sentence"),
    [
        ("half", [512], ABLE, "precision must be one of fp32, bf16, got 'half'"),
        (
            "bf16",
            [256, 128],
            ABLE,
            "precision must be fp32 below width 256, where bf16 is no faster, got bf16 at .* 128",
        ),
        (
            "bf16",
            [256],
            UNABLE,
            r"precision must be fp32 on AMD EPYC \(avx2\): bf16 products need avx512_bf16 or amx_bf16",
        ),
    ],
)
def test_a_refusal_is_a_sentence(monkeypatch, precision, widths, processor, sentence):
    monkeypatch.setattr(Processor, "here", classmethod(lambda cls: processor))
    with pytest.raises(ValueError, match=sentence):
        refuse_precision(precision, widths, "cpu")
    refuse_precision("fp32", widths, "cpu")


def test_bf16_is_refused_before_anything_trains(points):
    stack = network()
    with pytest.raises(ValueError, match="precision must be fp32 below width 256"):
        train(stack, points(), precision="bf16")
    with pytest.raises(ValueError, match="precision must be one of fp32, got 'bf16'"):
        CNN(4, 3, (1, 6, 6), 3).passes(2, "bf16")
    assert all(float(change.abs().max()) == 0 for change in moved(stack))


def test_float64_is_not_trained_in_bf16(points, offered):
    with pytest.raises(ValueError, match="network must be in float32 to be trained in bf16"):
        train(network(dtype=torch.float64), points(), precision="bf16")
