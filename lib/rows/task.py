"""What a sweep computes: settings that have a key and a seed, know how they are computed, and become rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar


@dataclass(frozen=True)
class Conditions:
    """Say under what conditions a stack is computed: nothing here changes what is measured on one kind of device.

    Attributes:
        device: the torch device.
        root: the data root.
        checkpoints: folder in which an interrupted computation leaves what it needs to go on; None keeps nothing.
        pause: a file; while it exists, computations wait.
        until: an epoch at whose end trainings are left, for a replay that compares what they measured so far.
    """

    device: str = "cpu"
    root: str | os.PathLike[str] | None = None
    checkpoints: str | os.PathLike[str] | None = None
    pause: str | os.PathLike[str] | None = None
    until: int | None = None

    def wait_while_paused(self) -> None:
        """Return when the pause file is not there: at once, as a rule."""
        while self.pause is not None and Path(self.pause).exists():
            time.sleep(1)


@dataclass(frozen=True)
class Outcome:
    """What a stack's computation gave: for each replica its measurements and why it failed (None: it did not).

    Attributes:
        seconds, cpu_seconds: of the whole stack.
        traces: for each replica how its training went, epoch by epoch; empty where that is not followed.
        routes: by which libraries products were computed (see `lib.products.Routes.described`); None is the default's.
    """

    measurements: list[list[dict[str, Any]]]
    failures: list[str | None]
    seconds: float
    cpu_seconds: float
    traces: Sequence[dict[str, Any]] = ()
    routes: Any = None


class Task(ABC):
    """Describe one replica's computation; two equal tasks give equal results on one kind of device.

    A subclass is a frozen dataclass of plain values, one of which is `seed`. It says how it prepares, what it costs and
    how it is computed; the engine asks and tests no type.

    Attributes:
        kind: names the subclass in rows and keys; empty for `Configuration`, the training of a network of Eq. (2).
    """

    kind: ClassVar[str] = ""
    seed: int  # no field yet: the subclass, a dataclass, says where it stands
    _kinds: ClassVar[dict[str, type[Task]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Task._kinds[cls.kind] = cls

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Task:
        """Return the task that a row's "configuration" describes, the inverse of `asdict`.

        Raises:
            ValueError: the module that defines the kind was not imported, or the settings are not those of the kind.
        """
        values = dict(settings)
        kind = values.pop("kind", "")
        if not isinstance(kind, str) or kind not in Task._kinds:
            raise ValueError(f"there is no task of kind {kind!r} here; known are: {', '.join(Task._kinds)}.")
        try:
            return Task._kinds[kind](**values)
        except (TypeError, AttributeError, OverflowError) as error:  # a name or a value that the kind does not know
            raise ValueError(f"a task of kind {kind!r} cannot have the settings {values}: {error}.") from None

    @property
    def key(self) -> str:
        """Return the hash that names the task in a store."""
        text = json.dumps(self.asdict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def cell(self) -> tuple[Any, ...]:
        """Return everything but the seed: consecutive seeds of one cell are computed as one stack, if `stacked`."""
        return tuple(value for name, value in self.asdict().items() if name != "seed")

    @property
    def stacked(self) -> bool:
        """Return whether consecutive seeds may be one stack; where each needs a time of its own, they may not."""
        return True

    def asdict(self) -> dict[str, Any]:
        """Return the settings as plain values, in the order of the fields, after the kind where there is one."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return ({"kind": self.kind} if self.kind else {}) | values

    @abstractmethod
    def prepare(self, conditions: Conditions) -> None:
        """Do before anything is computed what may fail: load the data, refuse a device.

        Raises:
            ValueError, OSError, ImportError: the task cannot be computed under these conditions.
        """

    @abstractmethod
    def seconds(self, replicas: int) -> float:
        """Return a guess of what a stack takes on one thread: it orders a sweep and prices it beforehand."""

    @classmethod
    @abstractmethod
    def compute(cls, stack: Sequence[Task], conditions: Conditions) -> Outcome:
        """Compute a stack: tasks of this kind and of one cell, with consecutive seeds."""


T = TypeVar("T", bound=Task)


def stacks(tasks: Iterable[T]) -> list[list[T]]:
    """Group tasks into runs of consecutive seeds of one cell that are `stacked`: what is computed together."""
    grouped: list[list[T]] = []
    for task in sorted(tasks, key=lambda t: (repr(t.cell), t.seed)):
        last = grouped[-1][-1] if grouped else None
        if last and task.stacked and last.cell == task.cell and last.seed + 1 == task.seed:
            grouped[-1].append(task)
        else:
            grouped.append([task])
    return grouped


def never_reached(value: float) -> dict[str, Any]:
    """Return the measurement of a matched loss that a training never reached."""
    return {"epoch": None, "step": None, "reached": value}
