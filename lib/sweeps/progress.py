"""Say how far a long computation is: on a terminal, or to the process that executes a chapter, never in a page."""

from __future__ import annotations

import os
import sys
import time


class Progress:
    """Count finished configurations and estimate the time left from their cost.

    The line goes to the file named by BOOK_PROGRESS when there is one (the book shows it on its own terminal), else
    to standard error when that is a terminal, else nowhere.

    Args:
        costs: the relative cost of each configuration, in any unit.
    """

    def __init__(self, costs: list[float]) -> None:
        self.total, self.costs, self.done, self.spent = len(costs), sum(costs), 0, 0.0
        self.start = time.monotonic()
        self.file = os.environ.get("BOOK_PROGRESS")
        # In a notebook's kernel standard error is the page, whatever it claims to be.
        self.terminal = sys.stderr.isatty() and "ipykernel" not in sys.modules

    def advance(self, cost: float, count: int = 1, failed: int = 0) -> None:
        """Count `count` more configurations of that cost in all as finished; `failed` have failed so far."""
        self.done, self.spent = self.done + count, self.spent + cost
        left = (time.monotonic() - self.start) * (self.costs / self.spent - 1) if self.spent else 0
        line = f"configuration {self.done} of {self.total} · {int(left) // 60}:{int(left) % 60:02d} left"
        if failed:
            line += f" · {failed} failed"
        if self.file:
            with open(self.file, "w", encoding="utf-8") as file:
                file.write(line)
        elif self.terminal:
            end = "\n" if self.done == self.total else ""
            print(f"\r\033[K{line}", end=end, file=sys.stderr, flush=True)
