"""Compute one stack of replicas and say what came of it: one row each."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import lib
from lib.data import Dataset, load
from lib.experiments import hardware
from lib.experiments.configuration import Configuration
from lib.experiments.cost import refuse_what_does_not_fit
from lib.experiments.measurement import MATCHED_LOSSES, Observer, never_reached
from lib.experiments.task import Task
from lib.networks import FCN
from lib.training import Moment, train

# Reading and hashing a data set takes longer than training a small cell on it.
_load = functools.lru_cache(maxsize=2)(load)


@dataclass(frozen=True)
class Outcome:
    """What a stack's computation gave: for each replica its measurements and why it failed (None: it did not).

    Attributes:
        seconds, cpu_seconds: of the whole stack.
    """

    measurements: list[list[dict[str, Any]]]
    failures: list[str | None]
    seconds: float
    cpu_seconds: float


@functools.singledispatch
def outcome(
    first: Task,
    stack: Sequence[Task],
    device: str,
    root: str | os.PathLike[str] | None,
    checkpoints: str | os.PathLike[str] | None,
    pause: str | os.PathLike[str] | None,
) -> Outcome:
    """Compute a stack of tasks of one kind and one cell; `first` is its first, whose type chooses the function.

    Every kind of `Task` registers its own with `@outcome.register`, in the module that defines the kind, so that a
    worker process that is sent a task has it too. The other arguments are those of `train_stack`.
    """
    raise TypeError(f"nothing is registered that computes a {type(first).__name__}.")


def load_data(configuration: Configuration, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Return the data set that a configuration trains on."""
    return _load(configuration.dataset, root=root, scaling=configuration.scaling, samples=configuration.samples)


def train_stack(
    stack: Sequence[Task],
    device: str = "cpu",
    root: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    pause: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """Compute tasks that differ only in consecutive seeds as one stack, and return their rows.

    Args:
        stack: the tasks, by seed.
        device: the torch device.
        root: the data root.
        threads: threads of this process; None leaves them as they are.
        checkpoints: folder in which an interrupted training leaves what it needs to go on; None keeps nothing.
        pause: a file; while it exists, training waits at the end of each epoch.

    Returns:
        One row a task. A training that diverges, runs out of memory or raises gives rows with the reason under
        "failure", which is None otherwise.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        done = outcome(stack[0], stack, device, root, checkpoints, pause)
    except Exception as error:  # whatever it was, the other cells of a sweep go on and the row says what happened
        done = Outcome([[] for _ in stack], [f"{type(error).__name__}: {error}"] * len(stack), 0.0, 0.0)
    provenance = {
        "version": lib.__version__,
        "torch": torch.__version__,
        "hardware": hardware.describe(device),
        "threads": torch.get_num_threads() if torch.device(device).type == "cpu" else None,
        "stacked": len(stack),
        "seconds": round(done.seconds / len(stack), 3),
        "cpu_seconds": round(done.cpu_seconds / len(stack), 3),
        "date": _now(),
    }
    return _rows(stack, done.measurements, done.failures, provenance)


def failed_rows(stack: Sequence[Task], reason: str) -> list[dict[str, Any]]:
    """Return the rows of a stack of which nothing has come back but the reason."""
    provenance = {"version": lib.__version__, "torch": torch.__version__, "hardware": "unknown", "threads": None}
    provenance |= {"stacked": len(stack), "seconds": 0.0, "cpu_seconds": 0.0, "date": _now()}
    return _rows(stack, [[] for _ in stack], [reason] * len(stack), provenance)


def build(stack: Sequence[Configuration], data: Dataset, device: str) -> FCN:
    """Return the stack's network at its initialization."""
    first = stack[0]
    return FCN(
        first.width,
        first.depth,
        data.in_features,
        data.out_features,
        first.initializer,
        replicas=len(stack),
        alpha=first.alpha,
        seed=first.seed,
        dtype=torch.float32,
        device=device,
    )


def training_options(configuration: Configuration) -> dict[str, Any]:
    """Return what `train` is told by a configuration."""
    names = ("epochs", "batch_size", "lr", "schedule", "loss", "momentum", "weight_decay")
    return {name: getattr(configuration, name) for name in names}


def _rows(
    stack: Sequence[Task],
    measurements: list[list[dict[str, Any]]],
    failures: Sequence[str | None],
    provenance: dict[str, Any],
) -> list[dict[str, Any]]:
    return [
        {
            "key": task.key,
            "configuration": task.asdict(),
            "measurements": listed,
            "failure": failure,
            "provenance": provenance,
        }
        for task, listed, failure in zip(stack, measurements, failures, strict=True)
    ]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@outcome.register
def _training(
    first: Configuration,
    stack: Sequence[Configuration],
    device: str,
    root: str | os.PathLike[str] | None,
    checkpoints: str | os.PathLike[str] | None,
    pause: str | os.PathLike[str] | None,
) -> Outcome:
    refuse_what_does_not_fit(first, len(stack), device)
    data = load_data(first, root)
    network = build(stack, data, device)
    observer = Observer(network, data, first.loss, first.epochs, first.schedule)

    def observe(moment: Moment) -> list[tuple[int, dict[str, Any]]] | None:
        while pause is not None and Path(pause).exists():
            time.sleep(1)
        return observer(moment)

    history = train(
        network,
        data,
        **training_options(first),
        observe=observe,
        observe_at=MATCHED_LOSSES,
        checkpoint=None if checkpoints is None else Path(checkpoints) / f"{first.key}-{len(stack)}",
    )
    measurements: list[list[dict[str, Any]]] = [[] for _ in stack]
    for _, seen in history.observations:
        for replica, measurement in seen:
            measurements[replica].append(measurement)
    for listed in measurements:
        reached = {measurement["reached"] for measurement in listed}
        listed += [never_reached(value) for value in MATCHED_LOSSES if value not in reached]
    failures: list[str | None] = []
    for losses in torch.stack(history.loss, dim=1):
        wrong = (~losses.isfinite()).nonzero()
        failures.append(
            f"diverged: the training loss is not finite in epoch {int(wrong[0]) + 1}" if len(wrong) else None
        )
    return Outcome(measurements, failures, history.seconds, history.cpu_seconds)
