"""Tasks → rows: compute what the store does not have yet, on any executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from concurrent.futures import Executor

from lib.rows import Conditions, Store, Task
from lib.rows import stacks as stacked
from lib.sweeps import machine
from lib.sweeps.executors import check_device, train_all
from lib.sweeps.progress import Progress


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
        executor: any `concurrent.futures.Executor`, or a Dask scheduler's address (``tcp://HOST:8786``). None divides
            the threads of this process among local processes, one for each CUDA device where `device` is "cuda".
        device: the torch device to train on.
        root: the data root (see `lib.data.load`).
        retry: train again what has only failed so far.
        checkpoints: folder in which interrupted computations leave what they need to go on; None keeps nothing.
        pause: a file; while it exists, computations wait.

    Returns:
        The number of configurations whose training failed in this call.

    Raises:
        TypeError: what should be trained is no `Task` (such as a `Configuration`), or the store no `Store`.
        ValueError, OSError, ImportError: as raised by the device, the data, the store or the executor, before anything
            trains or with all rows kept.
        MemoryError: a stack needs more memory than there is; all rows so far are kept.
    """
    configurations = list(configurations)
    for value, wanted in ((store, Store), *((c, Task) for c in configurations)):
        if not isinstance(value, wanted):
            raise TypeError(f"sweep takes {wanted.__name__} objects here, got the {type(value).__name__} {value!r}.")
    check_device(device, local=executor is None)
    rows = store.rows()
    known = {row["key"] for row in rows if not retry or row.get("failure") is None}
    missing = {c.key: c for c in configurations if c.key not in known}

    def seconds(stack: list[Task]) -> float:
        return stack[0].seconds(len(stack))

    stacks = stacked(missing.values())
    for stack in stacks:  # by cell, so that what stacks share is prepared for one after the other
        stack[0].prepare(Conditions(device, root, checkpoints, pause))
    stacks.sort(key=seconds, reverse=True)
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
