"""What will not fit is refused before anything is allocated, with what was asked, what there is and what fits."""

import re

import pytest
import torch

from lib.networks import FCN
from lib.training import loop, memory, run, train
from lib.training.memory import required_bytes

WIDE = {"width": 300, "depth": 4, "in_features": 6, "out_features": 3}


@pytest.fixture
def available(monkeypatch):
    """Set the bytes that the device has left."""
    return lambda count: monkeypatch.setattr(memory, "available_bytes", lambda device: count)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch_size", [10, 64, 200])
def test_the_estimate_is_what_a_training_allocates(points, batch_size, momentum):
    data, network = points(), FCN(**WIDE, replicas=2)
    settings = {
        "batch_size": batch_size,
        "momentum": momentum,
        "loss": "cross_entropy",
        "weight_decay": 0.0,
        "precision": "fp32",
    }
    training = run.Run(network, data.x, data.y, {**settings, "observe_at": (), "stop_at": None}, None)
    rows = next(iter(training.descents.values())).rows
    tensors = [data.x, data.y, rows, *(training.velocities or ())]
    for descent in training.descents.values():
        passes = descent.passes
        tensors += [*passes.hidden, passes.output, *passes.deltas[1:], descent.target, descent.total, descent.index]
    order = network.replicas * len(data.x) * 8
    # Layers share buffers: what counts is the memory behind the tensors.
    behind = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    made = sum(behind.values()) + order
    assert required_bytes(network, len(data.x), batch_size, momentum) == pytest.approx(made, rel=0.02)


def test_a_refusal_says_what_was_asked_what_there_is_and_what_fits(points, available, monkeypatch):
    network = FCN(**WIDE, replicas=2)
    before = [weight.detach().clone() for weight in network.weights]
    for name in ("prepare", "Run"):
        monkeypatch.setattr(loop, name, lambda *_: pytest.fail("something was allocated"))
    available(2**20)
    with pytest.raises(MemoryError) as refusal:
        train(network, points(), batch_size=None, momentum=0.9)
    expected = (
        r"training needs 0\.00 GiB on cpu beside the network, 0\.00 GiB are available; "
        r"train fewer replicas at once or a narrower network\."
    )
    assert re.fullmatch(expected.replace(r"0\.00", r"\d\.\d\d"), str(refusal.value))
    assert all(torch.equal(a, b) for a, b in zip(network.weights, before, strict=True))


@pytest.mark.parametrize(("asked", "points_there"), [(200, 200), (100, 200), (90, 200), (64, 201)])
def test_the_batch_that_is_said_to_fit_fits(points, available, asked, points_there):
    network, data = FCN(**WIDE, replicas=2), points(points_there)
    for share in (0.3, 0.6, 0.9):
        available(int(required_bytes(network, len(data.x), asked, 0.0) * share))
        with pytest.raises(MemoryError, match=r"are available; a batch_size of at most \d+ fits") as refusal:
            train(network, data, batch_size=asked, epochs=1)
        fits = int(re.search(r"at most (\d+) fits", str(refusal.value))[1])
        assert asked * share / 5 < fits < asked
        for size in range(1, fits + 1):
            memory.refuse_what_does_not_fit(network, len(data.x), size, 0.0)
        train(network, data, batch_size=fits, epochs=1)


def test_what_fits_exactly_is_trained(points, available):
    network, data = FCN(**WIDE), points()
    available(required_bytes(network, len(data.x), 64, 0.0))
    train(network, data, epochs=1)
    available(required_bytes(network, len(data.x), 64, 0.0) - 1)
    with pytest.raises(MemoryError):
        train(network, data, epochs=1)


def test_a_system_that_does_not_say_is_not_refused(points, available):
    available(None)
    train(FCN(**WIDE), points(), epochs=1)


def test_the_processors_memory_is_what_the_system_says():
    free = memory.available_bytes(torch.device("cpu"))
    assert 2**20 < free < 2**50


def test_what_no_machine_has_is_refused():
    with pytest.raises(MemoryError, match=r"training needs \d+\.\d\d GiB on cpu beside the network, \d+\.\d\d GiB are"):
        memory.refuse_what_does_not_fit(FCN(8, 2, 6, 3), 10**15, 10**15, 0.0)
