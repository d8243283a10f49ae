"""What trainings cost: seconds, bytes and device-hours of configurations, fitted to the rows that are there."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from lib.experiments.work import TYPICAL_SECONDS, Work, memory, work
from lib.rows import Task, stacks

# How far, in log seconds, the ratios of coefficients are believed to lie from the built-in ones, and the least error of
# one stack's time: no machine repeats itself better.
_BELIEF, _LEAST_ERROR = 1.5, 0.01


class Kind(NamedTuple):
    """What a row was computed on: rows of one kind share one cost model."""

    hardware: str
    threads: int | None


@dataclass(frozen=True)
class CostModel:
    """Predict what a stack costs: seconds = Σ coefficient × count, over the counts of `lib.experiments.work`.

    Attributes:
        coefficients: seconds a count, none negative.
        kind: the hardware and threads of the rows it was fitted to; None for the built-in ratios.
        stacks: the number of stacks that it was fitted to.
    """

    coefficients: Work = TYPICAL_SECONDS
    kind: Kind | None = None
    stacks: int = 0

    def seconds(self, task: Task, replicas: int = 1) -> float:
        """Return the seconds of a stack of replicas, all together; tasks that are no training say it themselves."""
        if task.kind:
            return task.seconds(replicas)
        return float(np.dot(self.coefficients, work(task, replicas)))

    def hours(self, tasks: Iterable[Task], devices: int = 1, efficiency: float = 1.0) -> float:
        """Return the wall-clock hours of a sweep: its stacks, longest first, on so many equal devices.

        Several devices slow each other down: each works at `efficiency` of what it does alone.

        Raises:
            ValueError: devices < 1, or an efficiency outside (0, 1].
        """
        if devices < 1 or not 0 < efficiency <= 1:
            raise ValueError(
                f"devices must be at least 1 and efficiency in (0, 1], got {devices!r} and {efficiency!r}."
            )
        found = sorted((self.seconds(s[0], len(s)) for s in stacks(tasks)), reverse=True)
        busy = [0.0] * max(1, min(devices, len(found)))  # more have nothing to do
        for seconds in found:
            heapq.heappush(busy, heapq.heappop(busy) + seconds)
        return max(busy) / (efficiency if devices > 1 else 1) / 3600


def largest(tasks: Iterable[Task]) -> int | None:
    """Return the bytes of the largest stack among trainings (see `lib.experiments.work.memory`); None without any."""
    return max((memory(s[0], len(s)) for s in stacks(task for task in tasks if not task.kind)), default=None)


def kinds(rows: Iterable[dict[str, Any]]) -> dict[Kind, list[dict[str, Any]]]:
    """Return the trainings' rows that tell a cost, by what they were computed on, those with most stacks first."""
    found: dict[Kind, list[dict[str, Any]]] = {}
    for row in rows:
        made = row["provenance"]
        training = "kind" not in row["configuration"]
        if training and row.get("failure") is None and made.get("hardware") and _seconds(row) > 0:
            kind = Kind(made["hardware"], made.get("threads"))
            found.setdefault(kind, []).append(row)
    return dict(sorted(found.items(), key=lambda item: -len(_observations(item[1]))))


def fit(rows: Iterable[dict[str, Any]]) -> CostModel:
    """Fit a model to rows of one kind of hardware.

    The errors of log seconds, one a stack, are minimised with a loss that grows like their size for outliers: a
    machine that did other things besides must not bend the model. Coefficients are positive, and those that the rows do
    not tell apart keep the built-in ratios.

    Raises:
        ValueError: no row tells a cost, or they are of several kinds.
    """
    found = kinds(rows)
    if len(found) != 1:
        names = "; ".join(f"{kind.hardware}, {kind.threads} threads" for kind in found) or "none"
        raise ValueError(f"a cost model needs rows of one kind of hardware that took time, got {names}.")
    ((kind, usable),) = found.items()
    observed = _observations(_best_timed(usable))
    counts = np.array([count for count, _ in observed])
    target = np.log([seconds for _, seconds in observed])
    built_in = np.log(TYPICAL_SECONDS)
    start = built_in + np.median(target - np.log(counts @ np.exp(built_in)))

    def errors(logs: np.ndarray) -> np.ndarray:
        # log-sum-exp: a coefficient may run to nothing without leaving the range of floats.
        return np.logaddexp.reduce(np.log(counts) + logs, axis=1) - target

    def solve(start: np.ndarray, spread: float) -> np.ndarray:
        def weighed(logs: np.ndarray) -> np.ndarray:
            ratios = logs - built_in
            return np.concatenate([errors(logs), spread / _BELIEF * (ratios - ratios.mean())])

        return optimize.least_squares(weighed, start, loss="soft_l1", f_scale=2 * spread).x

    # What the rows are trusted with follows from how well they agree with each other.
    first = solve(start, 0.3)
    logs = solve(first, max(_LEAST_ERROR, 1.48 * float(np.median(np.abs(errors(first))))))
    return CostModel(Work(*np.exp(logs).tolist()), kind, len(observed))


