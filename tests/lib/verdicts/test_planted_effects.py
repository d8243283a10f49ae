"""The power of every statistic on a planted effect is that computed beforehand, by other means, to three points.

Where the power has no formula, it is that of a second implementation: vectorised, with redraws of its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from lib.verdicts.statistics import get

pytestmark = pytest.mark.slow

ALPHA, SEEDS, RUNS = 0.05, 8, 700


def normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def share(results: list) -> float:
    return float(np.mean([result.decision.p_for < ALPHA for result in results]))


def power_of_t(shift: float) -> float:
    """Of Student's one-sided test, for a mean `shift` standard deviations beyond the center."""
    return float(stats.nct.sf(stats.t.isf(ALPHA, SEEDS - 1), SEEDS - 1, shift * np.sqrt(SEEDS)))


def power_of_tost(shift: float, margin: float) -> float:
    """Of two one-sided tests for a mean `shift` from the center, in standard deviations; over the spread's χ law."""
    critical = stats.t.isf(ALPHA, SEEDS - 1)

    def given(spread: float) -> float:
        room = margin - critical * spread / np.sqrt(SEEDS)
        if room <= 0:
            return 0.0
        inside = stats.norm.cdf((room - shift) * np.sqrt(SEEDS)) - stats.norm.cdf((-room - shift) * np.sqrt(SEEDS))
        return inside * stats.chi.pdf(spread * np.sqrt(SEEDS - 1), SEEDS - 1) * np.sqrt(SEEDS - 1)

    return float(integrate.quad(given, 0, 5)[0])


def p_of_t(values: np.ndarray, alternative: str) -> np.ndarray:
    return stats.ttest_1samp(values, 0, axis=-1, alternative=alternative).pvalue


