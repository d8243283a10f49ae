"""Stochastic gradient descent on a stack of replicas, with the gradient of Eq. (2) written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from lib.data import Dataset
from lib.networks import FCN
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

LOSSES = ("cross_entropy", "squared")
SCHEDULES = ("paper", "constant")
_EVALUATION_CHUNK = 8192


@dataclass
class History:
    """What a training leaves behind, epoch by epoch.

    Attributes:
        lr: the learning rate of each epoch.
        loss: the mean loss over each epoch's batches, taken before their updates; E tensors (R,), CPU, float64.
    """

    lr: list[float] = field(default_factory=list)
    loss: list[Float[Tensor, " R"]] = field(default_factory=list)


def learning_rate(epoch: int, lr: float, schedule: str = "paper") -> float:
    """Return the learning rate of an epoch (counted from 1).

    "paper": lr in epochs 1–25, lr/10 from 26, lr/100 from 36, lr/1000 from 46. "constant": lr.

    Source: Zhu et al. 2022, §5.1. Used by: chapters 08 and 09.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}.")
    drops = 0 if schedule == "constant" or epoch <= 25 else 1 + (epoch - 26) // 10
    return lr * 0.1**drops


def train(
    network: FCN,
    data: Dataset,
    epochs: int = 50,
    batch_size: int | None = 64,
    lr: float = 1e-3,
    schedule: str = "paper",
    loss: str = "cross_entropy",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    after_epoch: Callable[[int, History], None] | None = None,
) -> History:
    """Train every replica in place by SGD, each on its own order of the batches.

    A batch b updates W ← W − lr·v, v ← momentum·v + ∇_W (1/|b|) Σ_{i∈b} loss_i + weight_decay·W, as
    `torch.optim.SGD` does. The last batch of an epoch may be smaller and is divided by its own size. Replica r draws
    its batches from its own seed, so its result does not depend on how many replicas train beside it.

    Args:
        network: the stack; its device is where everything happens.
        data: training points and targets; class labels, or floats for "squared".
        epochs: passes over the data.
        batch_size: points a step; None takes all of them (full-batch gradient descent).
        lr: learning rate of the first epoch.
        schedule: "paper" or "constant" (see `learning_rate`).
        loss: "cross_entropy", or "squared" with ½‖f(x_i) − y_i‖² a point (class labels become one-hot targets).
        momentum: in [0, 1).
        weight_decay: coefficient of the ℓ2 penalty's gradient.
        after_epoch: called with the epoch (from 1) and the history so far, e.g. to measure the network.

    Returns:
        The history, one entry an epoch.

    Raises:
        ValueError: an option is out of range, or the data do not fit the network or the loss.

    Source: Zhu et al. 2022, §3 and §5.1. Used by: chapters 06 to 10.
    """
    check_options(epochs, batch_size, lr, momentum, weight_decay)
    learning_rate(1, lr, schedule)
    x, targets = _prepare(network, data, loss)
    n = len(x)
    batch_size = n if batch_size is None else min(batch_size, n)
    streams = [generator(seed, "batches") for seed in network.seeds]
    weights = [weight.detach() for weight in network.weights]
    velocities = [torch.zeros_like(weight) for weight in weights] if momentum else None
    steps = {
        size: _Step(network, weights, velocities, size, loss) for size in {batch_size, n % batch_size or batch_size}
    }
    history = History()
    for epoch in range(1, epochs + 1):
        rate = learning_rate(epoch, lr, schedule)
        if batch_size < n:
            order = torch.stack([torch.randperm(n, generator=stream) for stream in streams])
        else:
            order = torch.arange(n).expand(network.replicas, n)
        order = order.to(x.device)
        total = torch.zeros(network.replicas, dtype=torch.float64, device=x.device)
        for start in range(0, n, batch_size):
            batch = order[:, start : start + batch_size]
            total += steps[batch.shape[1]](x, targets, batch.reshape(-1), rate, momentum, weight_decay)
        history.lr.append(rate)
        history.loss.append((total / n).cpu())
        if after_epoch is not None:
            after_epoch(epoch, history)
    return history


