"""When two trainings of one configuration count as the same result."""

from __future__ import annotations

import math
from typing import Any

# Largest relative difference of P after one epoch and after more of them, on one kind of device and on another. A
# rounding error grows while a network trains; two seeds differ by much more than this.
_ALLOWED = {("one epoch", True): 1e-4, ("one epoch", False): 1e-3, ("more", True): 1e-2, ("more", False): 3e-2}


def allowed(one_epoch: bool, same_hardware: bool) -> float:
    """Return the largest relative deviation of P that two trainings of one configuration may show."""
    return _ALLOWED["one epoch" if one_epoch else "more", same_hardware]


def deviation(one: float | None, other: float | None, absolute: bool = False) -> float:
    """Return |a − b| / max(|a|, |b|), or |a − b|; infinite where one of the two alone is undefined (None)."""
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(one - other) / (1.0 if absolute else max(abs(one), abs(other)) or 1.0)


def after_epochs(row: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return a row's measurements at the ends of epochs, by epoch; those of matched losses are left out."""
    return {
        int(measurement["epoch"]): measurement
        for measurement in row["measurements"]
        if measurement.get("reached") is None and measurement["epoch"] is not None
    }
