"""The register's statistics by name: from curves to p values, each with its effect and interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from lib.trends import one_sided
from lib.verdicts.claims import Component, Register
from lib.verdicts.decisions import Decision, Result, beyond, equal
from lib.verdicts.effects import collapses, effects, slopes
from lib.verdicts.selection import Curve

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Sample = Float[np.ndarray, " seeds"]

# Coverage of the intervals that are shown.
_LEVEL = 0.95

Statistic = Callable[[Sequence[Curve], Component, Register], list[Result]]


def get(name: str) -> Statistic:
    """Return the statistic with a name of the register.

    Raises:
        ValueError: the register names a statistic that is not there.
    """
    if name not in STATISTICS:
        raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}, got {name!r}.")
    return STATISTICS[name]


def _least(register: Register) -> int:
    return register.vocabulary["minimum_seeds"]


def _results(curves: Sequence[Curve], samples: Sequence[Sample], decisions: Sequence[Decision]) -> list[Result]:
    found = []
    for curve, sample, decision in zip(curves, samples, decisions, strict=True):
        there = np.isfinite(sample)
        values = sample[there]
        mean = float(values.mean()) if len(values) else np.nan
        half = np.nan
        if len(values) > 1:
            half = _quantile(len(values)) * values.std(ddof=1) / np.sqrt(len(values))
        found.append(Result(decision, mean, float(mean - half), float(mean + half), tuple(curve.seeds[there].tolist())))
    return found


@lru_cache(maxsize=256)
def _quantile(seeds: int) -> float:
    return float(stats.t.ppf((1 + _LEVEL) / 2, seeds - 1))


def _t(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    samples = [effects(curve, test, register) for curve in curves]
    center, low, high = _on_effect_scale(test)
    margin = high - center if test.alternative == "greater" else center - low
    results = _results(curves, samples, beyond(samples, test.alternative, center, margin, _least(register)))
    if test.effect == "aic_difference":
        return [_if_described(*pair, register) for pair in zip(curves, results, strict=True)]
    return results


def _if_described(curve: Curve, result: Result, register: Register) -> Result:
    """Leave a comparison of two models open where the better one describes nothing (version 2)."""
    theory, rival = collapses(curve)
    better = rival if result.effect > 0 else theory
    if better.r_squared >= register.vocabulary.get("least_r_squared", -np.inf):
        return result
    return replace(result, decision=Decision(1.0, 1.0))


def _tost(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    samples = [effects(curve, test, register) for curve in curves]
    _, low, high = _on_effect_scale(test)
    return _results(curves, samples, equal(samples, (low + high) / 2, (high - low) / 2, _least(register)))


def _on_effect_scale(test: Component) -> tuple[float, float, float]:
    """Return center, center − margin and center + margin, of correlations as Fisher's z."""
    ends = np.array([test.center, test.center - test.margin.value, test.center + test.margin.value])
    return tuple((np.arctanh(ends) if test.effect == "spearman" else ends).tolist())


