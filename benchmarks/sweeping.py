"""A sweep of many small cells with one worker and with two."""

from __future__ import annotations

import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.timing import ratio, summary
from lib.experiments import Configuration, Store, sweep

CELLS = [{"dataset": "digits", "width": 16, "depth": 4, "workers": 2}]
TARGETS = [{"settings": CELLS[0], "ratio": "one/two", "at_least": 1.8}]
PROTOCOL = {
    "data": "digits, raw; 100 epochs, one replica a cell",
    "unit": "seconds of the whole sweep, the start of its workers included; one thread a worker",
}
# What one worker should need: short beside it is the start of the processes, which a sweep pays once.
_SECONDS, _REPEATS = 120.0, 3


def configurations(count: int, epochs: int = 100) -> list[Configuration]:
    """Return cells that no stack joins: every other seed."""
    return [
        Configuration("digits", "raw", "he", 16, 4, seed, epochs=epochs, lr=0.01, schedule="proportional")
        for seed in range(0, 2 * count, 2)
    ]


class Sweeping:
    """Measure a sweep's speed with two workers over that with one, by turns."""

    def __init__(self, device: str) -> None:
        if torch.device(device).type != "cpu" or torch.get_num_threads() < 2:
            raise ValueError("the benchmark sweep needs two threads of a CPU; leave --device out and set --threads 2.")

    def measure(
        self, cell: dict[str, Any], repeats: int = _REPEATS, seconds: float = _SECONDS, epochs: int = 100
    ) -> dict[str, Any]:
        """Return the seconds of both and how many cells they trained."""
        self._sweep(configurations(1, epochs), 1)  # imports, and the data
        once = self._sweep(configurations(1, epochs), 1)
        cells = configurations(max(8, math.ceil(seconds / once)), epochs)
        one, two = [], []
        for _ in range(repeats):
            one.append(self._sweep(cells, 1))
            two.append(self._sweep(cells, cell["workers"]))
        # What two workers cost before they train: their processes, imports and data.
        start = self._sweep(configurations(2, 1), cell["workers"]) - self._sweep(configurations(2, 1), 1) / 2
        contenders = {"one": summary(one), "two": summary(two)}
        ratios = {"one/two": ratio(contenders["one"], contenders["two"])}
        return {"settings": cell, "contenders": contenders, "ratios": ratios, "trainings": len(cells), "start": start}

    def _sweep(self, cells: list[Configuration], workers: int) -> float:
        """Return the seconds of a sweep into an empty store: a worker a thread, as `sweep` divides them."""
        before = torch.get_num_threads()
        torch.set_num_threads(workers)
        try:
            with TemporaryDirectory() as folder:
                start = time.perf_counter()
                failed = sweep(cells, Store(Path(folder) / "rows.jsonl"))
                seconds = time.perf_counter() - start
        finally:
            torch.set_num_threads(before)
        if failed:
            raise RuntimeError(f"{failed} of {len(cells)} trainings failed, so that their time says nothing.")
        return seconds


def guess(cells: list[dict[str, Any]]) -> float:
    """Return the seconds that cells will take, roughly."""
    return len(cells) * _REPEATS * _SECONDS * 1.6
