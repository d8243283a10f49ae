"""What seeds say: means with Student t intervals over replicates.

One rule for what is missing: a value that is not finite (NaN, or the logarithm of a dead network's 0) is left out,
here and in `lib.verdicts`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lib import checks

# So many seeds keep a level of a curve, although others lack it: the register's `minimum_seeds`.
ENOUGH = 5


class Interval(NamedTuple):
    """A mean over seeds with its interval; the bounds are NaN for fewer than two seeds."""

    mean: float
    low: float
    high: float
    seeds: int


def log_interval(values: np.ndarray | list[float], level: float = 0.95) -> Interval:
    """Return the geometric mean of positive values with the Student t interval of their logarithms.

    exp(mean(log v) ± t_{level, S−1} · sd(log v)/√S) for S seeds: seeds multiply P, so logarithms are what is close
    to Gaussian, and the interval stays positive.

    Args:
        values: one value a seed, S of them; what is not finite is left out.
        level: coverage in (0, 1).

    Raises:
        ValueError: a value is not positive, or the level is not in (0, 1).
    """
    values = _finite(values)
    if (values <= 0).any():
        raise ValueError(f"values must be positive to take their logarithm, got {values[values <= 0][0]}.")
    return Interval(*(np.exp(part) for part in _t_interval(np.log(values), level)), len(values))


def mean_interval(values: np.ndarray | list[float], level: float = 0.95) -> Interval:
    """Return the mean of values, one a seed, with its Student t interval; what is not finite is left out.

    Raises:
        ValueError: the level is not in (0, 1).
    """
    values = _finite(values)
    return Interval(*_t_interval(values, level), len(values))


def p_above(values: np.ndarray | list[float], center: float = 0.0) -> float:
    """Return Student's one-sided p value against "the mean over seeds is at most `center`"; NaN below two seeds.

    For "at least `center`" take the values and the center with the opposite sign. What is not finite is left out.
    """
    above, _ = one_sided([np.asarray(values, dtype=float)], center)
    return float(above[0])


def one_sided(samples: Sequence[np.ndarray], center: float, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's one-sided p values of many samples: that a mean is above the center, and that it is below.

    Samples of equal size are tested in one call of `scipy.stats.ttest_1samp`. A sample without spread is on the side of
    its value, and on neither where it equals the center.

    Args:
        samples: one value a seed in each; what is not finite is left out.
        center: what their means are compared with.
        least: samples with fewer values get NaN.
    """
    above, below = np.full(len(samples), np.nan), np.full(len(samples), np.nan)
    kept = [_finite(sample) for sample in samples]
    sizes = np.array([len(values) for values in kept])
    for size in set(sizes[sizes >= max(least, 2)].tolist()):
        at = np.flatnonzero(sizes == size)
        table = np.stack([kept[i] for i in at])
        constant = np.ptp(table, axis=1) == 0
        with warnings.catch_warnings():
            # Nearly equal values lose digits of their spread; far from the center or at it, that decides nothing.
            warnings.simplefilter("ignore", RuntimeWarning)
            for side, found, same in (
                ("greater", above, table[:, 0] <= center),
                ("less", below, table[:, 0] >= center),
            ):
                found[at] = stats.ttest_1samp(table, center, axis=1, alternative=side).pvalue
                found[at[constant]] = same[constant]
    return above, below


def _finite(values: np.ndarray | list[float]) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]


def summarise(frame: pd.DataFrame, quantity: str, by: list[str], log: bool = True) -> pd.DataFrame:
    """Return one line a group of `by`: mean, low, high and the number of seeds of a quantity (see `log_interval`)."""
    interval = log_interval if log else mean_interval
    groups = frame.groupby(by, sort=True)[quantity]
    lines = [(*(key if isinstance(key, tuple) else (key,)), *interval(values)) for key, values in groups]
    return pd.DataFrame(lines, columns=[*by, *Interval._fields])


def paired(
    frame: pd.DataFrame, quantity: str, column: str, high: object, low: object, by: list[str], log: bool = True
) -> pd.DataFrame:
    """Return one line a group of `by`: a quantity at one value of a column against another, seed by seed.

    The ratio high / low with the interval of its logarithm; with `log=False` the difference high − low. A seed that
    lacks either of them is left out, and so is a group that has no such pair.

    Args:
        frame: one line for each seed, group and value of the column.
        quantity: positive where `log`.
        column: whose levels are compared.
        high: the level in the numerator, or from which is subtracted.
        low: the other level.
        by: the groups.
        log: whether a ratio is returned, else a difference.

    Returns:
        The columns `by`, then mean, low, high and the number of pairs (see `log_interval`, `mean_interval`).
    """
    sides = _sides(frame, quantity, column, high, low, by)
    effect = sides[high] / sides[low] if log else sides[high] - sides[low]
    return summarise(effect.rename("effect").reset_index(), "effect", by, log=log)


def paired_keys(frame: pd.DataFrame, quantity: str, column: str, high: object, low: object, by: list[str]) -> pd.Series:
    """Return the keys of the rows behind each line of `paired`, a tuple for each group of `by`."""
    pairs = _sides(frame, quantity, column, high, low, by).reset_index()[[*by, "seed"]]
    behind = frame[frame[column].isin([high, low])].merge(pairs, on=[*by, "seed"])
    return behind.groupby(by)["key"].agg(lambda keys: tuple(dict.fromkeys(keys)))


def _sides(frame: pd.DataFrame, quantity: str, column: str, high: object, low: object, by: list[str]) -> pd.DataFrame:
    """Return a quantity at two values of a column, a line for each group and seed that has both."""
    sides = frame[frame[column].isin([high, low])].pivot_table(index=[*by, "seed"], columns=column, values=quantity)
    return sides.reindex(columns=[high, low]).dropna()


