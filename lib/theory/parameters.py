"""How many parameters a bias-free fully connected network has, and where they outnumber the data."""

from __future__ import annotations

import math

from lib.initializers import check_sizes


def number_of_parameters(width: float, depth: int, in_features: int, out_features: int) -> float:
    """Return the number of weights, m·d + (L − 2)·m² + o·m.

    Args:
        width: m > 0; it may lie between the integers, as L³/2 does for odd L.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.

    Raises:
        ValueError: a size is out of range.

    Source: Zhu et al. 2022, Eq. (2).
    """
    check_sizes(1, depth, in_features, out_features)
    if not 0 < width < math.inf:
        raise ValueError(f"width must be positive and finite, got {width!r}.")
    return width * (in_features + out_features + (depth - 2) * width)


def width_of_parameters(count: float, depth: int, in_features: int, out_features: int) -> float:
    """Return the real width m > 0 at which a network has `count` parameters, as many as training points, say.

    The positive root of (L − 2) m² + (d + o) m = count, written so that nothing cancels.

    Args:
        count: > 0.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.

    Raises:
        ValueError: a size is out of range, or the count is not positive.

    Source: Zhu et al. 2022, footnote 1 (over-parameterized: more parameters than training data).
    """
    check_sizes(1, depth, in_features, out_features)
    if not 0 < count < math.inf:
        raise ValueError(f"count must be positive and finite, got {count!r}.")
    linear = in_features + out_features
    return 2 * count / (linear + math.sqrt(linear**2 + 4 * (depth - 2) * count))
