"""Find the first checked step at which the full training loss is at or below a value, without always computing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lib.seeds import generator
from lib.stack import Stack
from lib.training.losses import example_losses

if TYPE_CHECKING:
    from torch import Tensor

# Standard errors by which a sample of the training set must exclude a loss before the full loss is left uncomputed:
# a Gaussian error of 3 in 100,000 a check.
_SAFETY = 4.0
_PREFIXES = (1000, 4000, 16000)


class MatchedLoss:
    """Watch the full training loss of every replica and tell when it first reaches given values.

    A check looks at a growing, fixed random sample of the training points, and at no more replicas than are still in
    question: one is left out as soon as the sample excludes, by four standard errors, that it has reached its next
    value. The sample's mean is taken relative to the replica's last full computation (a control variate), so that slow
    training needs few points. A value counts as reached only on the full loss.

    Args:
        network, x, targets, loss: as in `example_losses`.
        values: the losses to watch for, any order.
    """

    def __init__(self, network: Stack, x: Tensor, targets: Tensor, loss: str, values: tuple[float, ...]) -> None:
        self.network, self.x, self.targets, self.loss = network, x, targets, loss
        self.waiting = [sorted(values) for _ in range(network.replicas)]
        # Of every replica the losses when they were last all computed; before that nothing is taken off.
        self.reference = torch.zeros(network.replicas, len(x), dtype=torch.float64, device=x.device)
        sizes = [size for size in _PREFIXES if size < len(x)]
        order = (
            torch.randperm(len(x), generator=generator(0, "matched loss"), device="cpu") if sizes else torch.arange(0)
        )
        self.sample = order[: max(sizes, default=0)].to(x.device)
        self.bounds = [0, *sizes]
        self.sample_x, self.sample_targets = x[self.sample], targets[self.sample]

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs to go on watching as if it had never stopped."""
        return {"waiting": [list(values) for values in self.waiting], "reference": self.reference}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state of an interrupted training."""
        self.waiting = state["waiting"]
        if state["reference"] is not None:  # as it was before the first full computation, in older checkpoints
            self.reference = state["reference"].to(self.x.device)

    def check(self) -> list[tuple[float, tuple[int, ...]]]:
        """Return the values that were reached since the last check, largest first, each with its replicas."""
        replicas = self._in_question()
        if not replicas:
            return []
        losses = self._losses(replicas, self.x, self.targets)
        self.reference[replicas] = losses
        reached: dict[float, list[int]] = {}
        for replica, mean in zip(replicas, losses.mean(dim=1).tolist(), strict=True):
            while self.waiting[replica] and mean <= self.waiting[replica][-1]:
                reached.setdefault(self.waiting[replica].pop(), []).append(replica)
        return [(value, tuple(replicas)) for value, replicas in sorted(reached.items(), reverse=True)]

    def _in_question(self) -> list[int]:
        """Return the replicas of which the sample does not exclude that they have reached the next value."""
        replicas = [replica for replica, values in enumerate(self.waiting) if values]
        change = self.reference.new_empty(len(replicas), 0)
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            if not replicas:
                break
            losses = self._losses(replicas, self.sample_x[start:stop], self.sample_targets[start:stop])
            losses -= self.reference[replicas][:, self.sample[start:stop]]
            change = torch.cat([change, losses], dim=1)
            lowest = self.reference[replicas].mean(dim=1) + change.mean(dim=1) - _SAFETY * change.std(dim=1) / stop**0.5
            # A diverged replica's loss is NaN, which no comparison finds small.
            near = [at for at, mean in enumerate(lowest.tolist()) if mean <= self.waiting[replicas[at]][-1]]
            replicas, change = [replicas[at] for at in near], change[near]
        return replicas

    def _losses(self, replicas: list[int], x: Tensor, targets: Tensor) -> Tensor:
        network = self.network if len(replicas) == self.network.replicas else self.network.select(replicas)
        return example_losses(network, x, targets, self.loss).double()
