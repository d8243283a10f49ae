"""Which tasks are computed together: runs of consecutive seeds of one cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from lib.experiments.task import Task

T = TypeVar("T", bound=Task)


def stacks(tasks: Iterable[T]) -> list[list[T]]:
    """Group tasks into runs of consecutive seeds of one cell; configurations of a run train as one `FCN`."""
    grouped: list[list[T]] = []
    for task in sorted(tasks, key=lambda t: (repr(t.cell), t.seed)):
        last = grouped[-1][-1] if grouped else None
        if last and last.cell == task.cell and last.seed + 1 == task.seed:
            grouped[-1].append(task)
        else:
            grouped.append([task])
    return grouped
