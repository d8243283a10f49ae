"""Where stacks train: in this process, in local worker processes, on any executor, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from typing import TYPE_CHECKING, Any

import torch

from lib.sweeps.computing import failed_rows, train_stack

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from distributed import Client

    from lib.rows import Task

    Stack = list[Task]
    Rows = list[dict[str, Any]]


# A stack that as many worker processes died of is a failure, as with Dask.
_DEATHS = 3
# Seconds between two looks at a cluster that is silent, and after which a cluster without workers is given up.
_LOOK_EVERY, _GONE_AFTER = 5, 30


def check_device(device: str, local: bool) -> None:
    """Raise ValueError unless the name is a torch device's and, where it trains locally, the device is there."""
    try:
        kind, index = torch.device(device).type, torch.device(device).index or 0
    except (RuntimeError, TypeError):
        raise ValueError(f"device must be a torch device such as cpu, cuda or cuda:1, got {device!r}.") from None
    if local and kind == "cuda" and index >= torch.cuda.device_count():
        count = torch.cuda.device_count() or "no"
        raise ValueError(
            f"device {device!r} is not there: torch {torch.__version__} sees {count} CUDA device; use 'cpu'."
        )
    if local and kind not in ("cpu", "cuda"):
        try:
            torch.zeros(1, device=device).item()  # one without numbers, such as meta, has none to give
        except (RuntimeError, AssertionError, ImportError):
            raise ValueError(
                f"device {device!r} is not there: torch {torch.__version__} computes nothing on it; use 'cpu'."
            ) from None


