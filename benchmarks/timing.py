"""Time contenders side by side: blocks of steps, interleaved, so that every repeat pairs all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

# Runs so many steps and returns the seconds of one (of one replica, where it trains several).
Contender = Callable[[int], float]


def synchronise(device: str) -> None:
    """Wait until the device has done what it was told."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def clock(device: str) -> float:
    """Return the time, in seconds, at which the device has done what it was told."""
    synchronise(device)
    return time.perf_counter()


def timed(run: Callable[[], Any], device: str, replicas: int = 1) -> Contender:
    """Make a contender of a function that does one step for all replicas."""

    def block(steps: int) -> float:
        start = clock(device)
        for _ in range(steps):
            run()
        return (clock(device) - start) / steps / replicas

    return block


def interleave(
    contenders: Mapping[str, Contender], repeats: int, block: float, replicas: Mapping[str, int], least: int = 5
) -> dict[str, dict[str, Any]]:
    """Time all contenders in turn, `repeats` times, each in blocks of about `block` seconds.

    A short block warms a contender up, a second one tells how many steps its blocks take. The order turns by one from
    repeat to repeat, so that no contender always follows the same one.

    Args:
        contenders: by name.
        repeats: blocks of each.
        block: seconds of a block.
        replicas: replicas that a step of each contender trains: its seconds are those of one.
        least: steps of a block at least.

    Returns:
        For each contender its seconds in every repeat with min, median and max, and the steps of a block.
    """
    steps = {}
    for name, run in contenders.items():
        run(2)
        steps[name] = max(least, round(block / (run(least) * replicas[name])))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for repeat in range(repeats):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(contenders[name](steps[name]))
    return {name: {**summary(values), "steps": steps[name]} for name, values in seconds.items()}


def summary(values: list[float]) -> dict[str, Any]:
    """Return repeats with their min, median and max."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "repeats": values}


def ratio(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ratio of two contenders, repeat by repeat: what ran side by side is compared."""
    return summary([a / b for a, b in zip(above["repeats"], below["repeats"], strict=True)])
