"""Every statistic on simulated curves: its size under the null, and its power where that is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lib.verdicts.decisions import Decision
from lib.verdicts.statistics import get

ALPHA, SEEDS, RUNS = 0.05, 5, 2000


def share_below(results: list, which: str = "p_for") -> float:
    return float(np.mean([getattr(result.decision, which) < ALPHA for result in results]))


def normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def power_of_t(shift: float, seeds: int = SEEDS) -> float:
    """The power of Student's one-sided test for a mean `shift` standard deviations beyond the center."""
    return float(stats.nct.sf(stats.t.isf(ALPHA, seeds - 1), seeds - 1, shift * np.sqrt(seeds)))


def test_t_has_its_size_on_both_sides_and_the_power_of_the_noncentral_t(rules, test_of, curves_of) -> None:
    noise = normal((RUNS, 1, SEEDS), 0)
    for alternative, sign in (("greater", 1), ("less", -1)):
        test = test_of("t", alternative=alternative, center=0.3, margin=0.5)
        at_center = get("t")(curves_of(0.3 + noise), test, rules[2])
        assert share_below(at_center) == pytest.approx(ALPHA, abs=0.015)
        at_margin = get("t")(curves_of(0.3 + sign * 0.5 + noise), test, rules[2])
        assert share_below(at_margin, "p_against") == pytest.approx(ALPHA, abs=0.015)
        beyond = get("t")(curves_of(0.3 + sign * 1.2 + noise), test, rules[2])
        assert share_below(beyond) == pytest.approx(power_of_t(1.2), abs=0.03)


def test_tost_has_at_most_its_size_at_both_ends(rules, test_of, curves_of) -> None:
    noise, test = 0.1 * normal((RUNS, 1, SEEDS), 1), test_of("tost", center=1.0, margin=0.25)
    for end in (0.75, 1.25):
        results = get("tost")(curves_of(end + noise), test, rules[2])
        assert share_below(results) <= 0.065
        assert share_below(results, "p_against") <= 0.065
    # Far from both ends the power is that of one of the two tests, twice: 2·power − 1 bounds it from below.
    inside = share_below(get("tost")(curves_of(1.0 + noise), test, rules[2]))
    assert 2 * power_of_t(2.5) - 1 - 0.03 <= inside <= power_of_t(2.5) + 0.03


@pytest.mark.parametrize("effect", ["slope", "change"])
def test_slopes_are_tested_like_their_seeds(rules, test_of, curves_of, effect: str) -> None:
    axis = np.array([4.0, 5.0, 7.0, 8.0])
    length = np.ptp(axis) if effect == "change" else 1.0
    noise = normal((RUNS, 4, SEEDS), 2)
    spread = length / np.sqrt(((axis - axis.mean()) ** 2).sum())  # of a seed's slope, cells of variance 1
    for planted, expected in ((0.0, ALPHA), (1.2 * spread, power_of_t(1.2))):
        stack = noise + (planted / length * axis)[:, None]
        results = get("t")(curves_of(stack, axis), test_of("t", effect=effect, axis="log2_width"), rules[2])
        assert share_below(results) == pytest.approx(expected, abs=0.03 if planted else 0.015)


def test_a_pool_has_intercepts_of_its_own(rules, test_of, curves_of) -> None:
    depth, axis = np.repeat([2, 4], 3), np.tile([1.0, 2.0, 3.0], 2)
    stack = (0.5 * axis + 100 * (depth == 4) * (1 + axis * 0))[None, :, None] + 1e-9 * normal((1, 6, SEEDS), 3)
    test = test_of("t", effect="slope", axis="log2_width", pool=("depth",))
    (result,) = get("t")(curves_of(stack, axis, depth=depth), test, rules[2])
    assert result.effect == pytest.approx(0.5)


