"""Training under attack, and of convolutional networks: a loop in memory, JAX, ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from benchmarks.descents import BATCH, Bare, after_one_epoch, autograd, batches, ours
from benchmarks.peers import Jax
from benchmarks.timing import Contender, interleave, ratio, timed
from benchmarks.training import PROTOCOL
from lib import products
from lib.adversarial import Attack
from lib.adversarial.training import train_adversarially
from lib.convolutional import CNN
from lib.data import Dataset, load
from lib.networks import FCN

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lib.stack import Stack

LR, MOMENTUM = 0.05, 0.9
ATTACK = Attack(0.05, steps=7, step_size=0.05 / 4, pixels=(0.0, 1.0))
# The cells, and what this project asked for there.
ATTACKED = [{"width": 128, "depth": 3, "replicas": 5}]
ATTACKED_TARGETS = [
    {"settings": ATTACKED[0], "ratio": "loop/ours", "at_least": 3.0},
    {"settings": ATTACKED[0], "ratio": "jax/ours", "at_least": 1.2},
]
CONVOLUTIONAL = [{"width": 16, "depth": 4, "replicas": 5}]
CONVOLUTIONAL_TARGETS = [{"settings": CONVOLUTIONAL[0], "ratio": "loop/ours", "at_least": 2.0}]
ATTACKED_PROTOCOL = {**PROTOCOL, "objective": "Wu et al., λ = 1", "attack": "PGD in ℓ∞, 0.05, 7 steps, in [0, 1]"}
CONVOLUTIONAL_PROTOCOL = PROTOCOL


def attacked_loop(network: FCN, data: Dataset) -> Contender:
    """Return a loop in memory: PGD by autograd, the objective, optim.SGD with momentum; one replica."""
    model = network.module(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    orders = batches(data, 1)

    def step() -> None:
        index = next(orders)[0]
        descend(model, optimizer, data.x[index], data.y[index])

    return timed(step, str(network.weights[0].device))


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """Take one step on the mean of L(x) + max(L(x̂) − L(x), 0), x̂ the last point of the attack."""
    point = (x + ATTACK.epsilon * (2 * torch.rand_like(x) - 1)).clamp_(*ATTACK.pixels)
    low, high = (x - ATTACK.epsilon).clamp_(min=ATTACK.pixels[0]), (x + ATTACK.epsilon).clamp_(max=ATTACK.pixels[1])
    for _ in range(ATTACK.steps):
        point.requires_grad_()
        loss = functional.cross_entropy(model(point), y, reduction="sum")
        (slope,) = torch.autograd.grad(loss, point)
        point = torch.clamp(point.detach() + ATTACK.step * slope.sign(), low, high)
    optimizer.zero_grad()
    natural = functional.cross_entropy(model(x), y, reduction="none")
    worse = functional.cross_entropy(model(point), y, reduction="none")
    (natural + (worse - natural).clamp_min(0)).mean().backward()
    optimizer.step()


def attacked(network: Stack, data: Dataset) -> Contender:
    """Return `train_adversarially`, timed from the end of its first epoch."""
    return after_one_epoch(train_adversarially, network, data, ATTACK, lr=LR, momentum=MOMENTUM)


def floor(network: FCN, data: Dataset) -> Contender:
    """Return the bare products of a step under attack: to the points and back once a step of it, and two updates."""
    bare = Bare(network, data, products.current())

    def step() -> None:
        for _ in range(ATTACK.steps):
            bare.forward()
            bare.pull_back()
        for _ in range(2):  # the points as they are, and attacked
            bare()

    return timed(step, str(network.weights[0].device), network.replicas)


class Attacked:
    """Measure adversarial training of fully connected stacks.

    Raises:
        FileNotFoundError: MNIST is not in the data root.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.data = load("mnist", scaling="raw").to(device)
        self.peer: Jax | None = None  # where it runs

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return the seconds of each contender and the ratios of what ran side by side."""
        m, L, R = cell["width"], cell["depth"], cell["replicas"]
        network, alone = (
            FCN(m, L, 784, 10, replicas=replicas, dtype=torch.float32, device=self.device) for replicas in (R, 1)
        )
        contenders = {"loop": attacked_loop(alone, self.data), "ours": attacked(network, self.data)}
        contenders["floor"] = floor(network, self.data)
        compiled = None
        if self.peer is not None:
            told = {"width": m, "depth": L, "replicas": R, "batch": BATCH, "lr": LR, "momentum": MOMENTUM}
            told |= {"epsilon": ATTACK.epsilon, "steps": ATTACK.steps, "size": ATTACK.step, "pixels": ATTACK.pixels}
            contenders["jax"], compiled = self.peer.contender("attacked", **told)
        found = _side_by_side(contenders, cell, repeats, block)
        if compiled is not None:
            found["contenders"]["jax"]["seconds of compiling"] = compiled
            self.peer.forget()
        return found


class Convolutional:
    """Measure training of convolutional stacks.

    Raises:
        FileNotFoundError: MNIST is not in the data root.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.data = load("mnist", scaling="raw").to(device)

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return the seconds of each contender and the ratio of what ran side by side."""
        network, alone = (
            CNN(cell["width"], cell["depth"], (1, 28, 28), 10, replicas=R, dtype=torch.float32, device=self.device)
            for R in (cell["replicas"], 1)
        )
        contenders = {"loop": autograd(alone, self.data), "ours": ours(network, self.data)}
        return _side_by_side(contenders, cell, repeats, block)


def _side_by_side(contenders: dict[str, Contender], cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
    replicas = {name: 1 if name == "loop" else cell["replicas"] for name in contenders}
    seconds = interleave(contenders, repeats, block, replicas)
    ratios = {f"{name}/ours": ratio(seconds[name], seconds["ours"]) for name in contenders if name != "ours"}
    return {"settings": cell, "routes": products.current().described(), "contenders": seconds, "ratios": ratios}


def guess(cells: list[dict[str, Any]], repeats: int, block: float) -> float:
    """Return the seconds that cells will take, roughly: three contenders, one of which warms up before each block."""
    return len(cells) * (repeats + 2) * 4 * block
