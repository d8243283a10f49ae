"""Theorem 3 by hand, its algebra with sympy, and the bound that is proved beside it."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

from lib.estimators import perturbation_stability
from lib.networks import FCN
from lib.theory.early_training import (
    crossover_width,
    decay_exponents,
    growth_bound,
    growth_rate,
    guaranteed_time,
    stated_probability,
    theorem3,
    theorem3_terms,
)
from lib.theory.initialization import lower_bound_constant, rms_stability

m, n, c = sp.symbols("m n c", positive=True)
FACTOR = (sp.sqrt(n * sp.log(m)) + n) / m ** (c - 1)
FIRST, SECOND = FACTOR / sp.sqrt(n**3 * m), FACTOR / m ** (c - sp.Rational(1, 2))


@pytest.mark.parametrize(
    ("width", "samples", "exponent", "first", "second"),
    [
        (
            100,
            5,
            1.5,
            (math.sqrt(5 * math.log(100)) + 5) / 10 / math.sqrt(12500),
            (math.sqrt(5 * math.log(100)) + 5) / 1e3,
        ),
        (256, 4, 2.0, (math.sqrt(4 * math.log(256)) + 4) / 256 / 128, (math.sqrt(4 * math.log(256)) + 4) / 256 / 4096),
        (1, 9, 3.0, 9 / 27, 9.0),
    ],
)
def test_eq_4_by_hand(width, samples, exponent, first, second):
    terms = theorem3_terms(width, samples, exponent)
    assert terms.first == pytest.approx(first, rel=1e-12)
    assert terms.second == pytest.approx(second, rel=1e-12)
    assert theorem3(width, samples, exponent) == terms.first + terms.second


def test_eq_4_is_the_papers_formula():
    whole = sp.lambdify((m, n, c), FIRST + SECOND)
    for width, samples, exponent in [(400, 10, 1.5), (2**14, 20, 2.5), (7, 3, 0.7)]:
        assert theorem3(width, samples, exponent) == pytest.approx(float(whole(width, samples, exponent)), rel=1e-12)


def test_which_term_is_the_larger():
    assert sp.simplify(FIRST / SECOND - m ** (c - 1) / n ** sp.Rational(3, 2)) == 0
    # With m = n² the ratio is n^{2(c-1) - 3/2}: at least 1 from c = 7/4 on.
    at_square = sp.simplify(sp.log((m ** (c - 1) / n ** sp.Rational(3, 2)).subs(m, n**2)) / sp.log(n))
    assert sp.solve(sp.Eq(sp.simplify(sp.expand_log(at_square, force=True)), 0), c) == [sp.Rational(7, 4)]
    for samples, exponent in [(5, 1.5), (20, 2.0), (20, 3.0)]:
        width = crossover_width(samples, exponent)
        assert width == pytest.approx(samples ** (1.5 / (exponent - 1)))
        below, above = (
            theorem3_terms(math.floor(width), samples, exponent),
            theorem3_terms(math.ceil(width) + 1, samples, exponent),
        )
        assert below.first <= below.second * (1 + 1e-9) and above.first > above.second
    assert crossover_width(5, 1.0) == math.inf


@pytest.mark.parametrize("value", [sp.Rational(3, 2), sp.Integer(2), sp.Integer(3)])
def test_exponents_are_the_logarithmic_slopes(value):
    exponents = decay_exponents(float(value))
    for term, exponent in ((FIRST, exponents.first), (SECOND, exponents.second)):
        logs = sp.expand_log(sp.log(term.subs({c: value, n: 10})), force=True)
        assert sp.limit(m * sp.diff(logs, m), m, sp.oo) == pytest.approx(-exponent)
    # The exact law at initialization and the growth bound at a fixed time are pure powers of m.
    law = math.log(rms_stability(512, 2, 20, 1, f"power-{float(value):g}"))
    law -= math.log(rms_stability(256, 2, 20, 1, f"power-{float(value):g}"))
    assert law / math.log(2) == pytest.approx(-exponents.initialization)
    bound = math.log(growth_bound(512, 20, float(value), 3.0) / growth_bound(256, 20, float(value), 3.0))
    assert bound / math.log(2) == pytest.approx(-exponents.plateau)


def test_the_remark_keeps_the_smaller_term_and_the_slides_differ_from_both():
    assert (decay_exponents(2).second, decay_exponents(3).second) == (2.5, 4.5)
    assert (decay_exponents(2).first, decay_exponents(3).first) == (1.5, 2.5)
    assert decay_exponents(2).slides not in (1.5, 2.5)
    assert decay_exponents(3).slides == decay_exponents(3).second  # a coincidence: c + 1.5 = 2c - 1.5 at c = 3


def test_the_probability_is_vacuous_for_few_points():
    assert stated_probability(5) == pytest.approx(1 - 5 * math.exp(-2.5) - 0.6)
    assert stated_probability(5) < 0 < stated_probability(6)
    assert stated_probability(10**6) == pytest.approx(1, abs=1e-5)


def test_the_growth_bound_holds_at_initialization():
    for seed in range(5):
        network = FCN(64, 2, 6, 1, "power-1.5", replicas=20, seed=100 * seed, dtype=torch.float64)
        points = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        measured = perturbation_stability(network, torch.nn.functional.normalize(points)).mean()
        assert measured < growth_bound(64, 6, 1.5, 0.0)
    assert growth_bound(1, 1, 2.0, 0.0) == pytest.approx(lower_bound_constant(1))
    assert growth_bound(16, 3, 2.0, 1.5, 0.5) == pytest.approx(growth_bound(16, 3, 2.0, 0.0) * math.exp(1.5))


def test_the_guaranteed_time_is_where_the_bounds_meet():
    time = guaranteed_time(4096, 10, 20, 2.0, rate=0.7)
    assert growth_bound(4096, 20, 2.0, time, rate=0.7) == pytest.approx(theorem3(4096, 10, 2.0))
    assert guaranteed_time(1, 10, 10_000, 0.5) == 0.0
    # For large m it grows like (c - ½) log m / (2ρ), also where the bounds themselves leave a float's range.
    wide = [guaranteed_time(10**k, 10, 20, 60.0) for k in (20, 21)]
    assert np.diff(wide)[0] == pytest.approx(59.5 * math.log(10) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: theorem3(0, 5, 2.0), "width must be an integer of at least 1, got 0"),
        (lambda: theorem3(16.0, 5, 2.0), "width must be an integer"),
        (lambda: theorem3(16, 0, 2.0), "samples must be an integer"),
        (lambda: theorem3_terms(16, True, 2.0), "samples must be an integer"),
        (lambda: theorem3(16, 5, 0.0), "c must be positive and finite, got 0.0"),
        (lambda: theorem3(16, 5, math.nan), "c must be positive and finite, got nan"),
        (lambda: decay_exponents(-1.0), "c must be positive"),
        (lambda: decay_exponents("2"), "c must be positive"),
        (lambda: crossover_width(5, math.inf), "c must be positive"),
        (lambda: stated_probability(2.5), "samples must be an integer"),
        (lambda: growth_bound(16, 0, 2.0, 1.0), "in_features must be an integer"),
        (lambda: growth_bound(16, 5, 2.0, -1.0), "time must be at least 0"),
        (lambda: growth_bound(16, 5, 2.0, math.inf), "time must be at least 0 and finite"),
        (lambda: growth_bound(16, 5, 2.0, 1.0, rate=0.0), "rate must be positive"),
        (lambda: guaranteed_time(16, 5, 4, 2.0, rate=math.nan), "rate must be positive"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_the_growth_rate_of_one_point_is_its_target():
    # |y max(0, u·x)| is largest at u = x/‖x‖.
    x = np.array([[0.6, 0.8]])
    assert growth_rate(x, np.array([-3.0]), starts=20, steps=5) == pytest.approx(3)


def test_the_growth_rate_against_a_fine_circle():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 2)), np.array([1.0, -1.0, 1.0, -1.0])
    angle = np.linspace(0, 2 * np.pi, 20_001)
    u = np.column_stack([np.cos(angle), np.sin(angle)])
    by_hand = np.abs((np.maximum(0, u @ x.T) * y).mean(axis=1)).max()
    assert growth_rate(x, y) == pytest.approx(by_hand, rel=1e-5)