def test_page_t_needs_the_order_and_the_change(rules, test_of, curves_of) -> None:
    axis, test = np.arange(4.0), test_of("page_t", effect="change", axis="log2_width", margin=0.5)
    flat = get("page_t")(curves_of(normal((300, 4, SEEDS), 4), axis), test, rules[2])
    assert share_below(flat) <= 0.065
    # So steep that every seed is ordered: only the t test can fail.
    steep = 1e-3 * normal((300, 4, SEEDS), 5) + (axis * 1.2e-3 / np.sqrt(5))[:, None] * 3
    ordered = get("page_t")(curves_of(steep, axis), test, rules[2])
    pages = [stats.page_trend_test(curve.matrix.T, method="exact").pvalue for curve in curves_of(steep, axis)[:50]]
    plain = get("t")(curves_of(steep, axis), test, rules[2])[:50]
    for page, one, both in zip(pages, plain, ordered, strict=False):
        assert both.decision.p_for == pytest.approx(max(page, one.decision.p_for))
        assert both.decision.p_against == one.decision.p_against


def test_kendalls_tau_stands_beside_pages_order(rules, test_of, curves_of) -> None:
    axis, stack = np.arange(4.0), normal((3, 4, SEEDS), 21)
    for levels in (4, 2):
        test = test_of("page_t", effect="change", axis="log2_width")
        for curve in curves_of(stack[:, :levels], axis[:levels]):
            (result,) = get("page_t")([curve], test, rules[2])
            own = [stats.kendalltau(axis[:levels], seed).statistic for seed in curve.matrix.T]
            assert result.tau == pytest.approx(np.mean(own))
    assert get("t")(curves_of(stack[:, :1]), test_of("t"), rules[2])[0].tau is None


@pytest.mark.slow
def test_an_inverted_u_is_neither_flat_nor_monotone(rules, test_of, curves_of) -> None:
    axis = np.arange(4.0, 9.0)
    test = test_of("inverted_u", effect="change", axis="log2_width", margin=0.2)
    noise = 0.1 * normal((120, 5, SEEDS), 6)
    shape = {"width": 2**axis, "depth": 2}
    for trend in (0 * axis, 0.1 * axis, -0.1 * axis):
        results = get("inverted_u")(curves_of(noise + trend[:, None], axis, **shape), test, rules[2])
        assert share_below(results) <= 0.065
    peak = -0.15 * (axis - 6) ** 2
    found = get("inverted_u")(curves_of(noise + peak[:, None], axis, **shape), test, rules[2])
    assert share_below(found) > 0.95
    assert np.mean([result.low <= 6 <= result.high for result in found]) > 0.95
    monotone = get("inverted_u")(curves_of(noise + 0.3 * axis[:, None], axis, **shape), test, rules[2])
    assert share_below(monotone, "p_against") > 0.95


def test_a_missing_fall_counts_only_where_the_grid_reaches_it(rules, test_of, curves_of) -> None:
    axis = np.arange(4.0, 9.0)
    test = test_of("inverted_u", effect="change", axis="log2_width", margin=0.2)
    rising = curves_of(0.3 * axis[:, None] + 0.05 * normal((1, 5, SEEDS), 7), axis, width=2**axis, depth=2)
    (whole,) = get("inverted_u")(rising, test, rules[2])
    assert whole.decision.outcome() == "contradicted"
    deep = curves_of(rising[0].matrix[None], axis, width=2**axis, depth=10)
    (cut_short,) = get("inverted_u")(deep, test, rules[2])
    assert cut_short.decision.outcome() == "inconclusive"


@pytest.mark.slow
def test_the_place_of_a_peak_is_found_with_its_exponent(rules, test_of, curves_of) -> None:
    log_m, levels = np.tile(np.arange(4.0, 12.0), 3), np.repeat(np.log2([4.0, 8.0, 16.0]), 8)
    test = test_of("argmax_tost", effect="slope", axis="log2_depth", center=2.0, margin=0.5)
    noise = 0.02 * normal((40, 24, SEEDS), 8)

    def results(exponent: float) -> list:
        peaks = 6 + exponent * (levels - 3)
        stack = -0.1 * (log_m - peaks)[:, None] ** 2 + noise
        return get("argmax_tost")(curves_of(stack, levels, width=2**log_m), test, rules[2])

    assert share_below(results(2.0)) > 0.95
    for end in (1.5, 2.5):  # the ends of center ± margin
        assert share_below(results(end)) <= 0.065
    assert share_below(results(0.0), "p_against") > 0.95
    (one, *_) = results(2.0)
    assert one.effect == pytest.approx(2.0, abs=0.3) and one.low <= one.effect <= one.high


