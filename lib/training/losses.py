"""Cross-entropy and squared loss: targets, values for each example, and the gradient in the outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from lib.data import Dataset
from lib.labels import predicted
from lib.stack import Stack

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

LOSSES = ("cross_entropy", "squared")
# Points of one forward pass: a stack's layers are then about as large as a cache, and no product is small.
_CHUNK = 1024


def prepare(network: Stack, data: Dataset, loss: str) -> tuple[Tensor, Tensor]:
    """Return points and targets as the network takes them, on its device.

    Points have its shape; targets are labels (n,) or, for the squared loss, floats (n, o).

    Raises:
        ValueError: the loss is unknown, or the data do not fit the network or the loss.
    """
    weight = network.weights[0]
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}.")
    features = math.prod(network.point_shape)
    if data.x.shape[1] != features:
        raise ValueError(f"data must have {features} features for this network, got {data.x.shape[1]}.")
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
    return data.x.to(weight).reshape(-1, *network.point_shape), y.to(weight.device)


def target_rows(targets: Tensor, network: Stack) -> Float[Tensor, "n o"]:
    """Return targets from `prepare` as rows to subtract: one-hot for labels, floats as they are."""
    if targets.is_floating_point():
        return targets
    return functional.one_hot(targets, network.out_features).to(network.weights[0].dtype)


def log_softmax(output: Float[Tensor, "... b o"]) -> Float[Tensor, "... b o"]:
    """Return log softmax over the outputs of each point.

    torch takes rows of ten numbers one by one on a processor; with the points side by side the same takes a tenth of
    the time, the turning included.
    """
    if output.device.type == "cpu":
        return torch.log_softmax(output.mT, dim=-2).mT
    return torch.log_softmax(output, dim=-1)


def gradient_(
    output: Float[Tensor, "R b o"], rows: Float[Tensor, "R b o"], loss: str, total: Float[Tensor, "R b o"]
) -> None:
    """Overwrite a batch's outputs by the gradient of its summed loss in them; `total` gains the loss, entry by entry.

    Softmax − one-hot for the cross-entropy, f − y for the squared loss. The entries are summed up once an epoch, not
    once a step.
    """
    if loss == "squared":
        output.sub_(rows)
        total.addcmul_(output, output, value=0.5)
        return
    output.copy_(log_softmax(output))
    total.addcmul_(output, rows, value=-1)
    output.exp_().sub_(rows)


def example_losses(network: Stack, x: Float[Tensor, "n ..."], targets: Tensor, loss: str) -> Float[Tensor, "R n"]:
    """Return the loss of each example in every replica, on points and targets from `prepare`."""
    return torch.cat([_example_losses(f, goals, loss) for f, goals in _forward(network, x, targets)], dim=1)


def evaluate(
    network: Stack, x: Float[Tensor, "n ..."], y: Tensor, loss: str = "cross_entropy"
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"] | None]:
    """Return the mean loss and, for class labels, the accuracy of every replica on (x, y).

    Outputs that are not finite are no class.

    Raises:
        ValueError: the loss is unknown or the targets do not fit it.
    """
    x, targets = prepare(network, Dataset(x.flatten(1), y), loss)
    labels = None if y.is_floating_point() or network.out_features == 1 else y.to(x.device)
    total = torch.zeros(network.replicas, dtype=torch.float64, device=x.device)
    hits, seen = torch.zeros_like(total), 0
    for f, goals in _forward(network, x, targets):
        total += _example_losses(f, goals, loss).sum(dim=1, dtype=torch.float64)
        if labels is not None:
            hits += (predicted(f) == labels[seen : seen + f.shape[1]]).sum(dim=1)
        seen += f.shape[1]
    return total / len(x), None if labels is None else hits / len(x)


def _forward(network: Stack, x: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield outputs (R, k, o) and targets (k, ...) of one chunk of points after another."""
    with torch.no_grad():
        for points, goals in zip(x.split(_CHUNK), targets.split(_CHUNK), strict=True):
            yield network(points), goals


def _example_losses(f: Tensor, targets: Tensor, loss: str) -> Tensor:
    if loss == "squared":
        return 0.5 * (f - targets).square().sum(dim=2)
    repeated = targets.expand(len(f), -1)
    return functional.cross_entropy(f.flatten(0, 1), repeated.flatten(), reduction="none").view(f.shape[:2])
