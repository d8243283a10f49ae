"""What seeds say: means with Student t intervals over replicates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats


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
        values: one value a seed, S of them; NaN is left out.
        level: coverage in (0, 1).

    Raises:
        ValueError: a value is not positive, or the level is not in (0, 1).

    Used by: every chapter with trained networks.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if (values <= 0).any():
        raise ValueError(f"values must be positive to take their logarithm, got {values[values <= 0][0]}.")
    return Interval(*(np.exp(part) for part in _t_interval(np.log(values), level)), len(values))


def mean_interval(values: np.ndarray | list[float], level: float = 0.95) -> Interval:
    """Return the mean of values, one a seed (NaN is left out), with its Student t interval.

    Raises:
        ValueError: the level is not in (0, 1).

    Used by: every chapter with trained networks, for accuracies and losses.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    return Interval(*_t_interval(values, level), len(values))


def p_above(values: np.ndarray | list[float], center: float = 0.0) -> float:
    """Return Student's one-sided p value against "the mean over seeds is at most `center`"; NaN below two seeds.

    For "at least `center`" take the values and the center with the opposite sign. NaN values are left out.

    Used by: chapter 04, lib.decisions.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return np.nan
    error = values.std(ddof=1) / np.sqrt(len(values))
    if error == 0:
        return float(values[0] <= center)
    return float(stats.t.sf((values.mean() - center) / error, len(values) - 1))


def summarise(frame: pd.DataFrame, quantity: str, by: list[str], log: bool = True) -> pd.DataFrame:
    """Return one line a group of `by`: mean, low, high and the number of seeds of a quantity (see `log_interval`)."""
    interval = log_interval if log else mean_interval
    groups = frame.groupby(by, sort=True)[quantity]
    lines = [(*(key if isinstance(key, tuple) else (key,)), *interval(values)) for key, values in groups]
    return pd.DataFrame(lines, columns=[*by, *Interval._fields])


def _t_interval(values: np.ndarray, level: float) -> tuple[float, float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level!r}.")
    count = len(values)
    if count == 0:
        return np.nan, np.nan, np.nan
    mean = values.mean()
    if count == 1:
        return mean, np.nan, np.nan
    half = stats.t.ppf((1 + level) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count)
    return mean, mean - half, mean + half


def log_slopes(frame: pd.DataFrame, quantity: str, by: list[str], axis: str = "width") -> pd.DataFrame:
    """Return one line a group of `by` with the least-squares slope of log quantity on log axis, "slope".

    With RD in the place of the quantity, widths on the axis and the seed in `by` it is Luo et al.'s S_w, one a seed.
    A group that lacks one of the axis' values in the frame, or has an undefined quantity, is left out: its slope
    would be over another range.

    Used by: chapter 06.
    """
    levels = frame[axis].nunique()
    lines = []
    for key, group in frame.dropna(subset=[quantity]).groupby(by, sort=True):
        if group[axis].nunique() == levels > 1:
            slope = np.polyfit(np.log(group[axis].astype(float)), np.log(group[quantity].astype(float)), 1)[0]
            lines.append((*(key if isinstance(key, tuple) else (key,)), slope))
    return pd.DataFrame(lines, columns=[*by, "slope"])


def crossing(places: np.ndarray | list[float], values: np.ndarray | list[float]) -> float:
    """Return where values first change their sign along increasing places, linear in between; NaN if nowhere.

    Raises:
        ValueError: the places do not increase, or are not as many as the values.

    Used by: chapter 06.
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
