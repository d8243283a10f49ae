"""How every command of `lib` ends: in one sentence where something is wrong, whatever reads or holds what it prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_TOLD = (ValueError, OSError, ImportError, MemoryError, RuntimeError)


def answer(command: Callable[[], int], interrupted: str = "nothing was written") -> int:
    """Run a command and return its exit status: 1 where one sentence tells what was wrong, 130 after an interruption.

    A reader that has seen enough, such as `head`, is no error. Letters that the terminal's encoding lacks are spelled.

    Args:
        command: prints, and returns its status.
        interrupted: what became of the work.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put its own
            stream.reconfigure(errors="backslashreplace")
    try:
        code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _let_go()
        return 0
    except _TOLD as error:
        _let_go()
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(f"error: {first}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted: {interrupted}.", file=sys.stderr)
        return 130


def _let_go() -> None:
    """Drop what could not be printed: the interpreter would try again at its end, and say so in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
