"""Configurations → rows: train what the store does not have yet, on any executor."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from typing import Any

import torch

from lib.experiments import cost, machine
from lib.experiments.configuration import Configuration
from lib.experiments.progress import Progress
from lib.experiments.rows import load_data, train_stack
from lib.experiments.stacks import stacks as stacked
from lib.experiments.store import Store


def sweep(
    configurations: Iterable[Configuration],
    store: Store,
    executor: Executor | None = None,
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
        configurations: what to train; duplicates are trained once.
        store: where rows go and are looked for.
        executor: any `concurrent.futures.Executor`, e.g. dask.distributed's `Client.get_executor()`. None divides the
            threads of this process among local processes, one for each CUDA device where `device` is "cuda".
        device: the torch device to train on.
        root: the data root (see `lib.data.load`).
        retry: train again what has only failed so far.
        checkpoints, pause: as in `train_stack`.

    Returns:
        The number of configurations whose training failed in this call.

    Raises:
        ValueError, OSError: as raised by the data or the store, before anything trains or with all rows kept.

    Used by: chapters 06 to 10.
    """
    rows = store.rows()
    known = {row["key"] for row in rows if not retry or row.get("failure") is None}
    missing = {c.key: c for c in configurations if c.key not in known}
    model = cost.of_most_rows(rows)

    def seconds(stack: list[Configuration]) -> float:
        return model.seconds(stack[0], len(stack))

    stacks = sorted(stacked(missing.values()), key=seconds, reverse=True)
    for first in {(c.dataset, c.scaling, c.samples): c for c in missing.values()}.values():
        load_data(first, root)
    progress = Progress([seconds(stack) / len(stack) for stack in stacks for _ in stack])
    failed = 0
    trained = _train_all(stacks, executor, device, root, checkpoints, pause)
    with machine.sweeping(), contextlib.closing(trained) as finished:
        for stack, rows in finished:
            for row in rows:
                store.append(row)
                failed += row["failure"] is not None
            progress.advance(seconds(stack), len(stack), failed)
    return failed


def _train_all(
    stacks: list[list[Configuration]],
    executor: Executor | None,
    device: str,
    root: str | os.PathLike[str] | None,
    checkpoints: str | os.PathLike[str] | None,
    pause: str | os.PathLike[str] | None,
) -> Iterator[tuple[list[Configuration], list[dict[str, Any]]]]:
    """Yield each stack with its rows: from an executor, from local processes, or trained right here."""
    work = (root, None, checkpoints, pause)
    if executor is not None:
        yield from _collect(executor, stacks, lambda i: (device, *work))
        return
    threads = torch.get_num_threads()
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    workers = min(len(stacks), gpus or threads)
    if workers <= 1:
        for stack in stacks:
            yield stack, train_stack(stack, device, *work)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_leave_with_parent) as pool:
        share = (root, max(1, threads // workers), checkpoints, pause)
        yield from _collect(pool, stacks, lambda i: (f"cuda:{i % gpus}" if gpus else device, *share))


def _collect(
    executor: Executor, stacks: list[list[Configuration]], arguments: Callable[[int], tuple[Any, ...]]
) -> Iterator[tuple[list[Configuration], list[dict[str, Any]]]]:
    futures = {executor.submit(train_stack, stack, *arguments(i)): stack for i, stack in enumerate(stacks)}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        # An interrupt or a full disk must not leave the rest of the sweep running for hours.
        for future in futures:
            future.cancel()


def _leave_with_parent() -> None:
    """End this worker when the process that started it is gone, killed too."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
