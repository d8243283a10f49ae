"""Run a command and let nothing of it outlive the process that asked for it.

`python -I -S book/guard.py COMMAND ...`: standard input is a pipe whose other end that process holds. When the command
ends, when the pipe closes (its holder is done or was killed) or on SIGTERM, whatever the command has started is killed,
also what has left its process group. Imports the standard library alone: it starts before every kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

_SET_CHILD_SUBREAPER = 36  # prctl(2): orphans among the descendants become children of this process


def guarded(command: list[str]) -> list[str]:
    """Return the command line that runs a command under this guard."""
    return [sys.executable, "-I", "-S", __file__, *command]


def run_guarded(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command under this guard to its end and return its output; an interrupted caller leaves nothing of it."""
    end, pipe = os.pipe()
    process = subprocess.Popen(
        guarded(command),
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        **options,
    )
    try:
        output, _ = process.communicate()
    finally:
        os.close(end)
        os.close(pipe)
        process.wait()
        process.stdout.close()
    return subprocess.CompletedProcess(command, process.returncode, output)


def main(command: list[str]) -> int:
    """Run the command; return its status as a shell does."""
    adopt_orphans()
    # Ctrl-C is for the command, not for its guard; a handler, unlike SIG_IGN, is not inherited by the command.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: end_with_all(143))
    environment = os.environ | {"JPY_PARENT_PID": str(os.getpid())}  # whose end a kernel watches
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    threading.Thread(target=_watch, daemon=True).start()
    status = child.wait()
    end_with_all(status if status >= 0 else 128 - status)


def adopt_orphans() -> None:
    """Let orphans among the descendants become children of this process, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _watch() -> None:
    """End with the process that holds the other end of the pipe."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def end_with_all(status: int) -> NoReturn:
    """Kill all descendants, then this process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():  # at least the process group, which is our own
        os.killpg(0, signal.SIGKILL)
    while started := descendants_of(os.getpid()):
        for pid in started:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(-1, 0)
    os._exit(status)


def descendants_of(pid: int) -> list[int]:
    """Return what a process has started and what these have, while it lives; orphans become its own children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants_of(child)]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
