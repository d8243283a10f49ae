"""What ten minutes of a CUDA device tell: `python -m benchmarks.gpu` (killed or out of time, it goes on where it was).

In this order: the step as a graph beside the same step launch by launch; float32 beside TF32 and bf16, with the changes
of P and κ; the table of trainings; and then rows at the paper's own widths, as many as fit, 2^12 and shallow first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from benchmarks import __main__ as benchmarks
from benchmarks.timings import RESULTS as RECORDS
from lib.experiments import sweep
from lib.experiments.configuration import Configuration
from lib.experiments.plan import EXPERIMENTS
from lib.rows import RESULTS, Store

# Repeats and seconds of a block: the table of 26 cells must leave time for rows.
_PARTS = (("graph", 5, 0.2), ("precisions", 5, 0.2), ("training", 3, 0.1))
_FIRST_WIDTH = 2**12


class TimeUp(BaseException):
    """The seconds are over: no `except Exception` may take this for a failure of a training."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="torch device (default: cuda)")
    parser.add_argument("--seconds", type=float, default=600, help="time for all (default: 600)")
    parser.add_argument("--records", type=Path, default=RECORDS, help="folder of the benchmarks' records")
    parser.add_argument("--rows", type=Path, default=RESULTS, help="folder of the rows")
    parser.add_argument(
        "--checkpoints", type=Path, default=Path("_build/gpu/checkpoints"), help="of interrupted trainings"
    )
    options = parser.parse_args(arguments)
    if not options.seconds > 0:
        print(f"error: --seconds must be positive, got {options.seconds:g}.", file=sys.stderr)
        return 1
    try:
        with until(options.seconds):
            for name, repeats, block in _PARTS:
                if measured_otherwise(options.records / f"{name}-cuda.json", repeats, block):
                    print(f"{name} is recorded with other repeats; it stays as it is.", flush=True)
                    continue
                how = ["--device", options.device, "--repeats", str(repeats), "--block", str(block)]
                code = benchmarks.main([name, *how, "--results", str(options.records)])
                if code:
                    return code
            train(by_cost(planned()), options.rows, options.device, options.checkpoints)
    except TimeUp:
        print("the time is up; what is there is kept, and the same command goes on.", flush=True)
    except (ValueError, OSError, MemoryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measured_otherwise(record: Path, repeats: int, block: float) -> bool:
    """Return whether a part is recorded already, but not as this script would, such as by `make bench DEVICE=cuda`."""
    if not record.exists():
        return False
    protocol = json.loads(record.read_text(encoding="utf-8"))["protocol"]
    return (protocol["repeats"], protocol["block"]) != (repeats, block)


@contextlib.contextmanager
def until(seconds: float) -> Iterator[None]:
    """Raise TimeUp in what runs inside when the seconds are over."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def planned() -> dict[str, list[Configuration]]:
    """Return what is planned at the paper's own widths, by experiment: round 2, whose rows decide."""
    return {name: tasks(2) for name, tasks in EXPERIMENTS.items() if name.startswith("paper-")}


def by_cost(experiments: Mapping[str, Sequence[Configuration]]) -> list[tuple[str, list[Configuration]]]:
    """Return experiments and cells, all seeds of one together: 2^12 first, then the shallow before the deep."""
    cells: dict[tuple[str, str, int, int], list[Configuration]] = {}
    for name, tasks in experiments.items():
        for task in tasks:
            cells.setdefault((name, task.initializer, task.width, task.depth), []).append(task)
    order = sorted(cells, key=lambda cell: (cell[2] != _FIRST_WIDTH, cell[2] ** 2 * cell[3], cell))
    return [(cell[0], cells[cell]) for cell in order]


def train(cells: Sequence[tuple[str, list[Configuration]]], rows: Path, device: str, checkpoints: Path) -> None:
    """Train cell by cell what the rows lack; a training that is interrupted goes on from its checkpoint."""
    rows.mkdir(parents=True, exist_ok=True)
    checkpoints.mkdir(parents=True, exist_ok=True)
    for name, tasks in cells:
        sweep(tasks, Store(rows / f"{name}.jsonl"), device=device, checkpoints=checkpoints)


if __name__ == "__main__":
    sys.exit(main())
