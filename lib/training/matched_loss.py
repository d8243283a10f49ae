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

    A check looks at a growing, fixed random sample of the training points and stops as soon as the sample excludes,
    by four standard errors, that any replica has reached its next value. The sample's mean is taken relative to the
    last full computation (a control variate), so that slow training needs few points. A value counts as reached only
    on the full loss.

    Args:
        network, x, targets, loss: as in `example_losses`.
        values: the losses to watch for, any order.
    """

    def __init__(self, network: Stack, x: Tensor, targets: Tensor, loss: str, values: tuple[float, ...]) -> None:
        self.network, self.x, self.targets, self.loss = network, x, targets, loss
        self.waiting = [sorted(values) for _ in range(network.replicas)]
        self.reference: Tensor | None = None
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
        reference = state["reference"]
        self.waiting, self.reference = state["waiting"], None if reference is None else reference.to(self.x.device)

    def check(self) -> list[tuple[float, tuple[int, ...]]]:
        """Return the values that were reached since the last check, largest first, each with its replicas."""
        if not any(self.waiting) or self._excluded():
            return []
        self.reference = example_losses(self.network, self.x, self.targets, self.loss).double()
        reached: dict[float, list[int]] = {}
        for replica, mean in enumerate(self.reference.mean(dim=1).tolist()):
            while self.waiting[replica] and mean <= self.waiting[replica][-1]:
                reached.setdefault(self.waiting[replica].pop(), []).append(replica)
        return [(value, tuple(replicas)) for value, replicas in sorted(reached.items(), reverse=True)]

    def _excluded(self) -> bool:
        """Return whether a sample excludes that any replica has reached the next value it waits for."""
        next_values = torch.tensor([w[-1] if w else -torch.inf for w in self.waiting], dtype=torch.float64)
        parts, base = [], torch.zeros(self.network.replicas, dtype=torch.float64)
        if self.reference is not None:
            base = self.reference.mean(dim=1).cpu()
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            losses = example_losses(
                self.network, self.sample_x[start:stop], self.sample_targets[start:stop], self.loss
            ).double()
            if self.reference is not None:
                losses -= self.reference[:, self.sample[start:stop]]
            parts.append(losses)
            change = torch.cat(parts, dim=1)
            error = change.std(dim=1) / stop**0.5
            # A diverged replica's loss is NaN, which no comparison finds small.
            if not bool((base + (change.mean(dim=1) - _SAFETY * error).cpu() <= next_values).any()):
                return True
        return False
