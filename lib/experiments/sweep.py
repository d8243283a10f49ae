"""Tasks → rows: compute what the store does not have yet, on any executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from concurrent.futures import Executor

from lib.experiments import cost, machine
from lib.experiments.configuration import Configuration
from lib.experiments.executors import check_device, train_all
from lib.experiments.progress import Progress
from lib.experiments.rows import load_data
from lib.experiments.stacks import stacks as stacked
from lib.experiments.store import Store
from lib.experiments.task import Task


def sweep(
    configurations: Iterable[Task],
    store: Store,
    executor: Executor | str | None = None,
    device: str = "cpu",
    root: str | os.PathLike[str] | None = None,
    retry: bool = False,
    checkpoints: str | os.PathLike[str] | None = None,
    pause: str | os.PathLike[str] | None = None,
) -> int:
    """Train every configuration that the store lacks and append its row as soon as it is there.

    Seeds of one cell that follow each other train as one stack of replicas; the longest go first. A killed sweep goes
    on where it stopped when it is called again. A training that fails leaves a row with the reason.

    Args:
        configurations: what to train, configurations or other tasks; duplicates are trained once.
        store: where rows go and are looked for.
        executor: any `concurrent.futures.Executor`, or a Dask scheduler's address ("tcp://HOST:8786"). None divides
            the threads of this process among local processes, one for each CUDA device where `device` is "cuda".
        device: the torch device to train on.
        root: the data root (see `lib.data.load`).
        retry: train again what has only failed so far.
        checkpoints, pause: as in `train_stack`.

    Returns:
        The number of configurations whose training failed in this call.

    Raises:
        TypeError: what should be trained is no `Task` (such as a `Configuration`), or the store no `Store`.
        ValueError, OSError, ImportError: as raised by the device, the data, the store or the executor, before anything
            trains or with all rows kept.

    Used by: chapters 06 to 10.
    """
    configurations = list(configurations)
    for value, wanted in ((store, Store), *((c, Task) for c in configurations)):
        if not isinstance(value, wanted):
            raise TypeError(f"sweep takes {wanted.__name__} objects here, got the {type(value).__name__} {value!r}.")
    check_device(device, local=executor is None)
    rows = store.rows()
    known = {row["key"] for row in rows if not retry or row.get("failure") is None}
    missing = {c.key: c for c in configurations if c.key not in known}
    model = cost.of_most_rows(rows)

    def seconds(stack: list[Task]) -> float:
        return model.seconds(stack[0], len(stack))

    stacks = sorted(stacked(missing.values()), key=seconds, reverse=True)
    trainings = [c for c in missing.values() if isinstance(c, Configuration)]
    for first in {(c.dataset, c.scaling, c.samples): c for c in trainings}.values():
        load_data(first, root)
    if missing:
        store.check_writable()
    progress = Progress([seconds(stack) / len(stack) for stack in stacks for _ in stack])
    failed = 0
    trained = train_all(stacks, executor, device, root, checkpoints, pause)
    with machine.sweeping(), contextlib.closing(trained) as finished:
        for stack, rows in finished:
            for row in rows:
                store.append(row)
                failed += row["failure"] is not None
            progress.advance(seconds(stack), len(stack), failed)
    return failed
