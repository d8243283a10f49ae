"""The number that a seed gives for a curve: its level, slope, change, crossing, correlation or difference in fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from lib.theory.parameters import number_of_parameters
from lib.trends import Interval, crossing, mean_interval
from lib.verdicts.cells import SIZES
from lib.verdicts.claims import Component, Register
from lib.verdicts.selection import Curve

if TYPE_CHECKING:
    from jaxtyping import Float

    Effects = Float[np.ndarray, " seeds"]


def effects(curve: Curve, test: Component, register: Register) -> Effects:
    """Return the effect of each seed on a curve, NaN for a seed that lacks a measurement the effect needs.

    Source: lib/verdicts/register.yml, `effects`.
    """
    return EFFECTS[test.effect](curve, test, register)


def comparable(curve: Curve, test: Component) -> bool:
    """Return whether a curve has both sides of what the effect compares: the adjusted λ and the grid, or two widths."""
    if test.effect == "adjusted_gap":
        return len({bool(strength > 0) for strength in curve.factors["strength"]}) == 2
    return test.effect not in _OF_WIDTHS or len(set(curve.factors["width"])) > 1


_OF_WIDTHS = ("kendall", "interaction", "widest_gap", "reuse_gap")


def slopes(matrix: Float[np.ndarray, "cells seeds"], axis: Float[np.ndarray, " cells"], groups: np.ndarray) -> Effects:
    """Return each seed's least-squares slope on an axis, with an intercept for each group of cells."""
    same = groups[:, None] == groups
    averages = same / same.sum(axis=1, keepdims=True)
    x = axis - averages @ axis
    y = matrix - averages @ matrix
    return x @ y / (x @ x)


def _groups(curve: Curve, test: Component) -> np.ndarray:
    """Return a label for each cell, the same for cells that share an intercept."""
    if not test.pool:
        return np.zeros(len(curve.matrix), dtype=int)
    labels = list(zip(*(curve.factors[name] for name in test.pool), strict=True))
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    return np.array([numbers[label] for label in labels])


def _level(curve: Curve, test: Component, register: Register) -> Effects:
    (only,) = curve.matrix
    return only


def _slope(curve: Curve, test: Component, register: Register) -> Effects:
    return slopes(curve.matrix, curve.axis, _groups(curve, test))


def _change(curve: Curve, test: Component, register: Register) -> Effects:
    return _slope(curve, test, register) * np.ptp(curve.axis)


def level_slopes(curve: Curve) -> tuple[Float[np.ndarray, " levels"], Float[np.ndarray, "levels seeds"]]:
    """Return the levels of the axis and, at each of them, each seed's slope of the measurement on log m."""
    levels = curve.levels
    found = []
    for level in levels:
        cells = curve.axis == level
        log_m = np.log(curve.factors["width"][cells])
        found.append(slopes(curve.matrix[cells], log_m, np.zeros(len(log_m))))
    return levels, np.array(found)


def _crossing(curve: Curve, test: Component, register: Register) -> Effects:
    levels, by_level = level_slopes(curve)
    found = np.full(by_level.shape[1], np.nan)
    for seed, values in enumerate(by_level.T):
        there = np.flatnonzero(np.isfinite(values))
        signs = np.sign(values[there])
        change = np.flatnonzero(signs[:-1] * signs[1:] <= 0)
        if not len(change):
            continue
        left, right = there[change[0]], there[change[0] + 1]
        # A level that is missing beside the change would have said where it is.
        if right == left + 1:
            found[seed] = crossing(levels[[left, right]], values[[left, right]])
    return found


