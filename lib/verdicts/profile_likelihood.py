"""Is a term of a sum needed? Its coefficient's profile likelihood, with log-normal errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float, Shaped

_RATIOS = np.concatenate([[0.0], np.logspace(-9, 6, 601)])


# Plateaus beside which Theorem 1's transition term is fitted: their column, and whether each depth has a scale.
PLATEAUS = {"one scale": ("T2", False), "a scale a depth": ("T2", True), "exact width": ("finite", True)}


class TwoTerms:
    """Fit P = a·T_1 + b·T_2 with a ≥ 0 and b > 0 to replicated measurements in cells.

    log P_cs = log(b_g (r T_1c + T_2c)) + u_c + e_cs for cell c and seed s, with r = a/b. The seeds' errors e have the
    variance σ² pooled within cells, and the misfits u of the cells one variance of their own, so that more seeds do
    not make a wrong shape right. The mean of a cell then has the variance v ≥ σ²/S, and up to a constant

        -2 log L(r) = n log v + RSS(r)/v,   v = max(RSS(r)/n, σ² · mean(1/S)),   n = cells - groups,

    where RSS(r) are the squares of the cells' mean logarithms about their fit, b_g profiled out.

    Args:
        log_P: log P, one row a cell and one column a seed; NaN where a seed is missing.
        first, second: T_1 ≥ 0 and T_2 > 0 of the cells.
        groups: a label a cell; each group has its own b (but one r). None: one b.

    Attributes:
        ratio, low, high: the estimate of r = a/b and the 95 % interval of its profile likelihood; 0 is the least r.
        statistic, p: the likelihood ratio of a = 0 and its p value; half the mass lies at 0, the edge of a ≥ 0.
        a, b: the coefficients, of each group in sorted order.
        cells, seeds: how many cells there are, and the fewest seeds of any.
        noise, misfit: standard deviations of a cell's mean log P, by the seeds alone and about the fit.

    Raises:
        ValueError: the shapes differ, a term is out of range, a cell is empty, T_1/T_2 is the same in all cells of
            each group, or no more cells than coefficients are there.

    Source: Self and Liang 1987 for the boundary.
    """

    def __init__(
        self,
        log_P: Float[np.ndarray, "cells seeds"],
        first: Float[np.ndarray, " cells"],
        second: Float[np.ndarray, " cells"],
        groups: Shaped[np.ndarray, " cells"] | None = None,
    ) -> None:
        log_P, first, second = (np.asarray(values, dtype=float) for values in (log_P, first, second))
        if log_P.ndim != 2 or not len(log_P) == len(first) == len(second):
            raise ValueError(
                f"log_P must have one row for each of the {len(first)} values of first and the {len(second)} of "
                f"second, got the shape {log_P.shape}."
            )
        for name, values, good in (("first", first, first >= 0), ("second", second, second > 0)):
            if not (good & np.isfinite(values)).all():
                raise ValueError(f"{name} must be finite and {'positive' if name == 'second' else 'at least 0'}.")
        log_P = np.where(np.isfinite(log_P), log_P, np.nan)
        counts = np.isfinite(log_P).sum(axis=1)
        if (counts == 0).any():
            raise ValueError("log_P must have a finite value in every row; leave empty cells out.")
        labels, self._groups = np.unique(np.zeros(len(first)) if groups is None else groups, return_inverse=True)
        self._first, self._second = first, second
        self._degrees = len(first) - len(labels)
        same = self._groups[:, None] == self._groups
        self._averages = same / same.sum(axis=0)
        spread = self._centre(first / second)
        if self._degrees < 2 or np.abs(spread).max() <= 1e-12 * np.abs(first / second).max():
            raise ValueError("first/second must vary within groups of cells, of which two more than groups are needed.")

        self._means = np.nanmean(log_P, axis=1)
        within = np.nansum((log_P - self._means[:, None]) ** 2) / max(1, (counts - 1).sum())
        self._floor = within * np.mean(1 / counts)
        self.cells, self.seeds = len(first), int(counts.min())
        self._fit()

    def deviance(self, ratio: float) -> float:
        """Return -2 log L(r) + 2 log L(r̂): 0 at the estimate, 3.84 at the ends of the 95 % interval."""
        return float(self._minus_two_log_likelihood(np.array([ratio]))[0] - self._least)

    def _centre(self, values: np.ndarray) -> np.ndarray:
        """Subtract from the cells, along the last axis, the means of their groups."""
        return values - values @ self._averages

    def _squares(self, ratios: np.ndarray) -> np.ndarray:
        fits = np.log(ratios[:, None] * self._first + self._second)
        return (self._centre(self._means - fits) ** 2).sum(axis=1)

    def _minus_two_log_likelihood(self, ratios: np.ndarray) -> np.ndarray:
        squares = self._squares(ratios)
        variance = np.maximum(squares / self._degrees, max(self._floor, 1e-300))
        return self._degrees * np.log(variance) + squares / variance

    def _fit(self) -> None:
        squares = self._squares(_RATIOS)
        best = int(np.argmin(squares))
        around = _RATIOS[max(best - 1, 0)], _RATIOS[min(best + 1, len(_RATIOS) - 1)]
        found = optimize.minimize_scalar(
            lambda ratio: self._squares(np.array([ratio]))[0], bounds=around, method="bounded", options={"xatol": 1e-14}
        )
        self.ratio = float(found.x) if best and found.fun < squares[best] else float(_RATIOS[best])
        self._least = float(self._minus_two_log_likelihood(np.array([self.ratio]))[0])
        self.statistic = self.deviance(0.0)
        self.p = float(stats.chi2.sf(self.statistic, 1) / 2) if self.statistic > 0 else 1.0
        limit = stats.chi2.ppf(0.95, 1)
        outside = self._minus_two_log_likelihood(_RATIOS) - self._least > limit
        below, above = _RATIOS[outside & (self.ratio > _RATIOS)], _RATIOS[outside & (self.ratio < _RATIOS)]
        self.low = self._crossing(below[-1], self.ratio, limit) if len(below) else 0.0
        self.high = self._crossing(self.ratio, above[0], limit) if len(above) else np.inf
        scales = self._means - np.log(self.ratio * self._first + self._second)
        self.b = np.exp(np.array([scales[self._groups == group].mean() for group in np.unique(self._groups)]))
        self.a = self.ratio * self.b
        self.noise, self.misfit = (
            self._floor**0.5,
            float(self._squares(np.array([self.ratio]))[0] / self._degrees) ** 0.5,
        )

    def _crossing(self, low: float, high: float, limit: float) -> float:
        return float(optimize.brentq(lambda ratio: self.deviance(ratio) - limit, low, high, xtol=1e-15, rtol=1e-12))


def fit_transition(table: pd.DataFrame, plateau: str) -> TwoTerms:
    """Fit the transition term of Theorem 1 beside a plateau to trainings of one moment.

    Args:
        table: one line a training, with the columns depth, width, seed, P, T1 and those of `PLATEAUS`.
        plateau: one of `PLATEAUS`.

    Raises:
        ValueError: as `TwoTerms`.
    """
    column, by_depth = PLATEAUS[plateau]
    cell = ["depth", "width"]
    logs = np.log(table.pivot_table(index=cell, columns="seed", values="P"))
    terms = table.groupby(cell)[["T1", column]].first()
    groups = logs.index.get_level_values("depth").to_numpy() if by_depth else None
    return TwoTerms(logs.to_numpy(), terms["T1"].to_numpy(), terms[column].to_numpy(), groups)