def of_most_rows(rows: Iterable[dict[str, Any]]) -> CostModel:
    """Return the model of the hardware that most of the rows come from, or the built-in ratios without rows."""
    return next((fit(some) for some in kinds(rows).values()), CostModel())


class HeldOut(NamedTuple):
    """How a model predicts cells that it was not fitted to: one entry a stack."""

    configurations: list[Task]
    replicas: list[int]
    seconds: np.ndarray
    predicted: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Return |predicted/measured − 1|."""
        return np.abs(self.predicted / self.seconds - 1)


def hold_out(rows: Iterable[dict[str, Any]], seed: int = 0, folds: int = 3) -> HeldOut:
    """Predict every cell by a model that was fitted without it: the seed deals the cells into folds.

    The stacks of one cell are never parted.

    Raises:
        ValueError: as `fit`, or there are fewer cells than folds, or fewer than two folds.
    """
    rows = _best_timed(list(rows))
    cells = sorted({repr(_cell(row)) for row in rows})
    if not 2 <= folds <= len(cells):
        raise ValueError(f"folds must be from 2 to the {len(cells)} cells of the rows, got {folds!r}.")
    fold = {cells[i]: rank % folds for rank, i in enumerate(np.random.default_rng(seed).permutation(len(cells)))}
    lines = []
    for number in range(folds):
        model = fit([row for row in rows if fold[repr(_cell(row))] != number])
        for row in _stacked([row for row in rows if fold[repr(_cell(row))] == number]):
            replicas = _replicas(row)
            measured = _seconds(row)
            predicted = float(np.dot(model.coefficients, _counted(row)))
            lines.append((Task.of(row["configuration"]), replicas, measured, predicted))
    configurations, replicas, measured, predicted = zip(*lines, strict=True)
    return HeldOut(list(configurations), list(replicas), np.array(measured), np.array(predicted))


def _observations(rows: list[dict[str, Any]]) -> list[tuple[Work, float]]:
    """Return the counts and the seconds of each stack."""
    return [(_counted(row), _seconds(row)) for row in _stacked(rows)]


def _best_timed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that tell the processor's time, where there are some: wall clocks also count other programs."""
    return [row for row in rows if row["provenance"].get("cpu_seconds")] or rows


def _seconds(row: dict[str, Any]) -> float:
    """Return what a row's stack took, 0 where it does not tell.

    On one thread that is the processor's time, which other programs do not lengthen.
    """
    made = row["provenance"]
    alone = made.get("cpu_seconds") if made.get("threads") == 1 else None
    return (alone or made.get("seconds") or 0.0) * _replicas(row)


def _replicas(row: dict[str, Any]) -> int:
    """Return how many rows were computed together; early ones do not tell and were computed alone."""
    return row["provenance"].get("stacked") or 1


def _stacked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a stack: the rows of a stack share one measured time."""
    return list(
        {
            (repr(_cell(row)), *(row["provenance"].get(name) for name in ("stacked", "seconds", "date"))): row
            for row in rows
        }.values()
    )


def _counted(row: dict[str, Any]) -> Work:
    measured = [m for m in row["measurements"] if m.get("epoch") is not None]
    return work(
        Task.of(row["configuration"]),
        _replicas(row),
        measurements=len(measured),
        complete=any("P_train" in m for m in measured),
    )


def _cell(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in sorted(row["configuration"].items()) if name != "seed")