def _spearman(curve: Curve, test: Component, register: Register) -> Effects:
    """Fisher's z of the correlation of each seed: of all cells by version 1, of each initialization or pool by 2."""
    labels = _groups(curve, dataclasses.replace(test, pool=test.pool or ("initializer",)))
    groups = [labels == one for one in np.unique(labels)] if register.version > 1 else [labels == labels]
    largest = register.vocabulary.get("largest_correlation", 1.0)
    there = np.isfinite(curve.matrix) & np.isfinite(curve.versus)
    found = np.full(curve.matrix.shape[1], np.nan)
    complete = there.all(axis=0)
    if min(group.sum() for group in groups) > 2 and complete.any():
        # Logarithms keep ranks, so one side may be transformed and the other not.
        each = [
            _rank_correlations(curve.matrix[group][:, complete], curve.versus[group][:, complete]) for group in groups
        ]
        with np.errstate(divide="ignore"):
            found[complete] = np.arctanh(np.clip(each, -largest, largest)).mean(axis=0)
    return found


def pooled_correlation(curve: Curve, largest: float) -> Interval:
    """Return the mean over seeds of Fisher's z of the correlation over all cells at once, with its interval.

    It decides nothing: what initializations differ in passes for an association there (Simpson's paradox).

    Args:
        curve: of a test of correlations.
        largest: a correlation is clipped there.

    Source: lib/verdicts/register.yml, effect spearman.
    """
    complete = (np.isfinite(curve.matrix) & np.isfinite(curve.versus)).all(axis=0)
    found = _rank_correlations(curve.matrix[:, complete], curve.versus[:, complete])
    return mean_interval(np.arctanh(np.clip(found, -largest, largest)))


def _rank_correlations(x: Float[np.ndarray, "cells seeds"], y: Float[np.ndarray, "cells seeds"]) -> Effects:
    """Return Spearman's correlation of each seed: Pearson's of the ranks."""
    x, y = (ranks - ranks.mean(axis=0) for ranks in (stats.rankdata(x, axis=0), stats.rankdata(y, axis=0)))
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))


@dataclass(frozen=True)
class Collapse:
    """How well a curve in one variable, with an intercept for each (L, n), describes log P over widths.

    Attributes:
        aic: N log(RSS/N) of each seed; the terms in k are the same for every variable.
        r_squared: of the mean of log P over seeds, what the curve explains of what the intercepts leave.
    """

    aic: Effects
    r_squared: float


def collapses(curve: Curve) -> tuple[Collapse, Collapse]:
    """Return the fits of log P = intercept(L, n) + quadratic in log(m/L³), and with parameters/n in its place."""
    factors = curve.factors
    width, depth, samples = factors["width"], factors["depth"], factors["samples"]
    inputs, outputs = SIZES[str(factors["dataset"][0])]
    parameters = [number_of_parameters(m, int(L), inputs, outputs) for m, L in zip(width, depth, strict=True)]
    labels = list(zip(depth.tolist(), samples.tolist(), strict=True))
    intercepts = np.array([[float(label == one) for one in sorted(set(labels))] for label in labels])

    def fit(variable: np.ndarray) -> Collapse:
        powers = np.column_stack([np.log(variable), np.log(variable) ** 2])
        residuals = _residuals(np.column_stack([intercepts, powers]), curve.matrix)
        means = curve.matrix.mean(axis=1, keepdims=True)
        left = _residuals(np.column_stack([intercepts, powers]), means)
        total = _residuals(intercepts, means)
        aic = len(labels) * np.log((residuals**2).mean(axis=0))
        return Collapse(aic, float(1 - (left**2).sum() / (total**2).sum()))

    return fit(width / depth**3), fit(np.array(parameters) / samples)