class _Step:
    """One gradient step on batches of one size, in buffers that are made once.

    The update is fused into the product that gives the gradient (`baddbmm_` with the weights or their velocity as
    its target), so no gradient is ever stored.
    """

    def __init__(
        self, network: FCN, weights: list[Tensor], velocities: list[Tensor] | None, size: int, loss: str
    ) -> None:
        self.weights, self.velocities, self.alpha, self.loss = weights, velocities, network.alpha, loss
        new = weights[0].new_empty
        replicas, width, depth = network.replicas, network.width, network.depth
        self.size = size
        self.hidden = [new(replicas, size, network.in_features)]
        self.hidden += [new(replicas, size, width) for _ in range(depth - 1)]
        self.output = new(replicas, size, network.out_features)
        self.delta = [new(replicas, size, width) for _ in range(2)]

    def __call__(
        self, x: Tensor, targets: Tensor, index: Tensor, lr: float, momentum: float, weight_decay: float
    ) -> Tensor:
        """Update the weights and return the summed loss of the batch, (R,), before the update."""
        torch.index_select(x, 0, index, out=self.hidden[0].view(-1, x.shape[1]))
        for weight, h, after in zip(self.weights[:-1], self.hidden[:-1], self.hidden[1:], strict=True):
            torch.bmm(h, weight, out=after)
            after.relu_()
        torch.bmm(self.hidden[-1], self.weights[-1], out=self.output)
        if self.alpha != 1:
            self.output.div_(self.alpha)
        loss, delta = self._loss(targets.index_select(0, index))
        if self.alpha != 1:
            delta.div_(self.alpha)
        for layer in range(len(self.weights) - 1, -1, -1):
            h, below = self.hidden[layer], None
            if layer:
                below = torch.bmm(delta, self.weights[layer].mT, out=self.delta[layer % 2])
                torch.ops.aten.threshold_backward.grad_input(below, h, 0, grad_input=below)
            self._update(layer, h, delta, lr, momentum, weight_decay)
            delta = below
        return loss

    def _loss(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch's summed loss (R,) and its gradient in the outputs (R, n, o), computed in place."""
        replicas = self.output.shape[0]
        if self.loss == "squared":
            delta = self.output.sub_(target.view_as(self.output))
            return 0.5 * delta.square().sum(dim=(1, 2)), delta
        target = target.view(replicas, -1, 1)
        log_p = torch.log_softmax(self.output, dim=-1, out=self.output)
        loss = log_p.gather(-1, target).sum(dim=(1, 2)).neg_()
        return loss, log_p.exp_().scatter_add_(-1, target, log_p.new_full((), -1).expand(target.shape))

    def _update(self, layer: int, h: Tensor, delta: Tensor, lr: float, momentum: float, weight_decay: float) -> None:
        weight = self.weights[layer]
        if self.velocities is None:
            weight.baddbmm_(h.mT, delta, beta=1 - lr * weight_decay, alpha=-lr / self.size)
            return
        velocity = self.velocities[layer].baddbmm_(h.mT, delta, beta=momentum, alpha=1 / self.size)
        if weight_decay:
            velocity.add_(weight, alpha=weight_decay)
        weight.add_(velocity, alpha=-lr)


def evaluate(
    network: FCN, x: Float[Tensor, "n d"], y: Tensor, loss: str = "cross_entropy"
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"] | None]:
    """Return the mean loss and, for class labels, the accuracy of every replica on (x, y).

    Raises:
        ValueError: the loss is unknown or the targets do not fit it.

    Used by: chapters 06 to 10.
    """
    x, targets = _prepare(network, Dataset(x, y), loss)
    labels = None if y.is_floating_point() else y.to(x.device)
    total = torch.zeros(network.replicas, dtype=torch.float64, device=x.device)
    hits = torch.zeros_like(total)
    with torch.no_grad():
        for start in range(0, len(x), _EVALUATION_CHUNK):
            part = slice(start, start + _EVALUATION_CHUNK)
            f = network(x[part])
            if loss == "squared":
                total += 0.5 * (f - targets[part]).square().sum(dim=(1, 2))
            else:
                repeated = targets[part].expand(network.replicas, -1)
                losses = functional.cross_entropy(f.flatten(0, 1), repeated.flatten(), reduction="none")
                total += losses.view(network.replicas, -1).sum(dim=1)
            if labels is not None:
                hits += (f.argmax(dim=-1) == labels[part]).sum(dim=1)
    return total / len(x), None if labels is None else hits / len(x)


def _prepare(network: FCN, data: Dataset, loss: str) -> tuple[Tensor, Tensor]:
    """Return points and targets on the network's device: labels (n,) or, for the squared loss, floats (n, o)."""
    weight = network.weights[0]
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}.")
    if data.x.shape[1] != network.in_features:
        raise ValueError(f"data must have {network.in_features} features for this network, got {data.x.shape[1]}.")
    outputs, y = network.out_features, data.y
    if not y.is_floating_point() and outputs > 1:
        if int(y.max()) >= outputs:
            raise ValueError(f"data has the label {int(y.max())}, but the network only {outputs} outputs.")
        if loss == "squared":
            y = functional.one_hot(y, outputs)
    elif loss == "cross_entropy":
        raise ValueError("data must have integer labels, and the network two or more outputs, for cross_entropy.")
    if loss == "squared":
        y = y.reshape(len(y), -1).to(weight)
        if y.shape[1] != outputs:
            raise ValueError(f"data must have {outputs} targets a point for this network, got {y.shape[1]}.")
    return data.x.to(weight), y.to(weight.device)


def check_options(epochs: int, batch_size: int | None, lr: float, momentum: float, weight_decay: float) -> None:
    """Raise ValueError unless the numbers are in the ranges that `train` states."""
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if name == "batch_size" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be positive and finite, got {lr!r}.")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be in [0, 1), got {momentum!r}.")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be at least 0 and finite, got {weight_decay!r}.")
