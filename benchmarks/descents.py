"""Ways to train the same networks, from the tutorial's to ours, and the bare matrix products of our step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from benchmarks.timing import Contender, clock, timed
from lib.data import Dataset
from lib.networks import FCN
from lib.training import train
from lib.training.descent import Descent
from lib.training.losses import target_rows

if TYPE_CHECKING:
    from torch import Tensor

BATCH, LR = 64, 1e-3
# A step this small changes no weight, so that the products can be repeated for ever; it is not 0, with which a library
# might leave a product out.
_TINY = 1e-20


def tutorial(network: FCN, images: Any) -> Contender:
    """Return the loop of a first tutorial: a data set of images, DataLoader, nn.Sequential, optim.SGD; one replica.

    Replicas would train one after the other, so one of them tells the time of each. Its point is what users start
    from: reading an image and making it a tensor is part of it.
    """
    device = network.weights[0].device
    model = nn.Sequential(nn.Flatten(), network.module(0))
    loader = torch.utils.data.DataLoader(images, batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    batches = _endless(loader)

    def step() -> None:
        x, y = next(batches)
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return timed(step, str(device))


def autograd(network: FCN, data: Dataset) -> Contender:
    """Return the same loop from tensors in memory: what is left is autograd and the optimizer; one replica."""
    device = network.weights[0].device
    model = network.module(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    batches = _orders(data, 1)

    def step() -> None:
        index = next(batches)[0]
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(data.x[index]), data.y[index])
        loss.backward()
        optimizer.step()

    return timed(step, str(device))


def ensemble(network: FCN, data: Dataset) -> Contender:
    """Return a `torch.func` ensemble: the replicas' modules stacked, vmap over grad, each on its own batches."""
    modules = [network.module(replica) for replica in range(network.replicas)]
    stacked, _ = stack_module_state(modules)
    weights = {name: weight.detach() for name, weight in stacked.items()}
    base = copy.deepcopy(modules[0]).to("meta")

    def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(base, weights, (x,)), y)

    gradient = vmap(grad(loss))
    batches = _orders(data, network.replicas)

    def step() -> None:
        index = next(batches)
        slopes = gradient(weights, data.x[index], data.y[index])
        for name, weight in weights.items():
            weight.sub_(slopes[name], alpha=LR)

    return timed(step, str(network.weights[0].device), network.replicas)


def ours(network: FCN, data: Dataset) -> Contender:
    """Return `lib.training.train`, timed from the end of its first epoch: set-up and CUDA's capture are over then."""
    device = str(network.weights[0].device)

    def block(steps: int) -> float:
        per_epoch = min(steps, data.n // BATCH)
        epochs = max(1, round(steps / per_epoch))
        part = Dataset(data.x[: per_epoch * BATCH], data.y[: per_epoch * BATCH], classes=data.classes)
        ends: list[float] = []
        train(
            network,
            part,
            epochs=1 + epochs,
            batch_size=BATCH,
            lr=LR,
            schedule="constant",
            observe=lambda moment: ends.append(clock(device)),
        )
        return (ends[-1] - ends[1]) / (epochs * per_epoch) / network.replicas

    return block


def floor(network: FCN, data: Dataset) -> Contender:
    """Return the bare matrix products of our step on the same stacked buffers, nothing else."""
    device = network.weights[0].device
    products = bare_products(network, data)
    if device.type != "cuda":
        return timed(products, str(device), network.replicas)
    # Ours is captured in a graph, so its floor is too.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        products()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        products()
    return timed(graph.replay, str(device), network.replicas)


def bare_products(network: FCN, data: Dataset) -> Callable[[], None]:
    """Return a function that calls the products of `Descent`'s step, in its order and on buffers like its own."""
    step = Descent(network, None, data.x, target_rows(data.y, network), BATCH, "cross_entropy", 0.0, 0.0)
    index = torch.arange(network.replicas * BATCH, device=data.x.device) % data.n
    step.hidden[0].copy_(data.x[index].view_as(step.hidden[0]))
    weights, hidden = step.weights, step.hidden

    def products() -> None:
        for weight, h, above in zip(weights[:-1], hidden[:-1], hidden[1:], strict=True):
            torch.bmm(h, weight, out=above)
        delta = torch.bmm(hidden[-1], weights[-1], out=step.output)
        for layer in range(len(weights) - 1, -1, -1):
            below = torch.bmm(delta, weights[layer].mT, out=step.deltas[layer % 2]) if layer else None
            weights[layer].baddbmm_(hidden[layer].mT, delta, beta=1, alpha=-_TINY)
            delta = below

    return products


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _orders(data: Dataset, replicas: int) -> Iterator[Tensor]:
    """Yield batches of indices, (R, b), each replica's in an order of its own."""
    stream = torch.Generator().manual_seed(0)
    while True:
        order = torch.stack([torch.randperm(data.n, generator=stream) for _ in range(replicas)])
        order = order[:, : data.n // BATCH * BATCH].to(data.x.device)
        yield from order.split(BATCH, dim=1)