def test_clopper_pearson_is_exact(rules, test_of, curves_of) -> None:
    test = test_of("clopper_pearson", transform="none", center=0.1)
    runs = 40
    stack = np.array([[[0.5] * k + [2.0] * (runs - k)] for k in range(runs + 1)])
    results = get("clopper_pearson")(curves_of(stack), test, rules[2])

    def share(failing: float) -> float:
        """The probability of support where a run fails with this probability."""
        weights = stats.binom.pmf(np.arange(runs + 1), runs, failing)
        return float(weights @ [result.decision.p_for < ALPHA for result in results])

    assert share(0.1) <= ALPHA
    least = max(k for k in range(runs + 1) if stats.binom.cdf(k, runs, 0.1) < ALPHA)
    assert share(0.01) == pytest.approx(stats.binom.cdf(least, runs, 0.01))
    interval = stats.binomtest(3, runs).proportion_ci(method="exact")
    assert (results[3].low, results[3].effect, results[3].high) == pytest.approx(
        (interval.low, 3 / runs, interval.high)
    )
    (none,) = get("clopper_pearson")(curves_of(np.full((1, 1, 5), np.nan)), test, rules[2])
    assert none.decision == Decision(1.0, 1.0)


@pytest.mark.slow
def test_eta_squared_has_its_size_and_the_power_of_the_noncentral_f(rules, test_of, curves_of) -> None:
    levels, test = 5, test_of("eta_squared", axis="log2_width", center=0.5)
    count, degrees = levels * SEEDS, (levels - 1, levels * SEEDS - levels)
    shape = np.linspace(-1, 1, levels)
    shape /= np.sqrt((SEEDS * shape**2).sum())

    def results(eta: float, seed: int) -> list:
        planted = np.sqrt(count * eta / (1 - eta)) * shape
        stack = normal((120, levels, SEEDS), seed) + planted[:, None]
        return get("eta_squared")(curves_of(stack, np.arange(levels)), test, rules[2])

    assert share_below(results(0.5, 9)) <= 0.065
    critical = stats.ncf.isf(ALPHA, *degrees, count * 0.5 / 0.5)
    expected = stats.ncf.sf(critical, *degrees, count * 0.75 / 0.25)
    planted = results(0.75, 10)
    assert share_below(planted) == pytest.approx(expected, abs=0.09)
    assert np.mean([one.low <= 0.75 <= one.high for one in planted]) == pytest.approx(0.95, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_correlations_have_their_size_and_find_what_is_planted(rules, test_of, curves_of, version: int) -> None:
    names = np.repeat(["he", "lecun"], 12)
    x, y = normal((500, 24, SEEDS), 11), normal((500, 24, SEEDS), 12)
    test = test_of("t", effect="spearman", versus="kappa", center=0.0)
    null = get("t")(curves_of(x, versus=y, initializer=names), test, rules[version])
    assert share_below(null) == pytest.approx(ALPHA, abs=0.015)
    strong = get("t")(curves_of(x, versus=x + 0.5 * y, initializer=names), test, rules[version])
    assert share_below(strong) > 0.99
    perfect = get("t")(curves_of(x[:1], versus=x[:1], initializer=names), test, rules[2])
    assert np.tanh(perfect[0].effect) == pytest.approx(0.999)


def test_pooled_and_within_correlations_can_have_opposite_signs(rules, test_of, curves_of) -> None:
    names = np.repeat(["he", "lecun"], 12)
    shift = 10.0 * (names == "he")[:, None]
    x, noise = normal((1, 24, SEEDS), 13), normal((1, 24, SEEDS), 14)
    curves = curves_of(x + shift, versus=x + 0.3 * noise - shift, initializer=names)
    test = test_of("t", effect="spearman", versus="kappa")
    (pooled,), (within,) = (get("t")(curves, test, rules[version]) for version in (1, 2))
    assert pooled.effect < 0 < within.effect


def test_a_crossing_is_found_at_its_place(rules, test_of, curves_of) -> None:
    levels, log_m = np.arange(5.0), np.log([10.0, 100.0, 1000.0])
    axis, widths = np.repeat(levels, 3), np.tile(np.exp(log_m), 5)
    test = test_of("tost", effect="crossing", axis="exponent", center=2.3, margin=0.25)
    slope = axis - 2.3
    stack = (slope * np.log(widths))[:, None] + 0.3 * normal((300, 15, SEEDS), 15)
    found = get("tost")(curves_of(stack, axis, width=widths), test, rules[2])
    assert np.mean([result.effect for result in found]) == pytest.approx(2.3, abs=0.02)
    moved = ((axis - 2.05) * np.log(widths))[:, None] + 0.1 * normal((300, 15, SEEDS), 16)
    assert share_below(get("tost")(curves_of(moved, axis, width=widths), test, rules[2])) <= 0.065


def test_a_crossing_is_missing_only_where_a_neighbour_is(rules, test_of, curves_of) -> None:
    axis, widths = np.repeat(np.arange(5.0), 2), np.tile([10.0, 100.0], 5)
    stack = np.repeat(((axis - 2.3) * np.log(widths))[None, :, None], 6, axis=2)
    stack[0, 0, 0] = np.nan  # level 0: far from the change
    stack[0, 6, 1] = np.nan  # level 3: beside it
    stack[0, :, 2] = np.log(widths)  # no change at all
    test = test_of("tost", effect="crossing", axis="exponent", center=2.3, margin=0.25)
    (result,) = get("tost")(curves_of(stack, axis, width=widths), test, rules[2])
    assert result.seeds == (0, 3, 4, 5)


def test_of_two_collapses_the_better_wins_if_it_describes_anything(rules, test_of, curves_of) -> None:
    width, depth = np.tile([16, 32, 64, 128, 256], 3), np.repeat([2, 6, 10], 5)
    cells = {"width": width, "depth": depth, "samples": 60_000, "dataset": "mnist"}
    parameters = width * 794 + width**2 * (depth - 2)
    test = test_of("t", effect="aic_difference")
    noise = 0.02 * normal((1, 15, SEEDS), 17)
    for variable, sign in ((parameters / 60_000, 1), (width / depth**3, -1)):
        curve = curves_of((0.1 * np.log(variable) ** 2)[:, None] + noise, **cells)
        (result,) = get("t")(curve, test, rules[2])
        assert np.sign(result.effect) == sign
        assert result.decision.outcome() == ("supported" if sign > 0 else "contradicted")
    (nothing,) = get("t")(curves_of(noise, **cells), test, rules[2])
    assert nothing.decision == Decision(1.0, 1.0)


def test_fewer_than_five_seeds_never_decide(rules, test_of, curves_of) -> None:
    stack = 10 + 1e-3 * normal((1, 5, SEEDS), 18) + np.arange(5.0)[:, None]
    stack[0, :, 0] = np.nan
    axis = np.arange(5.0)
    tests = [
        test_of("t", effect="slope", axis="log2_width"),
        test_of("tost", effect="slope", axis="log2_width", center=1.0, margin=0.5),
        test_of("page_t", effect="change", axis="log2_width"),
        test_of("inverted_u", effect="change", axis="log2_width", margin=0.1),
    ]
    for test in tests:
        (result,) = get(test.statistic)(curves_of(stack, axis, width=2**axis, depth=2), test, rules[2])
        assert result.decision.outcome() == "inconclusive"


def test_seeds_without_spread_are_on_the_side_of_their_value(rules, test_of, curves_of) -> None:
    same = curves_of(np.full((1, 1, SEEDS), 2.0))
    (above,) = get("t")(same, test_of("t", center=1.0), rules[2])
    (at,) = get("t")(same, test_of("t", center=2.0), rules[2])
    assert above.decision.p_for == 0 and at.decision.p_for == 1


def test_an_unknown_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match=r"statistic must be one of t, tost, .*got 'tt'"):
        get("tt")
