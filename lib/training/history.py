"""What a training leaves behind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class Moment:
    """When a stack is observed: after a number of epochs, or when replicas first reach a training loss.

    Attributes:
        epoch: epochs done, a fraction inside an epoch.
        step: updates done.
        loss: the training loss that was reached; None at the end of an epoch and before the first.
        replicas: the replicas that it concerns: those that reached the loss, all of them at the end of an epoch.
    """

    epoch: float
    step: int
    loss: float | None
    replicas: tuple[int, ...]


@dataclass
class History:
    """What a training leaves behind.

    Attributes:
        lr: the learning rate of each epoch.
        loss: the mean loss over each epoch's batches, taken before their updates; E tensors (R,), CPU, float64.
        observations: every moment at which the observer returned something, with what it returned.
        stopped: for each replica the moment at which it reached the loss that stops it; None if it did not.
        routes: by which libraries products were computed (`lib.products.Routes.described`), by the epoch from which on:
            more than one where a training was resumed on another processor. Empty where there is no choice: on a CUDA
            device, or in float64.
        seconds, cpu_seconds: wall clock and processor time, observations and what was done before an interruption
            included.
    """

    lr: list[float] = field(default_factory=list)
    loss: list[Float[Tensor, " R"]] = field(default_factory=list)
    observations: list[tuple[Moment, Any]] = field(default_factory=list)
    stopped: dict[int, Moment | None] = field(default_factory=dict)
    routes: dict[int, str | dict[str, Any]] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)
    cpu_seconds: float = field(default=0.0, compare=False)

    def state_dict(self) -> dict[str, Any]:
        """Return the history as plain values and tensors, for a checkpoint."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        values["observations"] = [(dataclasses.asdict(moment), seen) for moment, seen in self.observations]
        values["stopped"] = {r: at and dataclasses.asdict(at) for r, at in self.stopped.items()}
        return values

    @classmethod
    def of(cls, values: dict[str, Any]) -> History:
        """Return the history of which `state_dict` gave these values."""
        history = cls(**values)
        history.observations = [(Moment(**moment), seen) for moment, seen in values["observations"]]
        history.stopped = {r: at and Moment(**at) for r, at in values["stopped"].items()}
        return history
