"""The exact E√Q against the eigenvalue integral in its textbook form, done by mpmath."""

import math

import mpmath
import numpy as np
import pytest
import torch

from lib.estimators.expected_norm import ball_factor, expected_gaussian_norm


def reference(eigenvalues):
    """E√Q = (2√π)⁻¹ ∫₀^∞ (1 − Π(1 + 2λt)^(−1/2)) t^(−3/2) dt, split at every scale 1/λ of the integrand."""
    values = [mpmath.mpf(float(v)) for v in eigenvalues if v > 0]
    if not values:
        return 0.0

    def integrand(t):
        # 1 − Π(...) by expm1: for small t the difference itself would cancel.
        return -mpmath.expm1(-sum(mpmath.log1p(2 * v * t) for v in values) / 2) * t**-1.5

    with mpmath.workdps(20):
        # Below the first scale t = s², above the last one t = 1/s²: both ends become smooth.
        low, high = 1 / max(values), 1 / min(values)
        total = mpmath.quad(lambda s: 2 * s * integrand(s * s), [0, mpmath.sqrt(low)])
        total += mpmath.quad(lambda s: 2 * s**-3 * integrand(s**-2), [0, 1 / mpmath.sqrt(high)])
        if high > low:
            # In between the logarithm of t is the natural variable.
            pieces = max(2, math.ceil(mpmath.log(high / low) / 4))
            ends = mpmath.linspace(mpmath.log(low), mpmath.log(high), pieces + 1)
            total += mpmath.quad(lambda u: mpmath.exp(u) * integrand(mpmath.exp(u)), ends)
        return float(total / (2 * mpmath.sqrt(mpmath.pi)))


def spectrum(outputs, rank, seed):
    j = np.random.default_rng(seed).standard_normal((outputs, rank)) @ np.random.default_rng(seed + 1).standard_normal(
        (rank, 30)
    )
    return np.linalg.eigvalsh(j @ j.T).clip(min=0)[outputs - rank :]


def test_the_reference_knows_the_chi_law():
    # E‖z‖ of z in R^k is √2 Γ((k+1)/2)/Γ(k/2): the reference has to be right before it judges.
    for k in (1, 2, 5, 10):
        chi = math.sqrt(2) * math.gamma((k + 1) / 2) / math.gamma(k / 2)
        assert reference([4.0] * k) == pytest.approx(2 * chi, rel=1e-10)


@pytest.mark.parametrize("outputs", range(1, 11))
def test_random_jacobians(outputs):
    values = spectrum(outputs, outputs, seed=outputs)
    assert float(expected_gaussian_norm(torch.tensor(values))) == pytest.approx(reference(values), rel=1e-8)


@pytest.mark.parametrize(("outputs", "rank"), [(2, 1), (5, 1), (5, 3), (10, 2), (10, 9)])
def test_jacobians_of_deficient_rank(outputs, rank):
    values = np.concatenate([np.zeros(outputs - rank), spectrum(outputs, rank, seed=outputs)])
    assert float(expected_gaussian_norm(torch.tensor(values))) == pytest.approx(reference(values), rel=1e-8)


EXTREME = {
    "geometric, 12 decades": np.logspace(-12, 0, 10),
    "one large, nine tiny": np.array([1e-12] * 9 + [1.0]),
    "one tiny, nine large": np.array([1e-12] + [1.0] * 9),
    "two scales": np.array([1e-4] * 5 + [1.0] * 5),
    "nearly rank one": np.array([1e-3, 1.0]),
    "many equal": np.ones(10),
    "a hundred outputs": np.linspace(0.01, 1, 100),
}


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("name", EXTREME)
def test_extreme_spectra(name, scale):
    values = EXTREME[name]
    got = float(expected_gaussian_norm(torch.tensor(values * scale)))
    assert got == pytest.approx(math.sqrt(scale) * reference(values), rel=1e-8)


@pytest.mark.parametrize(("many", "small"), [(90, 0.04), (1000, 4e-3), (1000, 1e-2), (10_000, 4e-4)])
def test_one_large_eigenvalue_beside_a_long_tail(many, small):
    # Σ λ/(1 + 2λt) and Π (1 + 2λt) of two values are sums and products of two terms, by a fine rule in log t.
    u = np.linspace(-60, 60, 6001)
    t, total = np.exp(u), 1 + many * small
    large, tail = 1 / total, small / total
    product = np.exp(u / 2 - 0.5 * (np.log1p(2 * large * t) + many * np.log1p(2 * tail * t)))
    terms = large / (1 + 2 * large * t) + many * tail / (1 + 2 * tail * t)
    exact = math.sqrt(total / math.pi) * float((product * terms).sum()) * (u[1] - u[0])
    got = float(expected_gaussian_norm(torch.tensor([1.0] + [small] * many, dtype=torch.float64)))
    assert got == pytest.approx(exact, rel=1e-8)


def test_a_zero_spectrum_gives_zero_and_a_nan_gives_nan():
    values = torch.tensor([[0.0, 0.0], [math.nan, 1.0], [0.0, 1.0]])
    got = expected_gaussian_norm(values)
    assert got[0] == 0
    assert got[1].isnan()
    assert float(got[2]) == pytest.approx(math.sqrt(2 / math.pi), rel=1e-8)


@pytest.mark.parametrize("features", [1, 2, 3, 64, 784, 3072])
def test_the_ball_factor_is_the_mean_radius_over_the_mean_chi(features):
    with mpmath.workdps(30):
        d = mpmath.mpf(features)
        chi = mpmath.sqrt(2) * mpmath.gamma((d + 1) / 2) / mpmath.gamma(d / 2)
        assert ball_factor(features) == pytest.approx(float(d / (d + 1) / chi), rel=1e-11)
