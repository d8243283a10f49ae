"""The fit of two terms: what it recovers, its edge at a = 0, its interval, and the likelihood written out."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from lib.theory.bounds import theorem1_terms
from lib.verdicts.profile_likelihood import PLATEAUS, TwoTerms, fit_transition

CELLS = [(m, depth) for depth in (2, 4, 6, 8, 10) for m in (16, 32, 64, 128, 256)]
FIRST, SECOND = np.array([theorem1_terms(m, depth, 784, 10, "he") for m, depth in CELLS]).T
DEPTHS = np.array([depth for _, depth in CELLS])


def drawn(a, b, noise, seeds=5, misfit=0.0, seed=0):
    generator = np.random.default_rng(seed)
    means = np.log(a * FIRST + b * SECOND) + misfit * generator.standard_normal(len(FIRST))
    return means[:, None] + noise * generator.standard_normal((len(FIRST), seeds))


@pytest.mark.parametrize(("a", "b"), [(0.03, 1.4), (1.0, 1.0), (5.0, 0.2)])
def test_coefficients_are_recovered_without_noise(a, b):
    fit = TwoTerms(drawn(a, b, 0.0), FIRST, SECOND)
    assert fit.ratio == pytest.approx(a / b, rel=1e-5)
    assert fit.a[0] == pytest.approx(a, rel=1e-5)
    assert fit.b[0] == pytest.approx(b, rel=1e-5)
    assert fit.low == pytest.approx(a / b, rel=1e-4) == fit.high
    assert fit.p < 1e-10


def test_scales_of_groups_are_recovered():
    scales = np.array([0.3, 1.0, 2.0, 0.7, 5.0])[np.searchsorted([2, 4, 6, 8, 10], DEPTHS)]
    log_P = np.log(scales * (0.1 * FIRST + SECOND))[:, None]
    fit = TwoTerms(log_P, FIRST, SECOND, DEPTHS)
    assert fit.ratio == pytest.approx(0.1, rel=1e-5)
    assert fit.b == pytest.approx([0.3, 1.0, 2.0, 0.7, 5.0], rel=1e-5)
    assert fit.a == pytest.approx(0.1 * fit.b, rel=1e-12)


def test_a_dependence_against_the_first_term_is_the_edge():
    # P falls where T_1/T_2 rises: no a > 0 helps.
    fit = TwoTerms(np.log(SECOND / (1 + FIRST / SECOND))[:, None], FIRST, SECOND)
    assert (fit.ratio, fit.low, fit.p) == (0, 0, 1)
    assert fit.statistic == 0
    assert fit.deviance(0.1) > fit.deviance(0.01) > 0


def test_the_deviance_is_that_of_the_whole_likelihood():
    """Seeds with pooled variance and a misfit that exceeds it: maximise over b and v numerically."""
    log_P = drawn(0.05, 1.0, 0.1, misfit=0.2)
    fit = TwoTerms(log_P, FIRST, SECOND)
    means, count = log_P.mean(axis=1), len(FIRST) - 1

    def minus_two(ratio):
        def of(parameters):
            log_b, log_v = parameters
            squares = ((means - log_b - np.log(ratio * FIRST + SECOND)) ** 2).sum()
            return count * log_v + squares / math.exp(log_v)

        return optimize.minimize(of, [0.0, -2.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11}).fun

    for ratio in (0.0, 0.02, 0.3):
        assert fit.deviance(ratio) == pytest.approx(minus_two(ratio) - minus_two(fit.ratio), abs=1e-6)
    assert fit.deviance(fit.low) == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-6) == fit.deviance(fit.high)
    assert fit.statistic == fit.deviance(0.0)


def test_noise_is_that_of_the_seeds_where_there_is_no_misfit():
    fits = [TwoTerms(drawn(0.05, 1.0, 0.1, seed=seed), FIRST, SECOND) for seed in range(200)]
    assert np.mean([fit.noise for fit in fits]) == pytest.approx(0.1 / math.sqrt(5), rel=0.03)
    assert np.mean([fit.misfit for fit in fits]) == pytest.approx(0.1 / math.sqrt(5), rel=0.05)


@pytest.mark.parametrize("misfit", [0.0, 0.2])
def test_intervals_cover_and_the_edge_rejects_as_often_as_it_says(misfit):
    runs = 300
    fits = [TwoTerms(drawn(0.05, 1.0, 0.1, misfit=misfit, seed=seed), FIRST, SECOND) for seed in range(runs)]
    covered = np.mean([fit.low <= 0.05 <= fit.high for fit in fits])
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / runs))
    null = [TwoTerms(drawn(0.0, 1.0, 0.1, misfit=misfit, seed=seed), FIRST, SECOND) for seed in range(runs)]
    assert np.mean([fit.p < 0.05 for fit in null]) == pytest.approx(0.05, abs=4 * math.sqrt(0.95 * 0.05 / runs))
    assert np.mean([fit.ratio == 0 for fit in null]) == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / runs))


def test_units_do_not_matter_and_missing_seeds_are_left_out():
    log_P = drawn(0.05, 1.0, 0.1)
    fit, other = TwoTerms(log_P, FIRST, SECOND), TwoTerms(log_P + 3, 7 * FIRST, 7 * SECOND)
    assert (other.ratio, other.low, other.p) == pytest.approx((fit.ratio, fit.low, fit.p), rel=1e-5)
    assert other.b[0] == pytest.approx(fit.b[0] * math.exp(3) / 7, rel=1e-6)
    torn = log_P.copy()
    torn[3, 1:3], torn[7, 0] = np.nan, -np.inf
    fit = TwoTerms(torn, FIRST, SECOND)
    assert (fit.cells, fit.seeds) == (25, 3)
    assert fit.ratio == pytest.approx(TwoTerms(log_P, FIRST, SECOND).ratio, rel=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_P": np.zeros((3, 5))}, "log_P must have one row for each of the 25 values"),
        ({"log_P": np.zeros(25)}, "log_P must have one row"),
        ({"log_P": np.full((25, 5), np.nan)}, "log_P must have a finite value in every row"),
        ({"first": -FIRST}, "first must be finite and at least 0"),
        ({"second": 0 * SECOND}, "second must be finite and positive"),
        ({"first": np.full(25, math.inf)}, "first must be finite"),
        ({"first": 2 * SECOND}, "first/second must vary within groups"),
        ({"groups": np.arange(25)}, "first/second must vary within groups"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(change, message):
    arguments = {"log_P": drawn(0.05, 1.0, 0.1), "first": FIRST, "second": SECOND, "groups": None, **change}
    with pytest.raises(ValueError, match=message) as raised:
        TwoTerms(**arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("plateau", PLATEAUS)
def test_trainings_are_fitted_beside_each_plateau(plateau):
    seeds = pd.DataFrame(np.exp(drawn(0.1, 1.0, 0.02))).rename_axis("cell").reset_index().melt("cell", value_name="P")
    cells = pd.DataFrame(CELLS, columns=["width", "depth"]).assign(T1=FIRST, T2=SECOND, finite=SECOND)
    table = seeds.rename(columns={"variable": "seed"}).join(cells, on="cell")
    found = fit_transition(table.sample(frac=1, random_state=0), plateau)
    assert len(found.b) == (5 if PLATEAUS[plateau][1] else 1)
    assert found.low < 0.1 < found.high
