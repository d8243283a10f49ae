"""Configurations → rows: train what the store does not have yet."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, as_completed
from typing import Any

import torch

import lib
from lib.data import load
from lib.experiments.configuration import Configuration
from lib.experiments.measurement import epochs_measured, measure
from lib.experiments.progress import Progress
from lib.experiments.store import Store
from lib.networks import FCN
from lib.training import train


def sweep(
    configurations: Iterable[Configuration],
    store: Store,
    executor: Executor | None = None,
    device: str = "cpu",
    root: str | os.PathLike[str] | None = None,
) -> None:
    """Train every configuration that the store lacks and append its row as soon as it is there.

    Seeds of one cell that follow each other train as one stack of replicas; large cells go first. A killed sweep goes
    on where it stopped when it is called again.

    Args:
        configurations: what to train; duplicates are trained once.
        store: where rows go and are looked for.
        executor: any `concurrent.futures.Executor`; None trains in this process.
        device: the torch device to train on.
        root: the data root (see `lib.data.load`).

    Raises:
        ValueError, OSError: as raised by the data, the training or the store; rows appended before stay.

    Used by: chapters 06 to 10.
    """
    known = store.keys()
    missing = {c.key: c for c in configurations if c.key not in known}
    stacks = sorted(_stacks(missing.values()), key=_cost, reverse=True)
    progress = Progress([_cost(stack) for stack in stacks for _ in stack])
    for stack, rows in _train_all(stacks, executor, device, root):
        for row in rows:
            store.append(row)
        progress.advance(_cost(stack) * len(stack), len(stack))


def train_stack(
    stack: Sequence[Configuration], device: str = "cpu", root: str | os.PathLike[str] | None = None
) -> list[dict[str, Any]]:
    """Train configurations that differ only in consecutive seeds as one stack, and return their rows."""
    start, first = time.perf_counter(), stack[0]
    data = load(first.dataset, root=root, scaling=first.scaling, samples=first.samples)
    network = FCN(
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
    initial = [weight.detach().clone() for weight in network.weights]
    moments = epochs_measured(first.epochs)
    measurements = [measure(network, initial, data, first.loss, 0)]

    def after_epoch(epoch: int, _history: object) -> None:
        if epoch in moments:
            measurements.append(measure(network, initial, data, first.loss, epoch))

    train(
        network,
        data,
        epochs=first.epochs,
        batch_size=first.batch_size,
        lr=first.lr,
        schedule=first.schedule,
        loss=first.loss,
        momentum=first.momentum,
        weight_decay=first.weight_decay,
        after_epoch=after_epoch,
    )
    provenance = {
        "version": lib.__version__,
        "torch": torch.__version__,
        "hardware": _hardware(device),
        "threads": torch.get_num_threads(),
        "stacked": len(stack),
        "seconds": round((time.perf_counter() - start) / len(stack), 3),
    }
    return [
        {
            "key": configuration.key,
            "configuration": configuration.asdict(),
            "measurements": [moment[replica] for moment in measurements],
            "provenance": provenance,
        }
        for replica, configuration in enumerate(stack)
    ]


def _train_all(stacks, executor, device, root):
    """Yield each stack with its rows, in this process or as an executor finishes them."""
    if executor is None:
        for stack in stacks:
            yield stack, train_stack(stack, device, root)
        return
    futures = {executor.submit(train_stack, stack, device, root): stack for stack in stacks}
    for future in as_completed(futures):
        yield futures[future], future.result()


def _stacks(configurations: Iterable[Configuration]) -> list[list[Configuration]]:
    """Group configurations into runs of consecutive seeds of one cell."""
    stacks: list[list[Configuration]] = []
    for configuration in sorted(configurations, key=lambda c: (repr(c.cell), c.seed)):
        last = stacks[-1][-1] if stacks else None
        if last and last.cell == configuration.cell and last.seed + 1 == configuration.seed:
            stacks[-1].append(configuration)
        else:
            stacks.append([configuration])
    return stacks


def _cost(stack: Sequence[Configuration]) -> float:
    """Return a stack's cost a replica, up to a constant: multiplications a point, and the overhead of a step."""
    first = stack[0]
    products = first.width * (800 + first.width * (first.depth - 2)) + 2e3 * first.depth
    return products * first.epochs


def _hardware(device: str) -> str:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
