"""Train one stack of networks of Eq. (2), measure it on the way and follow it: what a `Configuration` describes."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib.data import Dataset, load
from lib.data.images import with_test_set
from lib.estimators import lazy_training_ratio, relative_change
from lib.experiments.measurement import MATCHED_LOSSES, Observer
from lib.networks import FCN
from lib.rows import Conditions, Outcome, never_reached
from lib.stack import Stack
from lib.training import History, Moment, train

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from lib.rows import Task

# Reading and hashing a data set takes longer than training a small cell on it.
_load = functools.lru_cache(maxsize=2)(load)


def load_data(configuration: Task, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Return the data set that a configuration trains on, where it has no test set with one held out."""
    data = _load(configuration.dataset, root=root, scaling=configuration.scaling, samples=configuration.samples)
    return with_test_set(data)


def build(stack: Sequence[Task], data: Dataset, device: str) -> FCN:
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


def training_options(configuration: Task) -> dict[str, Any]:
    """Return what `train` is told by a configuration; what a kind of task has no setting for keeps its default."""
    options = ("epochs", "batch_size", "lr", "schedule", "loss", "momentum", "weight_decay", "precision")
    return {name: value for name, value in configuration.asdict().items() if name in options}


def compute(stack: Sequence[Task], conditions: Conditions) -> Outcome:
    """Train a stack of configurations; measure it at the moments of `Observer` and follow it by a `Tracer`."""
    data = load_data(stack[0], conditions.root)
    return follow(stack, conditions, build(stack, data, conditions.device), data, data)


def follow(stack: Sequence[Task], conditions: Conditions, network: Stack, data: Dataset, measured: Dataset) -> Outcome:
    """Train a network on data as its tasks say; measure it, on points that may be fewer, and follow it."""
    first = stack[0]
    observer = Observer(network, measured, first.loss, first.epochs, first.schedule)
    if conditions.until is not None:
        return _beginning(stack, data, network, observer, conditions.until)
    tracer = Tracer(network, observer.initial, first.epochs)

    def observe(moment: Moment) -> dict[str, Any] | None:
        conditions.wait_while_paused()
        seen = {"measured": observer(moment), "traced": tracer(moment)}
        return seen if any(value is not None for value in seen.values()) else None

    folder = conditions.checkpoints
    history = train(
        network,
        data,
        **training_options(first),
        observe=observe,
        observe_at=MATCHED_LOSSES,
        checkpoint=None if folder is None else Path(folder) / f"{first.key}-{len(stack)}",
    )
    measurements: list[list[dict[str, Any]]] = [[] for _ in stack]
    for _, seen in history.observations:
        for replica, measurement in seen["measured"] or ():
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
    return Outcome(
        measurements,
        failures,
        history.seconds,
        history.cpu_seconds,
        traces=tracer.traces(history),
        routes=described(history),
    )


class _Enough(Exception):
    """Raised when a training has reached the epoch at which it is left."""


def _beginning(stack: Sequence[Task], data: Dataset, network: Stack, observer: Observer, until: int) -> Outcome:
    """Train up to the end of an epoch, as the beginning of the whole training, and return what was measured so far."""
    measurements: list[list[dict[str, Any]]] = [[] for _ in stack]

    def observe(moment: Moment) -> None:
        for replica, measurement in observer(moment) or ():
            measurements[replica].append(measurement)
        if moment.loss is None and moment.epoch == until:
            raise _Enough

    wall, processor = time.perf_counter(), time.process_time()
    with contextlib.suppress(_Enough):
        # It is told its whole length, since a schedule may depend on it.
        train(network, data, **training_options(stack[0]), observe=observe, observe_at=MATCHED_LOSSES)
    return Outcome(measurements, [None] * len(stack), time.perf_counter() - wall, time.process_time() - processor)


def described(history: History) -> Any:
    """Return the routes of a training's products as a row keeps them; by epoch where they changed, None without any."""
    routes = history.routes
    return routes if len(routes) > 1 else next(iter(routes.values()), None)


# Epochs of a trace at most: all of the paper's 50; evenly spread over a longer training.
_EPOCHS, _DIGITS = 60, 6


class Tracer:
    """Follow a stack's training: an observer that looks at the ends of epochs, and makes each replica's trace of them.

    Args:
        network: the stack.
        initial: copies of its weights at initialization.
        epochs: of the training.
    """

    def __init__(self, network: Stack, initial: Sequence[Tensor], epochs: int) -> None:
        self.network, self.initial = network, initial
        count = min(epochs, _EPOCHS)
        self.epochs = {round(float(epoch)) for epoch in torch.linspace(1, epochs, count, dtype=torch.float64)}

    def __call__(self, moment: Moment) -> dict[str, Any] | None:
        """Return κ and the changes of every replica where the moment ends an epoch of the trace; None elsewhere."""
        if moment.loss is not None or moment.epoch not in self.epochs:
            return None
        columns = (lazy_training_ratio(self.network, self.initial), relative_change(self.network, self.initial))
        kappa, change = (values.double().tolist() for values in columns)
        return {"kappa": kappa, "relative_change": change}

    def traces(self, history: History) -> list[dict[str, Any]]:
        """Return each replica's trace, a list a column: epoch, lr, loss, kappa, relative_change (of each layer).

        The loss is the mean over an epoch's batches, each taken before its update. Six digits; None is not finite.
        """
        seen = [(int(at.epoch), it["traced"]) for at, it in history.observations if it["traced"] is not None]
        epochs = [epoch for epoch, _ in seen]
        shared = {"epoch": epochs, "lr": [_short(history.lr[epoch - 1]) for epoch in epochs]}
        return [
            {
                **shared,
                "loss": [_short(float(history.loss[epoch - 1][replica])) for epoch in epochs],
                **{name: _short([it[name][replica] for _, it in seen]) for name in ("kappa", "relative_change")},
            }
            for replica in range(self.network.replicas)
        ]


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(entry) for entry in value]
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
