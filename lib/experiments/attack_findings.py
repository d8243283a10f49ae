"""What attacked networks do as they widen, in numbers over seeds: behind the words of chapter 12."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from lib.trends import Interval, log_interval, mean_interval, paired


def change_with_width(table: pd.DataFrame, quantity: str) -> dict[str, Interval]:
    """Return, for each curve, by how much a quantity is larger at the largest width than at the smallest.

    Args:
        table: of one architecture, data set and selection, from `lib.experiments.attack_rows.attack_frame`.
        quantity: a column of it.

    Returns:
        Differences over seeds; none of a curve that lacks either width, or where there is one width.
    """
    smallest, largest = table["width"].min(), table["width"].max()
    if not smallest < largest:
        return {}
    found = paired(table, quantity, "width", largest, smallest, ["curve"], log=False)
    there = {line.curve: Interval(line.mean, line.low, line.high, line.seeds) for line in found.itertuples()}
    return {curve: there[curve] for curve in dict.fromkeys(table["curve"]) if curve in there}


def factor_of_width(table: pd.DataFrame, quantity: str) -> Interval:
    """Return by which factor a positive quantity is larger at the largest width than at the smallest.

    The geometric mean over the curves that both widths have, seed by seed; the interval is over seeds, none where no
    curve has both. Arguments are those of `change_with_width`.
    """
    ends = table[table["width"].isin([table["width"].min(), table["width"].max()])]
    sides = ends.pivot_table(index=["seed", "curve"], columns="width", values=quantity).dropna()
    if sides.shape[1] < 2:
        return log_interval([])
    logs = np.log(sides.iloc[:, 1] / sides.iloc[:, 0])
    return log_interval(np.exp(logs.groupby("seed").mean().to_numpy()))


def learned(table: pd.DataFrame, least: float) -> pd.DataFrame:
    """Return the cells, a curve at a width, of which every seed reached a natural accuracy.

    A network that predicts one class for all is stable and has a small P, whatever its width is.

    Args:
        table: as in `change_with_width`.
        least: the accuracy, as `learned_accuracy` of the register.
    """
    return table[table.groupby(["curve", "width"])["natural_accuracy"].transform("min") >= least]


def rank_correlation(table: pd.DataFrame, x: str, y: str) -> Interval:
    """Return Kendall's τ of two quantities over widths, of each seed and curve, averaged over curves.

    Arguments are those of `change_with_width`; the interval is over seeds and ends where τ does, at −1 and 1.
    """
    each = table.groupby(["seed", "curve"])[[x, y]].apply(
        lambda one: one[x].corr(one[y], method="kendall", min_periods=2)
    )
    found = mean_interval(each.groupby("seed").mean().to_numpy())
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


def distance_from_product(table: pd.DataFrame) -> float:
    """Return the largest |robust accuracy − natural accuracy × stability| over widths and λ, means over seeds."""
    return float(_off_product(table).abs().max())


def below_product(table: pd.DataFrame) -> str:
    """Write at how many widths and λ robust accuracy lies below natural accuracy × stability: "23 of 25"."""
    off = _off_product(table)
    return f"{(off < 0).sum()} of {len(off)}"


def _off_product(table: pd.DataFrame) -> pd.Series:
    columns = ["natural_accuracy", "stability", "robust_accuracy"]
    means = table.groupby(["width", "strength"])[columns].mean()
    return means["robust_accuracy"] - means["natural_accuracy"] * means["stability"]


def direction(change: Interval) -> str:
    """Return "rises", "falls" or "does not clearly move", by which side of zero the interval lies on."""
    return "rises" if change.low > 0 else "falls" if change.high < 0 else "does not clearly move"


def tally(changes: Iterable[Interval]) -> str:
    """Write in how many of several curves a quantity rises and falls: "rises in 7 and falls in 1 of 10 curves"."""
    found = [direction(change) for change in changes]
    counts = {word: found.count(word) for word in ("rises", "falls") if word in found}
    if not counts:
        return f"clearly moves in none of {len(found)} curves"
    return " and ".join(f"{word} in {count}" for word, count in counts.items()) + f" of {len(found)} curves"
