"""Where stacks train: in this process, in local worker processes, on any executor, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

import torch

from lib.experiments.rows import failed_rows, train_stack
from lib.experiments.task import Task

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from distributed import Client

    Stack = list[Task]
    Rows = list[dict[str, Any]]


def check_device(device: str, local: bool) -> None:
    """Raise ValueError unless the name is a torch device's and, where it trains locally, the device is there."""
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError):
        raise ValueError(f"device must be a torch device such as cpu, cuda or cuda:1, got {device!r}.") from None
    if local and kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} is not there: torch {torch.__version__} sees no CUDA device; use 'cpu'.")


def train_all(
    stacks: list[Stack],
    executor: Executor | str | None,
    device: str,
    root: str | os.PathLike[str] | None,
    checkpoints: str | os.PathLike[str] | None,
    pause: str | os.PathLike[str] | None,
) -> Iterator[tuple[Stack, Rows]]:
    """Yield each stack with its rows as soon as they are there; close the iterator to give the rest up.

    Arguments are those of `lib.experiments.sweep`.

    Raises:
        ValueError, ImportError, ConnectionError: there is no cluster at the address, or it was lost.
        ChildProcessError: a local worker died.
    """
    work = (root, None, checkpoints, pause)
    if isinstance(executor, str):
        with _cluster(executor) as client:
            yield from _on_executor(client.get_executor(), stacks, (device, *work))
        return
    if executor is not None:
        yield from _on_executor(executor, stacks, (device, *work))
        return
    threads = torch.get_num_threads()
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    workers = min(len(stacks), gpus or threads)
    if workers <= 1:
        for stack in stacks:
            yield stack, train_stack(stack, device, *work)
        return
    share = (root, max(1, threads // workers), checkpoints, pause)
    yield from _in_processes(workers, stacks, lambda i: (f"cuda:{i % gpus}" if gpus else device, *share))


def _on_executor(executor: Executor, stacks: list[Stack], arguments: tuple[Any, ...]) -> Iterator[tuple[Stack, Rows]]:
    futures = {executor.submit(train_stack, stack, *arguments): stack for stack in stacks}
    try:
        yield from _results(futures)
    finally:
        # An interrupt or a full disk must not leave the rest of the sweep running for hours.
        for future in futures:
            future.cancel()


def _in_processes(
    workers: int, stacks: list[Stack], arguments: Callable[[int], tuple[Any, ...]]
) -> Iterator[tuple[Stack, Rows]]:
    """Train in spawned processes that leave at once when this one gives up or is gone, killed too.

    They wait for the end of a pipe whose other end only this process holds. (Cancelling does not help here: a pool
    lets what runs run to its end.)
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    with here, there, ProcessPoolExecutor(workers, context, initializer=_leave_with, initargs=(here,)) as pool:
        try:
            yield from _results({pool.submit(train_stack, s, *arguments(i)): s for i, s in enumerate(stacks)})
        except BaseException:
            there.close()
            raise


def _leave_with(pipe: Connection) -> None:
    """End this worker process when the other end of the pipe is closed."""

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            pipe.recv_bytes()
        os._exit(1)

    # A Ctrl-C reaches every process of a terminal; the worker's part in it is to leave with its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=wait, daemon=True).start()


def _results(futures: dict[Future[Rows], Stack]) -> Iterator[tuple[Stack, Rows]]:
    for future in as_completed(futures):
        stack = futures[future]
        try:
            rows = future.result()
        except BrokenExecutor as error:
            raise ChildProcessError(
                "a worker process died, killed from outside or for the memory it took; all rows so far are kept: run "
                "the sweep again, with fewer threads (OMP_NUM_THREADS) if memory was short."
            ) from error
        except CancelledError:
            raise ConnectionError(
                "the executor gave up the work, as when a cluster is shut down; all rows so far are kept: run the "
                "sweep again."
            ) from None
        except Exception as error:
            if not _kills_workers(error):
                raise
            rows = failed_rows(stack, f"{type(error).__name__}: {error}")
        yield stack, rows


def _kills_workers(error: Exception) -> bool:
    """Return whether Dask tried a stack on several workers and each of them died of it: a failure of that stack."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(error, distributed.KilledWorker)


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[Client]:
    """Connect to the Dask scheduler at an address."""
    try:
        from distributed import Client
    except ImportError:
        raise ImportError("a cluster is reached with dask.distributed: pip install 'dask[distributed]'.") from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address!r} ({error}); start one with `dask scheduler` and give the address "
            "it prints, tcp://HOST:8786."
        ) from None
    with client:
        yield client
