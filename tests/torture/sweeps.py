"""Sweeps that are killed, share their folders or fill their disk: no row may be lost, doubled, torn or wrong.

`torture` drives a process that imports everything once and starts sweeps as forks of itself: a kill then hits a sweep
and not an import.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

COUNT = 200
_ROOT = Path(__file__).parents[2]
_KILLS_A_STORE = 10
_LACK, _CRASH = 3, 4  # exit codes of a sweep that its machine stopped, and of one that failed otherwise
_SMALL, _MORE = 40_000, 16_000  # bytes of a disk that fills, and what is freed after each time


def torture(count: int, folder: Path, seed: int, say: Callable[[str], None]) -> list[str]:
    """Kill `count` sweeps at random moments; return a sentence for each row that is not as if nothing had happened."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, __file__, str(folder), str(count), str(seed)]
    found = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as driver:
        for line in driver.stdout:
            kind, _, text = line.rstrip("\n").partition(" ")
            if kind == "wrong":
                found.append(text)
            else:
                say(f"sweeps {text}, {len(found)} wrong")
    return found if driver.returncode == 0 else [*found, f"the driver ended with {driver.returncode}."]


class Chain:
    """Sweeps of one store, each killed and followed by the next, until the last is left alone.

    Args:
        folder: of the store.
        sweeps: how many run at once.
        checkpoints: whether they keep any, in a folder that all of them share.
        full: whether their disk is small.
    """

    def __init__(self, folder: Path, sweeps: int = 1, checkpoints: bool = False, full: bool = False) -> None:
        from lib.rows import Store

        folder.mkdir()
        self.store, self.sweeps, self.full = Store(folder / "rows.jsonl"), sweeps, full
        self.kept = folder / "checkpoints" if checkpoints else None
        self.room = _SMALL if full else None
        self.mounted = full and self._mount(f"size={self.room}")
        if self.kept is not None:
            self.kept.mkdir()

    def _mount(self, options: str) -> bool:
        """Give the folder a disk of its own, where this user may; else the size of each file is limited."""
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.store.path.parent)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def free(self, room: int | None) -> None:
        """Let the disk have so much room."""
        self.room = room
        if self.mounted:
            self._mount(f"remount,size={room or 2**26}")

    def start(self) -> int:
        """Start a sweep as a fork."""
        child = os.fork()
        if child:
            return child
        try:
            if self.room is not None and not self.mounted:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, resource.RLIM_INFINITY))
            os._exit(min(sweep(cells(), self.store, checkpoints=self.kept), 1))
        except (OSError, MemoryError):
            os._exit(_LACK)
        except BaseException:
            os._exit(_CRASH)

    def finish(self) -> Iterator[str]:
        """Run the last sweep, and yield what is wrong."""
        self.free(None)
        if code := _wait(self.start()):
            yield f"the last sweep ended with {code}"
        yield from self.wrong()

    def wrong(self) -> Iterator[str]:
        """Yield how the store differs from one that nothing has happened to."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            rows, findings = self.store.examined()
        yield from (str(warning.message) for warning in said)
        yield from findings.altered
        times = Counter(row["key"] for row in rows)
        if len(findings.new) > _KILLS_A_STORE:
            yield f"{len(findings.new)} rows have no digest"
        for key in whole.keys() | times.keys():
            if not 1 <= times[key] <= self.sweeps:
                yield f"row {key} is there {times[key]} times"
        for row in rows:
            if row["failure"] is not None:
                yield f"row {row['key']} failed: {row['failure']}"
            elif not _equal(row["measurements"], whole[row["key"]]["measurements"]):
                yield f"row {row['key']} has other values"

    def end(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.store.path.parent)], check=True)


def _equal(one: Any, other: Any) -> bool:
    """Compare nested values; what trained in another stack may differ in an estimator's last bits."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, float) and isinstance(other, (float, int)):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-7)
    return one == other


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def cells() -> list[Any]:
    from lib.experiments import Configuration

    settings = {"samples": 120, "epochs": 6, "lr": 0.1}
    return [Configuration("digits", "unit", "he", w, 2, s, **settings) for w in (6, 8, 12) for s in (0, 1, 3, 5, 6, 9)]


def _drive(folder: Path, count: int, seed: int) -> None:
    global whole
    chance, kills, number = random.Random(seed), 0, 0
    first = Chain(folder / "whole")
    for _ in range(2):
        began = time.monotonic()
        assert _wait(first.start()) == 0
        first.store.path.replace(folder / "whole.jsonl")
    seconds = time.monotonic() - began
    whole = {row["key"]: row for row in Store(folder / "whole.jsonl").rows()}
    kinds = [{}, {"checkpoints": True}, {"sweeps": 2, "checkpoints": True}, {"full": True}]
    kinds += [{"full": True, "checkpoints": True}]
    while kills < count:
        kind = kinds[number % len(kinds)]
        chain = Chain(folder / f"chain-{number}", **kind)
        number += 1
        with contextlib.ExitStack() as ending:
            ending.callback(chain.end)
            wrong: list[str] = []
            for _ in range(_KILLS_A_STORE):
                if kills >= count:
                    break
                sweeps = [chain.start() for _ in range(chain.sweeps)]
                time.sleep(chance.uniform(0, seconds / 4))
                for child in sweeps:
                    os.kill(child, signal.SIGKILL)
                ended = [_wait(child) for child in sweeps]
                kills += ended.count(-signal.SIGKILL)
                wrong += [f"a sweep ended with {code}" for code in ended if code not in (-signal.SIGKILL, 0, _LACK)]
                if chain.full:
                    chain.free(chain.room + _MORE)
                print(f"progress {kills}/{count} killed", flush=True)
            wrong += chain.finish()
            for sentence in wrong:
                print(f"wrong chain {number} ({kind}): {sentence}.", flush=True)


if __name__ == "__main__":
    import torch

    from lib.experiments import sweep
    from lib.rows import Store

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of the torn lines that kills leave
    whole: dict[str, Any] = {}
    cells()  # imports what the sweeps need
    _drive(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
