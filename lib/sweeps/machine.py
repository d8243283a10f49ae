"""Sweeps share a machine; a benchmark wants it for itself. An advisory lock keeps the two apart."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Whether this process holds the machine for a benchmark: the sweeps that the benchmark itself measures must not wait.
_ours = False


def lock_file() -> Path:
    """Return the file whose lock says who computes; it lies outside the checkout, since a machine may have several."""
    return Path(tempfile.gettempdir()) / "robustness-book.lock"


@contextmanager
def sweeping() -> Iterator[None]:
    """Say that a sweep runs here; any number may. Wait, with one line on standard error, while a benchmark measures."""
    if _ours:
        yield
        return
    with _opened() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting: a benchmark is measuring on this machine.", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def measuring() -> Iterator[None]:
    """Hold this machine for a benchmark; its own sweeps run, all others wait.

    Raises:
        BlockingIOError: a sweep or another benchmark runs.
    """
    global _ours
    with _opened() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                "a sweep or another benchmark is running on this machine, so that nothing can be measured; wait until "
                "it has ended, or stop it (a sweep goes on later where it stopped)."
            ) from None
        _ours = True
        try:
            yield
        finally:
            _ours = False


@contextmanager
def _opened() -> Iterator[int]:
    """Yield a descriptor of the lock's file; closing it, or the end of the process, frees the lock."""
    path = lock_file()
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except PermissionError:
        # Some systems let nobody re-create another user's file in a shared folder; reading is enough for a lock.
        lock = os.open(path, os.O_RDONLY)
    try:
        yield lock
    finally:
        os.close(lock)
