"""Does lower precision change what is found? Pairs of trainings that differ in their products' precision alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.trends import mean_interval
from lib.verdicts.decisions import Decision, equal

# What may change, and by how much at most: shares of P, of κ and of the training loss, and of the test images. Fixed
# before the first training in bf16.
MARGINS = {"P": 0.01, "kappa": 0.01, "train_loss": 0.01, "test_accuracy": 0.002}
CELL = ["initializer", "depth", "width"]
_ALPHA = 0.05


def equivalence(rows: pd.DataFrame, precision: str = "bf16", margins: Mapping[str, float] = MARGINS) -> pd.DataFrame:
    """Return one line a cell and quantity: what a precision changes against float32, seed by seed, and the outcome.

    Two one-sided t tests at 5 % each (TOST) ask whether the mean of log(value/value in float32), for the accuracy of
    the difference, lies within its margin. Columns: initializer, depth, width, quantity; mean, low, high, of the ratio
    or difference with its 90 % interval, which lies within the margin exactly where the tests say "equal"; margin;
    seeds; p_equal, p_different; outcome: "equal", "different" (it lies outside the margin), or "open".

    Args:
        rows: trainings at their end, with the columns of a cell, seed, precision and the four quantities; those without
            a partner are left out.
        precision: of the other half of each pair.
        margins: by quantity.
    """
    lines = []
    for cell, part in rows.groupby(CELL):
        sides = [part[part["precision"] == name].set_index("seed") for name in (precision, "fp32")]
        seeds = sorted(set(sides[0].index) & set(sides[1].index))
        if not seeds:
            continue
        for quantity, margin in margins.items():
            log = quantity != "test_accuracy"
            one, other = (side.loc[seeds, quantity].to_numpy(dtype=float) for side in sides)
            apart = np.log(one) - np.log(other) if log else one - other
            # On logarithms the margin is that of the smaller side: log 1.01 < −log 0.99.
            (decision,) = equal([apart], 0.0, np.log1p(margin) if log else margin)
            interval = mean_interval(apart, 1 - 2 * _ALPHA)
            ends = [float(np.exp(value)) if log else value for value in interval[:3]]
            lines.append((*cell, quantity, *ends, margin, len(seeds), *decision, _word(decision)))
    names = [*CELL, "quantity", "mean", "low", "high", "margin", "seeds", "p_equal", "p_different", "outcome"]
    return pd.DataFrame(lines, columns=names)


def outcomes(found: pd.DataFrame) -> pd.DataFrame:
    """Return one line a cell: "equal" if all four quantities are, "different" if one is, else "open".

    That all are equal is asked of each at the full level (an intersection–union test); that one of four is different,
    at a quarter of it.
    """

    def whole(part: pd.DataFrame) -> str:
        if (part["outcome"] == "equal").all():
            return "equal"
        return "different" if (len(part) * part["p_different"] < _ALPHA).any() else "open"

    if found.empty:
        return pd.DataFrame(columns=[*CELL, "outcome"])
    return found.groupby(CELL)[["outcome", "p_different"]].apply(whole).rename("outcome").reset_index()


def _word(decision: Decision) -> str:
    return {"supported": "equal", "contradicted": "different"}.get(decision.outcome(_ALPHA), "open")