def changes(stack: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Least-squares changes over an axis, (runs, cells, seeds) -> (runs, seeds)."""
    x = axis - axis.mean()
    return np.einsum("c,rcs->rs", x, stack) / (x @ x) * np.ptp(axis)


def test_the_formula_for_two_tests_is_that_of_draws() -> None:
    draws = 0.4 + normal((40_000, SEEDS), 0)
    low, high = p_of_t(draws + 1.2, "greater"), p_of_t(draws - 1.2, "less")
    assert power_of_tost(0.4, 1.2) == pytest.approx(np.mean(np.maximum(low, high) < ALPHA), abs=0.01)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_tost(rules, test_of, curves_of, shift: float) -> None:
    results = get("tost")(curves_of(shift + normal((RUNS, 1, SEEDS), 1)), test_of("tost", margin=1.2), rules[2])
    assert share(results) == pytest.approx(power_of_tost(shift, 1.2), abs=0.03)


def test_page_t(rules, test_of, curves_of) -> None:
    axis, order = np.arange(4.0), np.arange(1, 5)

    def draw(runs: int, seed: int) -> np.ndarray:
        return 0.5 * axis[:, None] + normal((runs, 4, SEEDS), seed)

    # The smallest sum of ranks that Page's exact test calls an order, and then Student's test on the same draws.
    many = draw(20_000, 2)
    ranks = many.argsort(axis=1).argsort(axis=1) + 1
    L = np.einsum("c,rcs->r", order, ranks)
    least = next(value for value in np.unique(L) if _exact(ranks[value == L][0]) < ALPHA)
    beforehand = np.mean((least <= L) & (p_of_t(changes(many, axis), "greater") < ALPHA))
    assert 0.5 < beforehand < 0.95
    test = test_of("page_t", effect="change", axis="log2_width", margin=0.5)
    assert share(get("page_t")(curves_of(draw(RUNS, 3), axis), test, rules[2])) == pytest.approx(beforehand, abs=0.03)


def _exact(ranks: np.ndarray) -> float:
    return float(stats.page_trend_test(ranks.T.astype(float), method="exact").pvalue)


def test_inverted_u(rules, test_of, curves_of) -> None:
    axis, spread = np.arange(5.0), 1.15

    def draw(runs: int, seed: int) -> np.ndarray:
        return -0.5 * (axis[:, None] - 2) ** 2 + spread * normal((runs, 5, SEEDS), seed)

    def supports(stack: np.ndarray, seed: int) -> np.ndarray:
        inner = range(1, 4)
        sides = [
            np.maximum(
                p_of_t(changes(stack[:, : b + 1], axis[: b + 1]), "greater"),
                p_of_t(changes(stack[:, b:], axis[b:]), "less"),
            )
            for b in inner
        ]
        found = len(inner) * np.min(sides, axis=0) < ALPHA
        return found & np.array([_inside(matrix, seed + i) for i, matrix in enumerate(stack)])

    beforehand = supports(draw(1200, 4), 100).mean()
    assert 0.5 < beforehand < 0.95
    test = test_of("inverted_u", effect="change", axis="log2_width", margin=0.2)
    results = get("inverted_u")(curves_of(draw(500, 5), axis, width=2**axis, depth=2), test, rules[2])
    assert share(results) == pytest.approx(beforehand, abs=0.03)


def _redrawn(matrix: np.ndarray, seed: int, redraws: int) -> np.ndarray:
    """Means of redraws of the residuals, (redraws, cells)."""
    residuals = (matrix - matrix.mean(axis=1, keepdims=True)) * np.sqrt(SEEDS / (SEEDS - 1))
    drawn = np.random.default_rng(seed).choice(residuals.ravel(), (redraws, *matrix.shape))
    return matrix.mean(axis=1) + drawn.mean(axis=2)


def _inside(matrix: np.ndarray, seed: int) -> bool:
    low, high = np.percentile(_redrawn(matrix, seed, 300).argmax(axis=1), [2.5, 97.5])
    return low > 0 and high < len(matrix) - 1


def test_argmax_tost(rules, test_of, curves_of) -> None:
    log_m, levels = np.tile(np.arange(4.0, 12.0), 3), np.repeat(np.log2([4.0, 8.0, 16.0]), 8)
    peaks = 6 + 2 * (levels - 3)

    def draw(runs: int, seed: int) -> np.ndarray:
        return -0.1 * (log_m - peaks)[:, None] ** 2 + 0.075 * normal((runs, 24, SEEDS), seed)

    def supports(matrix: np.ndarray, seed: int) -> bool:
        x = np.unique(levels) - np.unique(levels).mean()
        places = [
            np.arange(4.0, 12.0)[_redrawn(matrix[levels == level], seed + i, 400).argmax(axis=1)]
            for i, level in enumerate(np.unique(levels))
        ]
        slopes = x @ np.array(places) / (x @ x)
        return max((slopes <= 1.5).mean(), (slopes >= 2.5).mean()) < ALPHA

    stack = draw(150, 6)
    # On the same draws, so that two estimates of one power differ by the redraws alone.
    beforehand = np.mean([supports(matrix, 10 * i) for i, matrix in enumerate(stack)])
    assert 0.3 < beforehand < 0.95
    test = test_of("argmax_tost", effect="slope", axis="log2_depth", center=2.0, margin=0.5)
    results = get("argmax_tost")(curves_of(stack, levels, width=2**log_m), test, rules[2])
    assert share(results) == pytest.approx(beforehand, abs=0.03)


def test_eta_squared(rules, test_of, curves_of) -> None:
    levels, eta = 5, 0.75
    count, degrees = levels * SEEDS, (levels - 1, levels * SEEDS - levels)
    shape = np.linspace(-1, 1, levels) / np.sqrt((SEEDS * np.linspace(-1, 1, levels) ** 2).sum())
    stack = normal((4000, levels, SEEDS), 7) + (np.sqrt(count * eta / (1 - eta)) * shape)[:, None]
    critical = stats.ncf.isf(ALPHA, *degrees, count)  # η² = 0.5 has the noncentrality of the count
    beforehand = stats.ncf.sf(critical, *degrees, count * eta / (1 - eta))
    ratios = stats.f_oneway(*np.moveaxis(stack, 1, 0), axis=1).statistic
    assert np.mean(ratios > critical) == pytest.approx(beforehand, abs=0.03)
    # The statistic supports exactly where the F ratio is beyond; the nearest ratios show it.
    near = np.argsort(np.abs(ratios - critical))[:40]
    results = get("eta_squared")(
        curves_of(stack[near], np.arange(levels)), test_of("eta_squared", axis="log2_width", center=0.5), rules[2]
    )
    assert [result.decision.p_for < ALPHA for result in results] == (ratios[near] > critical).tolist()


def test_correlations(rules, test_of, curves_of) -> None:
    names = np.repeat(["he", "lecun"], 12)

    def draw(runs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        x = normal((runs, 24, SEEDS), seed)
        return x, 0.2 * x + normal((runs, 24, SEEDS), seed + 1)

    x, y = draw(4000, 8)
    ranks = [[side[:, part].argsort(axis=1).argsort(axis=1) for side in (x, y)] for part in (slice(12), slice(12, 24))]
    # Without ties: 1 − 6 Σ d² / (k (k² − 1)).
    z = np.mean([np.arctanh(1 - 6 * ((a - b) ** 2).sum(axis=1) / (12 * 143)) for a, b in ranks], axis=0)
    beforehand = power_of_t(z.mean() / z.std())
    assert 0.3 < beforehand < 0.95
    x, y = draw(RUNS, 10)
    results = get("t")(
        curves_of(x, versus=y, initializer=names), test_of("t", effect="spearman", versus="kappa"), rules[2]
    )
    assert share(results) == pytest.approx(beforehand, abs=0.03)


def test_crossings(rules, test_of, curves_of) -> None:
    levels, log_m = np.arange(5.0), np.log([10.0, 100.0, 1000.0])
    axis, x = np.repeat(levels, 3), log_m - log_m.mean()

    def draw(runs: int, seed: int) -> np.ndarray:
        return ((axis - 2.3) * np.tile(log_m, 5))[:, None] + 0.2 * normal((runs, 15, SEEDS), seed)

    slopes = np.einsum("m,rlms->rls", x, draw(4000, 12).reshape(4000, 5, 3, SEEDS)) / (x @ x)
    assert (slopes[:, 2] < 0).all() and (slopes[:, 3] > 0).all()  # the change of sign is between 2 and 3
    places = 2 + slopes[:, 2] / (slopes[:, 2] - slopes[:, 3])
    margin = 0.05
    beforehand = power_of_tost((places.mean() - 2.3) / places.std(), margin / places.std())
    assert 0.3 < beforehand < 0.98
    test = test_of("tost", effect="crossing", axis="exponent", center=2.3, margin=margin)
    results = get("tost")(curves_of(draw(RUNS, 13), axis, width=np.tile(np.exp(log_m), 5)), test, rules[2])
    assert share(results) == pytest.approx(beforehand, abs=0.03)


def test_collapses(rules, test_of, curves_of) -> None:
    width, depth = np.tile([16.0, 32, 64, 128, 256], 3), np.repeat([2.0, 6, 10], 5)
    parameters = width * 794 + width**2 * (depth - 2)

    def designs() -> list[np.ndarray]:
        intercepts = (depth[:, None] == [2, 6, 10]).astype(float)
        return [
            np.column_stack([intercepts, np.log(v), np.log(v) ** 2]) for v in (width / depth**3, parameters / 60_000)
        ]

    def draw(runs: int, seed: int) -> np.ndarray:
        return 0.05 * np.log(parameters / 60_000)[:, None] ** 2 + 0.17 * normal((runs, 15, SEEDS), seed)

    stack = draw(RUNS, 14)
    squares = []
    for design in designs():
        hat = design @ np.linalg.pinv(design)
        squares.append(((stack - np.einsum("ij,rjs->ris", hat, stack)) ** 2).mean(axis=1))
    effect = 15 * (np.log(squares[0]) - np.log(squares[1]))
    described = _explained(stack, designs()[1], (depth[:, None] == [2, 6, 10]).astype(float)) >= 0.5
    beforehand = np.mean((p_of_t(effect, "greater") < ALPHA) & described)
    assert 0.2 < beforehand < 0.95
    cells = {"width": width, "depth": depth, "samples": 60_000, "dataset": "mnist"}
    results = get("t")(curves_of(stack, **cells), test_of("t", effect="aic_difference"), rules[2])
    assert share(results) == pytest.approx(beforehand, abs=0.03)


def _explained(stack: np.ndarray, design: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """R² of the seeds' mean, of what the intercepts leave."""
    means = stack.mean(axis=2)

    def left(matrix: np.ndarray) -> np.ndarray:
        return ((means - means @ (matrix @ np.linalg.pinv(matrix)).T) ** 2).sum(axis=1)

    return 1 - left(design) / left(intercepts)
