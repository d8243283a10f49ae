"""Products over many layers, computed as sums of logarithms so that only their result has to fit a float."""

from __future__ import annotations

import math
import sys

_LARGEST = math.log(sys.float_info.max)


def log(value: float) -> float:
    """Return the natural logarithm of a value ≥ 0, -inf at 0."""
    return math.log(value) if value > 0 else -math.inf


def exp(value: float) -> float:
    """Return the exponential, inf where it exceeds the largest float."""
    return math.exp(value) if value < _LARGEST else math.inf