def _residuals(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    return values - design @ (np.linalg.pinv(design) @ values)


def _aic_difference(curve: Curve, test: Component, register: Register) -> Effects:
    theory, rival = collapses(curve)
    return theory.aic - rival.aic


def _kendall(curve: Curve, test: Component, register: Register) -> Effects:
    """Kendall's τ_b of each seed, of each level of `pool`, averaged."""
    labels = _groups(curve, test)
    groups = [labels == one for one in np.unique(labels) if (labels == one).sum() > 1]
    pairs = list(zip(curve.matrix.T, curve.versus.T, strict=True))
    each = [[stats.kendalltau(x[group], y[group]).statistic for x, y in pairs] for group in groups]
    return np.mean(each, axis=0) if groups else np.full(len(pairs), np.nan)


def _r_squared(curve: Curve, test: Component, register: Register) -> Effects:
    x, y = (values - values.mean(axis=0) for values in (curve.versus, curve.matrix))
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=0) ** 2 / ((x**2).sum(axis=0) * (y**2).sum(axis=0))


def _interaction(curve: Curve, test: Component, register: Register) -> Effects:
    narrowest, widest = (_change(part, test, register) for part in _ends(curve))
    return widest - narrowest


def _chosen_change(curve: Curve, test: Component, register: Register) -> Effects:
    """The change over the axis of the log of the λ of the largest `versus`."""
    levels = curve.levels
    chosen = np.array([np.log(_strengths(_cells(curve, curve.axis == level))) for level in levels])
    return slopes(chosen, levels, np.zeros(len(levels))) * np.ptp(levels)


def _widest_gap(curve: Curve, test: Component, register: Register) -> Effects:
    width = curve.factors["width"]
    (widest,) = curve.matrix[width == width.max()]
    return widest - _chosen(_cells(curve, width < width.max()))


def _reuse_gap(curve: Curve, test: Component, register: Register) -> Effects:
    narrowest, widest = _ends(curve)
    return _at(widest, _strengths(narrowest)) - _chosen(widest)


def _adjusted_gap(curve: Curve, test: Component, register: Register) -> Effects:
    """What the adjusted training, which has no λ of its own, has more than the λ of the largest `versus`."""
    grid = curve.factors["strength"] > 0
    (adjusted,) = curve.matrix[~grid]
    return adjusted - _chosen(_cells(curve, grid))


def _cells(curve: Curve, stay: np.ndarray) -> Curve:
    """Return a curve of some of its cells."""
    return dataclasses.replace(
        curve,
        matrix=curve.matrix[stay],
        versus=None if curve.versus is None else curve.versus[stay],
        axis=None if curve.axis is None else curve.axis[stay],
        factors={name: values[stay] for name, values in curve.factors.items()},
        keys=curve.keys[stay],
    )


def _ends(curve: Curve) -> tuple[Curve, Curve]:
    """Return the cells of the narrowest and those of the widest networks."""
    width = curve.factors["width"]
    return _cells(curve, width == width.min()), _cells(curve, width == width.max())


def _chosen(curve: Curve) -> Effects:
    """Return each seed's measurement in the cell that `versus` chooses: of equals, the first."""
    return np.take_along_axis(curve.matrix, curve.versus.argmax(axis=0)[None], axis=0)[0]


def _strengths(curve: Curve) -> Effects:
    """Return each seed's λ of the cell that `versus` chooses."""
    return curve.factors["strength"][curve.versus.argmax(axis=0)]


def _at(curve: Curve, strengths: Effects) -> Effects:
    """Return each seed's measurement at its own λ; NaN where no cell has it."""
    there = curve.factors["strength"][:, None] == strengths
    return np.where(there.any(axis=0), np.where(there, curve.matrix, 0).sum(axis=0), np.nan)


EFFECTS: dict[str, Callable[[Curve, Component, Register], Effects]] = {
    "level": _level,
    "difference": _level,
    "step": _level,
    "slope": _slope,
    "change": _change,
    "slope_difference": _slope,
    "crossing": _crossing,
    "spearman": _spearman,
    "aic_difference": _aic_difference,
    "kendall": _kendall,
    "r_squared": _r_squared,
    "interaction": _interaction,
    "chosen_change": _chosen_change,
    "widest_gap": _widest_gap,
    "reuse_gap": _reuse_gap,
    "adjusted_gap": _adjusted_gap,
}
