"""Claims that a deterministic computation decides: inputs, output and outcome, as they are stored in verdicts.json."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lib.theory.bounds import huang2021, theorem1, wu2021, wu2021_log_width
from lib.theory.early_training import stated_probability


@dataclass(frozen=True)
class Computed:
    """A computation that decides a test.

    Attributes:
        inputs, output: what went in and came out, as JSON.
        outcome: "supported", "contradicted" or "inconclusive", as the registered test says.
    """

    inputs: dict[str, Any]
    output: dict[str, Any]
    outcome: str


_WIDTHS = [2**k for k in range(4, 15)]
_DEPTHS = [2, 4, 6, 8, 10]
_SIZES = (784, 10)


def falls_with_depth() -> Computed:
    """Return at how many widths the bound of Theorem 1 rises with depth somewhere under LeCun (claim 12)."""
    rising = [
        width
        for width in _WIDTHS
        if any(
            theorem1(width, deep, *_SIZES, "lecun") > theorem1(width, shallow, *_SIZES, "lecun")
            for shallow, deep in itertools.pairwise(_DEPTHS)
        )
    ]
    outcome = "contradicted" if len(rising) >= 6 else "inconclusive" if rising else "supported"
    return Computed({"widths": _WIDTHS, "depths": _DEPTHS, "initializer": "lecun"}, {"rising": rising}, outcome)


def smaller_than_earlier_bounds() -> Computed:
    """Return the largest ratio of the new bound to the older ones where m ≥ 10 L³ (claim 26)."""
    cells = [(width, depth) for depth in _DEPTHS for width in _WIDTHS if width >= 10 * depth**3]
    ratios = {
        name: max(theorem1(m, L, *_SIZES, "ntk") / math.sqrt(2) / bound(m, L) for m, L in cells)
        for name, bound in (("wu2021", wu2021), ("huang2021", huang2021))
    }
    outcome = "supported" if max(ratios.values()) < 1 else "contradicted"
    return Computed({"cells": [list(cell) for cell in cells]}, {"largest_ratio": _digits(ratios)}, outcome)


def condition_of_wu() -> Computed:
    """Return the least width of Wu et al.'s condition at each depth (claim 30)."""
    depths = list(range(2, 11))
    least = {str(depth): wu2021_log_width(depth) for depth in depths}
    over = all(least[str(depth)] >= math.log(10 * depth**3) for depth in depths)
    under = any(least[str(depth)] < math.log(depth**3 / 2) for depth in depths)
    outcome = "supported" if over else "contradicted" if under else "inconclusive"
    return Computed({"depths": depths}, {"log_width": _digits(least)}, outcome)


def probability_of_theorem3() -> Computed:
    """Return the probability with which Theorem 3 holds at least, at the n of the experiment (claim 47)."""
    samples = [5, 10, 20]
    values = {str(n): stated_probability(n) for n in samples}
    positive = [value > 0 for value in values.values()]
    outcome = "supported" if all(positive) else "inconclusive" if any(positive) else "contradicted"
    return Computed({"samples": samples}, {"probability": _digits(values)}, outcome)


def scaling_of_the_last_layer() -> Computed:
    """Return what dividing the last weights of a ReLU network by 10 does to P and to its predictions (claim 21).

    The network is He's with L = 2 and m = 16 at initialization, on the test set of MNIST; every output is divided by
    10, so P is and no prediction changes. It needs torch and the data; its outcome is stored.
    """
    import torch

    from lib import data
    from lib.estimators import perturbation_stability
    from lib.networks import FCN

    x = data.load("mnist", scaling="raw").x_test
    network = FCN(16, 2, x.shape[1], 10, "he", seed=0, dtype=torch.float64)
    x = x.double()
    with torch.no_grad():
        before = perturbation_stability(network, x).mean().item(), network(x).argmax(dim=-1)
        network.weights[-1].div_(10)
        after = perturbation_stability(network, x).mean().item(), network(x).argmax(dim=-1)
    change, changed = abs(after[0] / before[0] - 1), int((before[1] != after[1]).sum())
    outcome = "supported" if change < 1e-6 else "contradicted" if not changed else "inconclusive"
    inputs = {"initializer": "he", "depth": 2, "width": 16, "seed": 0, "divisor": 10, "points": len(x)}
    return Computed(inputs, {"relative_change_of_P": round(change, 9), "changed_predictions": changed}, outcome)


# What needs the standard library alone, and what is stored because it needs torch and data.
COMPUTATIONS: dict[int, Callable[[], Computed]] = {
    12: falls_with_depth,
    26: smaller_than_earlier_bounds,
    30: condition_of_wu,
    47: probability_of_theorem3,
}
STORED: dict[int, Callable[[], Computed]] = {21: scaling_of_the_last_layer}


def _digits(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.9g}") for name, value in values.items()}
