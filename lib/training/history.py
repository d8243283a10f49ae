"""What a training leaves behind."""

from __future__ import annotations

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
        stopped: the moment at which each replica reached the loss that stops it; None if it did not.
        seconds, cpu_seconds: wall clock and processor time, observations and what was done before an interruption
            included.
    """

    lr: list[float] = field(default_factory=list)
    loss: list[Float[Tensor, " R"]] = field(default_factory=list)
    observations: list[tuple[Moment, Any]] = field(default_factory=list)
    stopped: dict[int, Moment] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)
    cpu_seconds: float = field(default=0.0, compare=False)
