"""Compute one stack of replicas and say what came of it: one row each."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import torch

import lib
from lib import products
from lib.processor import Processor
from lib.rows import Conditions, Outcome, Task

# What says that the machine lacks something: not what the tasks are. torch tells some of it by words alone.
_MEMORY = (MemoryError, torch.OutOfMemoryError)
_OTHERWISE = (OSError, ImportError, torch.AcceleratorError)
_WORDS = {
    "allocate memory": MemoryError,
    "ALLOC_FAILED": MemoryError,
    "start new thread": OSError,
    "CUDA error": OSError,
}


def train_stack(
    stack: Sequence[Task],
    device: str = "cpu",
    root: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    pause: str | os.PathLike[str] | None = None,
    until: int | None = None,
) -> list[dict[str, Any]]:
    """Compute tasks that differ only in consecutive seeds as one stack, and return their rows.

    Args:
        stack: the tasks, by seed.
        device: the torch device; it and what follows but the threads are as in `lib.rows.Conditions`.
        root: the data root.
        checkpoints: the folder of what an interrupted computation leaves.
        pause: a file, while which exists computations wait.
        until: an epoch at whose end trainings are left.
        threads: threads of this process; None leaves them as they are.

    Returns:
        One row a task. A computation that diverges or raises gives rows with the reason under "failure", which is None
        otherwise.

    Raises:
        MemoryError, OSError, ImportError: the machine, not the task, is at fault; no row tells it for ever.
        ValueError, ImportError: the tasks cannot be computed under these conditions (see `Task.prepare`).
    """
    if threads is not None:
        torch.set_num_threads(threads)
    conditions = Conditions(device, root, checkpoints, pause, until)
    stack[0].prepare(conditions)
    try:
        done = stack[0].compute(stack, conditions)
    except Exception as error:
        if lack := _lack(error):
            raise lack(
                f"{str(error).rstrip('.')}; this stopped {stack[0]}, for which no row was written, and all rows so far "
                "are kept: give the machine what it lacks (memory, space, files) and run the sweep again."
            ) from error
        # Whatever else it was, the other cells of a sweep go on and the row says what happened.
        done = Outcome([[] for _ in stack], [f"{type(error).__name__}: {error}"] * len(stack), 0.0, 0.0)
    provenance = {
        "version": lib.__version__,
        "torch": torch.__version__,
        "hardware": hardware(device),
        "threads": torch.get_num_threads() if torch.device(device).type == "cpu" else None,
        **_products(device, done),
        "stacked": len(stack),
        "seconds": round(done.seconds / len(stack), 3),
        "cpu_seconds": round(done.cpu_seconds / len(stack), 3),
        "date": _now(),
    }
    return _rows(stack, done, provenance)


def _products(device: str, done: Outcome) -> dict[str, Any]:
    """Return what decides the last digits of products on a processor: its instructions and the routes taken."""
    routes = done.routes
    if routes is None and torch.device(device).type == "cpu":
        routes = products.current().described()
    return {"instructions": instructions(device), "routes": routes}


def hardware(device: str) -> str:
    """Return the name of a torch device's hardware: the GPU's, or the processor's."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return Processor.here().name


def instructions(device: str) -> list[str] | None:
    """Return those of the processor that decide by which kernels it multiplies; None for a GPU."""
    return None if torch.device(device).type == "cuda" else list(Processor.here().instructions)


def _lack(error: Exception) -> type[Exception] | None:
    """Return the kind of error to stop a sweep with, where the machine is at fault and not the task."""
    if isinstance(error, _MEMORY):
        return MemoryError
    if isinstance(error, _OTHERWISE):
        return ImportError if isinstance(error, ImportError) else OSError
    if isinstance(error, RuntimeError):
        return next((kind for words, kind in _WORDS.items() if words in str(error)), None)
    return None


def failed_rows(stack: Sequence[Task], reason: str) -> list[dict[str, Any]]:
    """Return the rows of a stack of which nothing has come back but the reason."""
    provenance = {"version": lib.__version__, "torch": torch.__version__, "hardware": "unknown", "threads": None}
    provenance |= {
        "instructions": None,
        "routes": None,
        "stacked": len(stack),
        "seconds": 0.0,
        "cpu_seconds": 0.0,
        "date": _now(),
    }
    return _rows(stack, Outcome([[] for _ in stack], [reason] * len(stack), 0.0, 0.0), provenance)


def _rows(stack: Sequence[Task], done: Outcome, provenance: dict[str, Any]) -> list[dict[str, Any]]:
    traces = done.traces or [None] * len(stack)
    return [
        {
            "key": task.key,
            "configuration": task.asdict(),
            "measurements": listed,
            "trace": trace,
            "failure": failure,
            "provenance": provenance,
        }
        for task, listed, trace, failure in zip(stack, done.measurements, traces, done.failures, strict=True)
    ]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