def train_all(
    stacks: list[Stack],
    executor: Executor | str | None,
    device: str,
    root: str | os.PathLike[str] | None,
    checkpoints: str | os.PathLike[str] | None,
    pause: str | os.PathLike[str] | None,
) -> Iterator[tuple[Stack, Rows]]:
    """Yield each stack with its rows as soon as they are there; close the iterator to give the rest up.

    Arguments are those of `lib.sweeps.sweep`.

    Raises:
        ValueError, ImportError, ConnectionError: there is no cluster at the address, or it was lost.
        ChildProcessError: a worker of the executor died, or no local one could start.
    """
    work = (root, None, checkpoints, pause)
    if isinstance(executor, str):
        with _cluster(executor) as client:
            yield from _on_executor(client.get_executor(), stacks, (device, *work))
        return
    if executor is not None:
        try:
            yield from _on_executor(executor, stacks, (device, *work))
        except BrokenExecutor as error:
            raise ChildProcessError(
                "a worker process of the executor died, killed from outside or for the memory it took; all rows so far "
                "are kept: run the sweep again with a new executor."
            ) from error
        return
    threads = torch.get_num_threads()
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    workers = min(len(stacks), gpus or threads)
    if workers <= 1:
        for stack in stacks:
            yield stack, train_stack(stack, device, *work)
        return
    share = (root, max(1, threads // workers), checkpoints, pause)
    yield from _in_processes(workers, stacks, lambda place: (f"cuda:{place}" if gpus else device, *share))


def _on_executor(executor: Executor, stacks: list[Stack], arguments: tuple[Any, ...]) -> Iterator[tuple[Stack, Rows]]:
    watch = _Workers(executor)
    watch()  # who takes the work and dies before the first look has been seen
    futures = {executor.submit(train_stack, stack, *arguments): stack for stack in stacks}
    try:
        left = set(futures)
        while left:
            done, left = wait(left, timeout=watch.seconds, return_when=FIRST_COMPLETED)
            for future in done:
                yield futures[future], _rows_of(future, futures[future])
            if not done:
                watch()
    finally:
        # An interrupt or a full disk must not leave the rest of the sweep running for hours.
        for future in futures:
            future.cancel()


class _Workers:
    """Notice that a Dask cluster has lost its workers: it would wait for new ones without a word, for ever."""

    def __init__(self, executor: Executor) -> None:
        self.client = getattr(executor, "_client", None) if "distributed" in sys.modules else None
        self.seconds = None if self.client is None else _LOOK_EVERY
        self.seen: float | None = None  # when a worker was there last
        self.told = False

    def __call__(self) -> None:
        """Say that there are no workers yet; raise ConnectionError where they are gone."""
        if self.client is None:
            return
        try:
            there = bool(self.client.nthreads())
        except Exception as error:  # what is raised depends on how the connection broke
            raise ConnectionError(
                f"the cluster's scheduler does not answer any more ({error}); all rows so far are kept: start it and "
                "run the sweep again."
            ) from error
        if there:
            self.seen = time.monotonic()
        elif self.seen is None and not self.told:
            print("waiting: the cluster has no workers yet.", file=sys.stderr, flush=True)
            self.told = True
        elif self.seen is not None and time.monotonic() - self.seen > _GONE_AFTER:
            raise ConnectionError(
                f"the cluster has had no worker for {_GONE_AFTER} s; all rows so far are kept: start workers and run "
                "the sweep again."
            )


def _in_processes(
    workers: int, stacks: list[Stack], arguments: Callable[[int], tuple[Any, ...]]
) -> Iterator[tuple[Stack, Rows]]:
    """Train in spawned processes; `arguments` takes the place of a worker, from 0.

    Where one dies, nobody knows of which stack: all that were being trained are tried again when the others are done,
    alone. A stack of which workers die again and again is a failure of that stack.
    """
    waiting, suspects, deaths = deque(stacks), deque(), Counter()
    while waiting:
        yield from _in_pool(workers, waiting, suspects, arguments)
    while suspects:
        stack = suspects.popleft()
        deaths[stack[0].key] += 1  # the first was in company
        if deaths[stack[0].key] >= _DEATHS:
            reason = f"WorkerDied: {_DEATHS} worker processes that computed it died, for the memory it took or a crash"
            yield stack, failed_rows(stack, reason)
        else:
            yield from _in_pool(1, deque([stack]), suspects, arguments)


def _in_pool(
    workers: int, waiting: deque[Stack], suspects: deque[Stack], arguments: Callable[[int], tuple[Any, ...]]
) -> Iterator[tuple[Stack, Rows]]:
    """Train what waits until a worker dies; what was being trained then goes to the suspects.

    The workers wait for the end of a pipe whose other end only this process holds, and leave at once when it gives up
    or is gone, killed too. (Cancelling does not help here: a pool lets what runs run to its end.)
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    with here, there, ProcessPoolExecutor(workers, context, initializer=_leave_with, initargs=(here,)) as pool:
        begun, running, free = pool.submit(int), {}, list(range(workers))
        try:
            while waiting or running:
                while waiting and free:
                    future = pool.submit(train_stack, waiting[0], *arguments(free[0]))
                    running[future] = waiting.popleft(), free.pop(0)
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in sorted(done, key=_broken):  # what is there is kept
                    rows = _rows_of(future, running[future][0])
                    stack, place = running.pop(future)
                    free.append(place)
                    yield stack, rows
        except BrokenExecutor as error:
            if not begun.done() or begun.exception():
                raise ChildProcessError(
                    "no worker process could start; all rows so far are kept: free some memory, call sweep under "
                    "`if __name__ == '__main__':` where a script calls it, and run it again."
                ) from error
            suspects.extend(stack for stack, _ in running.values())
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


def _broken(future: Future[Rows]) -> bool:
    return isinstance(future.exception(), BrokenExecutor)


def _rows_of(future: Future[Rows], stack: Stack) -> Rows:
    """Return what a future has computed."""
    try:
        return future.result()
    except CancelledError:
        raise ConnectionError(
            "the executor gave up the work, as when a cluster is shut down; all rows so far are kept: run the sweep "
            "again."
        ) from None
    except Exception as error:
        if not _kills_workers(error):
            raise
        return failed_rows(stack, f"{type(error).__name__}: {error}")


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
