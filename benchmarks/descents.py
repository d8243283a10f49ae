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
from lib import products
from lib.data import Dataset
from lib.networks import FCN
from lib.products import Routes, switch
from lib.training import train

if TYPE_CHECKING:
    from torch import Tensor

    from lib.stack import Stack

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
    images_and_labels = _endless(loader)

    def step() -> None:
        x, y = next(images_and_labels)
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return timed(step, str(device))


def autograd(network: Stack, data: Dataset) -> Contender:
    """Return the same loop from tensors in memory: what is left is autograd and the optimizer; one replica."""
    device = network.weights[0].device
    model = network.module(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    orders = batches(data, 1)

    def step() -> None:
        index = next(orders)[0]
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
    orders = batches(data, network.replicas)

    def step() -> None:
        index = next(orders)
        slopes = gradient(weights, data.x[index], data.y[index])
        for name, weight in weights.items():
            weight.sub_(slopes[name], alpha=LR)

    return timed(step, str(network.weights[0].device), network.replicas)


def ours(network: Stack, data: Dataset, precision: str = "fp32") -> Contender:
    """Return `lib.training.train`, timed from the end of its first epoch: set-up and CUDA's capture are over then."""
    return after_one_epoch(train, network, data, lr=LR, precision=precision)


def after_one_epoch(fit: Callable[..., Any], network: Stack, data: Dataset, *given: Any, **options: Any) -> Contender:
    """Return a training of the library, `fit(network, data, *given, ...)`, timed from the end of its first epoch."""
    device = str(network.weights[0].device)

    def block(steps: int) -> float:
        per_epoch = min(steps, data.n // BATCH)
        epochs = max(1, round(steps / per_epoch))
        part = Dataset(data.x[: per_epoch * BATCH], data.y[: per_epoch * BATCH], classes=data.classes)
        ends: list[float] = []
        fit(
            network,
            part,
            *given,
            epochs=1 + epochs,
            batch_size=BATCH,
            schedule="constant",
            observe=lambda moment: ends.append(clock(device)),
            **options,
        )
        return (ends[-1] - ends[-1 - epochs]) / (epochs * per_epoch) / network.replicas

    return block


def routes_here() -> dict[str, Routes]:
    """Return all ways to send products that this machine has, by name: ours, and each route for all layers."""
    ways = {"ours": products.current(), "mkl": products.MKL, "transposed": Routes(transposed=1)}
    if products.refusal(products.Machine()) is None:
        ways["onednn"] = Routes(1, 1, 1)
    return ways


def floor(network: FCN, data: Dataset) -> Contender:
    """Return the bare matrix products of our step on the same stacked buffers, nothing else, by the fastest routes.

    Which those are is tried by a few steps of each, before anything is timed.
    """
    device = network.weights[0].device
    if device.type != "cuda":
        tried = []
        for routes in routes_here().values():
            run = timed(Bare(network, data, routes), str(device), network.replicas)
            tried.append((min(run(3) for _ in range(4)), len(tried), run))
        return min(tried)[2]
    bare = Bare(network, data, products.MKL)
    # Ours is captured in a graph, so its floor is too.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        bare()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        bare()
    return timed(graph.replay, str(device), network.replicas)


class Bare:
    """The products of a network's passes, in their order and on buffers like theirs; called, those of a step."""

    def __init__(self, network: FCN, data: Dataset, routes: Routes) -> None:
        with products.using(routes):
            self.passes = network.passes(BATCH)
        index = torch.arange(network.replicas * BATCH, device=data.x.device) % data.n
        self.passes.points.copy_(data.x[index])
        self.slope = torch.empty_like(self.passes.hidden[0])

    def __call__(self) -> None:
        self.forward()
        self.backward()

    def forward(self) -> None:
        """Multiply as the way forward does."""
        passes, route = self.passes, self.passes.routes["forward"]
        with switch:
            for layer, weight in enumerate(passes.weights):
                switch.to(route[layer])
                if route[layer] == "transposed":
                    torch.bmm(weight.mT, passes.hidden[layer].mT, out=passes.flipped[layer])
                else:
                    torch.bmm(passes.hidden[layer], weight, out=passes.above[layer])

    def backward(self) -> None:
        """Multiply as the way back and the update do."""
        passes, route = self.passes, self.passes.routes
        with switch:
            delta = passes.output
            for layer in range(len(passes.weights) - 1, -1, -1):
                weight, hidden = passes.weights[layer], passes.hidden[layer]
                switch.to(route["down"][layer])
                below = torch.bmm(delta, weight.mT, out=passes.deltas[layer]) if layer else None
                switch.to(route["update"][layer])
                if route["update"][layer] == "transposed":
                    torch.bmm(delta.mT, hidden, out=passes.gradients[layer])
                else:
                    weight.baddbmm_(hidden.mT, delta, beta=1, alpha=-_TINY)
                delta = below

    def pull_back(self) -> None:
        """Multiply as the way back to the points does."""
        passes, route = self.passes, self.passes.routes["down"]
        with switch:
            delta = passes.output
            for layer in range(len(passes.weights) - 1, -1, -1):
                switch.to(route[layer])
                into = passes.deltas[layer] if layer else self.slope
                delta = torch.bmm(delta, passes.weights[layer].mT, out=into)


def floor_in_bf16(network: FCN, data: Dataset) -> Contender:
    """Return the bare products of our step in bf16, on buffers like its own: no cast, no sum, no update."""
    passes = network.passes(BATCH, "bf16")
    passes.points.copy_(data.x[torch.arange(network.replicas * BATCH, device=data.x.device) % data.n])
    passes.forward()
    layers = list(zip(passes.hidden, passes.low, passes.hidden[1:], passes.gradients, passes.by_part, strict=False))

    def bare() -> None:
        for h, low, above, _, _ in layers:
            torch.bmm(h, low, out=above)
        torch.bmm(passes.features, passes.weights[-1], out=passes.output)
        torch.bmm(passes.output, passes.weights[-1].mT, out=passes.slope)
        passes.weights[-1].baddbmm_(passes.features.mT, passes.output, beta=1, alpha=-_TINY)
        for layer in range(len(layers) - 1, -1, -1):
            h, low, _, gradient, by_part = layers[layer]
            delta = passes.deltas[layer]
            if layer:
                torch.bmm(delta, low.mT, out=passes.deltas[layer - 1])
            if not by_part:
                torch.bmm(h.mT, delta, out=gradient)
                continue
            for one, its in zip(h, delta, strict=True):
                torch.mm(one.mT, its, out=gradient)

    return timed(bare, str(network.weights[0].device), network.replicas)


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def batches(data: Dataset, replicas: int) -> Iterator[Tensor]:
    """Yield batches of indices for ever, (R, b), each replica's in an order of its own."""
    stream = torch.Generator().manual_seed(0)
    while True:
        order = torch.stack([torch.randperm(data.n, generator=stream) for _ in range(replicas)])
        order = order[:, : data.n // BATCH * BATCH].to(data.x.device)
        yield from order.split(BATCH, dim=1)
