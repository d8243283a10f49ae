"""The contenders train the same network on the same data, and the floor is our step's products and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import descents
from lib import products
from lib.data import Dataset
from lib.networks import FCN
from lib.training import train


class Products(TorchDispatchMode):
    """Note every matrix product: its operation without `out` or in-place marks, and the shapes that it multiplies."""

    def __init__(self):
        super().__init__()
        self.seen, self.others = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__.rstrip("_")
        if name in ("bmm", "baddbmm", "mm", "addmm", "matmul"):
            tensors = args[-2:] if name in ("baddbmm", "addmm") else args[:2]
            self.seen.append((name, *(tuple(tensor.shape) for tensor in tensors)))
        else:
            self.others += name not in ("transpose", "t", "detach", "view", "empty")
        return function(*args, **(kwargs or {}))


@pytest.fixture
def data():
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(3 * descents.BATCH, 12, generator=stream)
    return Dataset(x, torch.randint(4, (len(x),), generator=stream), classes=4)


@pytest.fixture
def network():
    return FCN(8, 4, 12, 4, replicas=3)


def multiplied(run):
    with Products() as mode, torch.no_grad():
        run()
    return mode.seen, mode.others


def test_the_floor_is_the_products_of_our_step_on_the_same_shapes(network, data):
    bare = descents.Bare(network, data, products.current())
    one = Dataset(data.x[: descents.BATCH], data.y[: descents.BATCH], classes=4)
    step, around = multiplied(lambda: train(network, one, epochs=1, batch_size=descents.BATCH))
    floor, besides = multiplied(bare)
    assert len(floor) == 3 * network.depth - 1
    assert floor == step
    assert besides == 0 < around


@pytest.mark.parametrize("routes", descents.routes_here().values(), ids=str)
def test_the_floor_can_be_repeated_for_ever(network, data, routes):
    before = [weight.detach().clone() for weight in network.weights]
    bare = descents.Bare(network, data, routes)
    for _ in range(50):
        bare()
    assert all(torch.equal(a, b) for a, b in zip(before, network.weights, strict=True))


@pytest.mark.parametrize("name", ["tutorial", "autograd", "ensemble", "ours", "floor"])
def test_a_contender_takes_the_steps_that_it_is_told_to(name, network, data):
    """More steps make more products, in proportion; ours warms up with an epoch of as many."""
    given = torch.utils.data.TensorDataset(data.x, data.y) if name == "tutorial" else data
    contender = getattr(descents, name)(network, given)
    counts = []
    for steps in (3, 6):
        with Products() as mode:
            assert contender(steps) > 0
        counts.append(len(mode.seen))
    assert counts[0] > 0
    # Six steps of ours are two epochs of three after one to warm up: three batches are all the data.
    assert counts[1] == (3 / 2 if name == "ours" else 2) * counts[0]


def test_autograd_trains_as_ours_does(data, monkeypatch):
    """From equal weights, on all points at once, one step of each gives equal weights."""
    one = Dataset(data.x[: descents.BATCH], data.y[: descents.BATCH], classes=4)
    network, expected = FCN(8, 3, 12, 4, replicas=2), FCN(8, 3, 12, 4, replicas=2)
    train(expected, one, epochs=1, batch_size=descents.BATCH, lr=descents.LR)
    module = network.module(0)
    monkeypatch.setattr(network, "module", lambda r: module)
    descents.autograd(network, one)(1)
    for layer, weight in zip(module[::2], expected.weights, strict=True):
        assert torch.allclose(layer.weight.mT, weight[0], atol=1e-7)


def test_the_ensemble_trains_every_replica(data, monkeypatch):
    one = Dataset(data.x[: descents.BATCH], data.y[: descents.BATCH], classes=4)
    expected = FCN(8, 3, 12, 4, replicas=2)
    train(expected, one, epochs=1, batch_size=descents.BATCH, lr=descents.LR)
    kept = {}
    stack = descents.stack_module_state

    def spy(modules):
        kept["weights"], buffers = stack(modules)
        return kept["weights"], buffers

    monkeypatch.setattr(descents, "stack_module_state", spy)
    descents.ensemble(FCN(8, 3, 12, 4, replicas=2), one)(1)
    # The ensemble updates the stacked tensors in place.
    for name, weight in zip(sorted(kept["weights"]), expected.weights, strict=True):
        assert torch.allclose(kept["weights"][name].mT, weight, atol=1e-7), name