def _t_interval(values: np.ndarray, level: float) -> tuple[float, float, float]:
    checks.within("(0, 1)", level=level)
    count = len(values)
    if count == 0:
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if count == 1:
        return mean, np.nan, np.nan
    if np.ptp(values) == 0:
        return mean, mean, mean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = stats.ttest_1samp(values, 0.0).confidence_interval(level)
    return mean, float(interval.low), float(interval.high)


def log_slopes(
    frame: pd.DataFrame,
    quantity: str,
    by: list[str],
    axis: str = "width",
    levels: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Return one line a group of `by` with the least-squares slope of log quantity on log axis, "slope".

    With RD in the place of the quantity, widths on the axis and the seed in `by` it is Luo et al.'s S_w, one a seed.

    Args:
        frame: the measurements; other levels of the axis than the named ones are left out.
        quantity: the column that is regressed.
        by: the columns of the groups.
        axis: the column that it is regressed on.
        levels: the levels of the axis that every slope is over; None: all that the frame has. A group that lacks one
            of them, or has no finite quantity there, has the slope NaN: it would be over another range.
    """
    levels = np.unique(frame[axis] if levels is None else levels)
    lines = []
    for key, group in frame[frame[axis].isin(levels)].groupby(by, sort=True):
        there = group[np.isfinite(group[quantity].astype(float)) & (group[quantity].astype(float) > 0)]
        slope = np.nan
        if there[axis].nunique() == len(levels) > 1:
            slope = np.polyfit(np.log(there[axis].astype(float)), np.log(there[quantity].astype(float)), 1)[0]
        lines.append((*(key if isinstance(key, tuple) else (key,)), slope))
    return pd.DataFrame(lines, columns=[*by, "slope"])


def slopes_by_seed(frame: pd.DataFrame, quantity: str, axis: str, log_axis: bool = True) -> np.ndarray:
    """Return the least-squares slope of log quantity on an axis or on its logarithm, one a seed, in their order.

    Unlike `log_slopes`, lines without the quantity are left out: all curves of a frame lack the same levels.
    """
    found = []
    for _, one in frame.dropna(subset=quantity).groupby("seed"):
        places = one[axis].astype(float)
        found.append(np.polyfit(np.log(places) if log_axis else places, np.log(one[quantity]), 1)[0])
    return np.array(found)


def crossing(places: np.ndarray | list[float], values: np.ndarray | list[float]) -> float:
    """Return where values first change their sign along increasing places, linear in between; NaN if nowhere.

    Raises:
        ValueError: the places do not increase, or are not as many as the values.
    """
    places, values = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    if places.shape != values.shape or (np.diff(places) <= 0).any():
        raise ValueError(f"places must increase and be as many as the values, got {places} and {len(values)} values.")
    for left in range(len(values) - 1):
        low, high = values[left], values[left + 1]
        if low == 0:
            return places[left]
        if low * high < 0:
            return places[left] + (places[left + 1] - places[left]) * low / (low - high)
    return places[-1] if len(values) and values[-1] == 0 else np.nan


class Change(NamedTuple):
    """What a quantity does along its widths; each step is a factor with its interval, None where there is no step.

    Attributes:
        narrowest, peak, widest: the widths at the ends and of the largest mean.
        up, down, whole: from the narrowest to the peak, from the peak to the widest, from end to end.
    """

    narrowest: int
    peak: int
    widest: int
    up: Interval | None
    down: Interval | None
    whole: Interval

    @property
    def hump(self) -> bool:
        """Whether it rises to an inner peak and falls from there, both beyond the spread of the seeds."""
        return bool(self.up and self.down and self.up.low > 1 and self.down.high < 1)


def shared(missing: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which levels and which seeds stay, such that every seed that stays has every level that stays.

    Levels with fewer than `least` seeds go. If fewer seeds have all that stay, the level that most seeds lack goes (of
    equals, the last), and so on; then seeds that lack a level go.

    Args:
        missing: one line a level, one column a seed.
        least: seeds.

    Source: lib/verdicts/register.yml, rule 5.
    """
    levels = (~missing).sum(axis=1) >= least
    while levels.any():
        seeds = ~missing[levels].any(axis=0)
        if seeds.sum() >= least:
            return levels, seeds
        lacking = np.where(levels, missing.sum(axis=1), -1)
        levels[len(lacking) - 1 - lacking[::-1].argmax()] = False
    return levels, np.zeros(missing.shape[1], dtype=bool)


def complete_curve(frame: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return a quantity of one curve with a line a seed and a column a width, none of them missing (see `shared`).

    Five seeds are enough to keep a width; of fewer, all must have it.
    """
    table = frame.pivot(index="seed", columns="width", values=quantity)
    widths, seeds = shared(table.isna().to_numpy().T, min(ENOUGH, len(table)))
    return table.loc[seeds, widths]


def rise_and_fall(frame: pd.DataFrame, quantity: str) -> Change:
    """Return the steps of a quantity up to the width of its largest mean and down from it, seed by seed.

    Args:
        frame: one line for each width and seed, of one curve; what is incomplete is left out as in `complete_curve`.
        quantity: a positive column.

    Raises:
        ValueError: fewer than two widths have the same seeds.
    """
    table = complete_curve(frame, quantity)
    if table.shape[1] < 2:
        raise ValueError(f"frame must have at least two widths with the same seeds, got {table.shape[1]}.")
    narrowest, widest = table.columns[0], table.columns[-1]
    peak = np.log(table).mean().idxmax()

    def step(low: int, high: int) -> Interval | None:
        return log_interval((table[high] / table[low]).to_numpy()) if low < high else None

    return Change(narrowest, peak, widest, step(narrowest, peak), step(peak, widest), step(narrowest, widest))
