"""What a call costs: its seconds, and the memory by which the process grew at its peak."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

T = TypeVar("T")

_PROCESS = Path("/proc/self")  # Linux alone lets a process begin its record of memory anew


class Cost(NamedTuple):
    """What a call took.

    Attributes:
        seconds: on the wall.
        bytes: by which the process, or the memory that torch holds on a CUDA device, grew at most; None where the
            system does not tell.
    """

    seconds: float
    bytes: int | None


def with_cost(call: Callable[[], T], device: torch.device | None = None) -> tuple[T, Cost]:
    """Return what a call returns, and its cost.

    On a processor the memory counts everything that the process asked for meanwhile, in any thread: tensors, graphs of
    autograd, and what kernels take inside themselves.

    Args:
        call: what is run, once.
        device: where it computes; None is the processor.
    """
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before, start = torch.cuda.memory_allocated(device), time.perf_counter()
        result = call()
        torch.cuda.synchronize(device)
        seconds = time.perf_counter() - start
        return result, Cost(seconds, torch.cuda.max_memory_allocated(device) - before)
    _give_back()
    before, start = _peak_begins(), time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    return result, Cost(seconds, None if before is None else max(0, _field("VmHWM") - before))


def _peak_begins() -> int | None:
    """Let the system forget the most memory that this process held; return what it holds now."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
        return _field("VmRSS")
    except (OSError, ValueError):
        return None


def _field(name: str) -> int:
    for line in (_PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(f"the system does not tell {name}.")


def _give_back() -> None:
    """Return freed memory to the system, so that it is not there already when the call asks for it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, other C libraries have not
        if trim is not None:
            trim(0)