def _page_t(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    found = []
    for curve, result in zip(curves, _t(curves, test, register), strict=True):
        blocks = curve.matrix[:, np.isfinite(curve.matrix).all(axis=0)].T
        if len(blocks) >= _least(register):
            if blocks.shape[1] > 2:
                ordered = blocks if test.alternative == "greater" else blocks[:, ::-1]
                page = float(stats.page_trend_test(ordered, method="exact").pvalue)
                result = replace(result, decision=result.decision._replace(p_for=max(result.decision.p_for, page)))
            result = replace(result, tau=_tau(blocks))
        found.append(result)
    return found


def _tau(blocks: Float[np.ndarray, "seeds levels"]) -> float:
    """Return Kendall's τ between the levels and each seed's values, averaged over seeds."""
    first, second = np.triu_indices(blocks.shape[1], 1)
    return float(np.sign(blocks[:, second] - blocks[:, first]).mean())


def _clopper_pearson(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    found = []
    for curve in curves:
        runs = curve.matrix[np.isfinite(curve.matrix)]
        failures = int((runs <= 1).sum())
        seeds = tuple(curve.seeds[np.isfinite(curve.matrix).any(axis=0)].tolist())
        if not len(runs):
            found.append(Result(Decision(1.0, 1.0), np.nan, np.nan, np.nan, seeds))
            continue
        fewer, more = (
            float(stats.binomtest(failures, len(runs), test.center, alternative).pvalue)
            for alternative in ("less", "greater")
        )
        interval = stats.binomtest(failures, len(runs)).proportion_ci(_LEVEL, method="exact")
        found.append(Result(Decision(fewer, more), failures / len(runs), interval.low, interval.high, seeds))
    return found


def _eta_squared(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    found = []
    for curve in curves:
        groups = [row[np.isfinite(row)] for row in curve.matrix]
        count, cells = sum(map(len, groups)), len(groups)
        degrees = cells - 1, count - cells
        # With constant groups the ratio is infinite: width explains everything.
        with np.errstate(divide="ignore"):
            ratio = _f_ratio(groups)
        share = degrees[0] * ratio / (degrees[0] * ratio + degrees[1]) if np.isfinite(ratio) else 1.0

        def tail(eta: float, ratio=ratio, degrees=degrees, count=count) -> float:
            return float(stats.ncf.sf(ratio, *degrees, count * eta / (1 - eta)))

        def bound(level: float, tail=tail) -> float:
            if tail(0.0) >= level:
                return 0.0
            return float(optimize.brentq(lambda eta: tail(eta) - level, 0.0, 1 - 1e-6))

        p_for = tail(test.center)
        low, high = bound((1 - _LEVEL) / 2), bound((1 + _LEVEL) / 2)
        seeds = tuple(curve.seeds[np.isfinite(curve.matrix).any(axis=0)].tolist())
        found.append(Result(Decision(p_for, 1 - p_for), float(share), low, high, seeds))
    return found


def _f_ratio(groups: Sequence[Sample]) -> float:
    everything = np.concatenate(groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (len(everything) - len(groups))
    between = sum(len(g) * (g.mean() - everything.mean()) ** 2 for g in groups) / (len(groups) - 1)
    return float(between / within)


REDRAWS = 10_000
_TAILS = (2.5, 97.5)


def inverted_u(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    """Return for each curve whether it rises and then falls, with the argmax strictly inside its grid.

    For every inner level b, `left` and `right` are the fitted changes up to b and from b on.
    p_for = min(1, #b · min_b max(p(left > 0), p(right < 0))), and 1 unless the 95 % interval of the argmax lies inside.
    p_against = max_b 2·min(p(left < margin), p(right > −margin)); on a grid of widths that ends below 2 L³ only left
    counts, b runs to the last level and nothing is doubled.

    Source: lib/verdicts/register.yml, statistic inverted_u; Simonsohn 2018 for the two lines.
    """
    least = register.vocabulary["minimum_seeds"]
    parts = [_parts(curve) for curve in curves]
    margin = test.margin.value
    lefts = [left for lefts, _ in parts for left in lefts]
    rights = [right for _, rights in parts for right in rights]
    rises, _ = one_sided(lefts, 0.0, least)
    _, flats = one_sided(lefts, margin, least)
    _, falls = one_sided(rights, 0.0, least)
    levels, _ = one_sided(rights, -margin, least)
    found, at, to = [], 0, 0
    for curve, (own_lefts, own_rights) in zip(curves, parts, strict=True):
        n, k = len(own_lefts), len(own_rights)
        rise, flat = rises[at : at + n], flats[at : at + n]
        fall, level = falls[to : to + k], levels[to : to + k]
        at, to = at + n, to + k
        seeds = np.isfinite(curve.matrix).all(axis=0)
        if seeds.sum() < least:
            found.append(Result(Decision(np.nan, np.nan), np.nan, np.nan, np.nan, tuple(curve.seeds[seeds].tolist())))
            continue
        against = (
            float(flat.max()) if _cut_short(curve, test) else float(min(1.0, (2 * np.minimum(flat[:-1], level)).max()))
        )
        for_ = float(min(1.0, k * np.maximum(rise[:-1], fall).min()))
        places = curve.axis[_argmaxes(curve.matrix[:, seeds])]
        low, high = np.percentile(places, _TAILS)
        if not curve.axis[0] < low <= high < curve.axis[-1]:
            for_ = 1.0
        peak = float(curve.axis[curve.matrix[:, seeds].mean(axis=1).argmax()])
        found.append(Result(Decision(for_, against), peak, float(low), float(high), tuple(curve.seeds[seeds].tolist())))
    return found


def argmax_tost(curves: Sequence[Curve], test: Component, register: Register) -> list[Result]:
    """Return for each curve whether the place of the peak, regressed on the axis, has a slope in center ± margin.

    The argmax over log2 m of the mean curve of each level is regressed on the axis, in each of 10,000 redraws.
    p_for is the larger share of redraws at or beyond one end, p_against twice the smaller share on the inner side of an
    end plus one redraw, at least 1/10,001.

    Source: lib/verdicts/register.yml, statistic argmax_tost.
    """
    found = []
    for curve in curves:
        levels, places, peaks = curve.levels, [], []
        seeds = np.isfinite(curve.matrix).all(axis=0)
        for level in levels:
            rows = curve.axis == level
            log_m = np.log2(curve.factors["width"][rows])
            matrix = curve.matrix[np.ix_(rows, seeds)]
            places.append(log_m[_argmaxes(matrix)])
            peaks.append(log_m[matrix.mean(axis=1).argmax()])
        group = np.zeros(len(levels))
        drawn = slopes(np.array(places), levels, group)
        (slope,) = slopes(np.array(peaks)[:, None], levels, group)
        low, high = test.center - test.margin.value, test.center + test.margin.value
        for_ = max((drawn <= low).mean(), (drawn >= high).mean())
        inner = [(drawn > low).sum(), (drawn < high).sum()]
        against = min(1.0, 2 * (min(inner) + 1) / (REDRAWS + 1))
        ends = np.percentile(drawn, _TAILS).tolist()
        found.append(
            Result(Decision(float(for_), float(against)), float(slope), *ends, tuple(curve.seeds[seeds].tolist()))
        )
    return found


def _parts(curve: Curve) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the changes left of every inner level and of the last one, and right of every inner level."""
    axis, matrix = curve.axis, curve.matrix

    def change(part: slice) -> np.ndarray:
        return slopes(matrix[part], axis[part], np.zeros(len(axis[part]))) * np.ptp(axis[part])

    lefts = [change(slice(0, b + 1)) for b in range(1, len(axis))]
    rights = [change(slice(b, None)) for b in range(1, len(axis) - 1)]
    return lefts, rights


def _cut_short(curve: Curve, test: Component) -> bool:
    """Return whether the grid of widths ends below 2 L³, two steps above L³/2, so that a fall need not be on it."""
    if test.axis not in ("log2_width", "log_width"):
        return False
    return bool(curve.factors["width"].max() < 2 * curve.factors["depth"].max() ** 3)


@lru_cache(maxsize=32)
def _draws(pool: int, cells: int, seeds: int) -> Int[np.ndarray, "redraws cells seeds"]:
    """Return which residuals each redraw takes, the same for every curve of a shape."""
    return np.random.default_rng([pool, cells, seeds]).integers(0, pool, (REDRAWS, cells, seeds))


def _argmaxes(matrix: Float[np.ndarray, "cells seeds"]) -> Int[np.ndarray, " redraws"]:
    """Return the place of the largest mean in each redraw of the residuals about the cells' means."""
    cells, seeds = matrix.shape
    means = matrix.mean(axis=1)
    residuals = ((matrix - means[:, None]) * np.sqrt(seeds / (seeds - 1))).ravel()
    return (means + residuals[_draws(cells * seeds, cells, seeds)].mean(axis=2)).argmax(axis=1)


STATISTICS: dict[str, Statistic] = {
    "t": _t,
    "tost": _tost,
    "page_t": _page_t,
    "inverted_u": inverted_u,
    "argmax_tost": argmax_tost,
    "clopper_pearson": _clopper_pearson,
    "eta_squared": _eta_squared,
}
