"""The exact law at initialization against arithmetic, a plain simulation and the layer-by-layer sampler."""

import functools
import math
import random

import numpy as np
import pytest
import torch
from mpmath import mp, mpf
from scipy.stats import ks_2samp, spearmanr

from lib.initializers import Initializer, get
from lib.theory.initialization import (
    log_chi_constant,
    lower_bound_constant,
    mean_square_gain,
    mean_stability,
    rms_stability,
    sample_directional_derivative,
)

INITIALIZERS = ["lecun", "he", "ntk", "ntk-slides", "power-2", "gamma-1.2"]
CELLS = [(m, depth) for m in (16, 64) for depth in (2, 4, 10)]
D, OUT, DRAWS = 20, 3, 4000


@functools.cache
def simulate(m, depth):
    """Return {initializer: (‖Ju‖², ‖f(x)‖)} of 4,000 plain networks in float64, all weights drawn.

    The initializers share the standard normal weights, and β enters each layer where W = βZ does.
    """
    stream = torch.Generator().manual_seed(m * 100 + depth)
    betas = {name: get(name).betas(m, depth, D, OUT) for name in INITIALIZERS}
    sizes = [D, *[m] * (depth - 1), OUT]
    parts = {name: ([], []) for name in INITIALIZERS}
    for _ in range(DRAWS // 500):
        u = torch.randn(500, D, 1, generator=stream, dtype=torch.float64)
        x = torch.zeros(500, D, 1, dtype=torch.float64)
        x[:, 0] = 1
        pairs = {name: torch.cat([x, u / u.norm(dim=1, keepdim=True)], dim=2) for name in INITIALIZERS}
        for layer in range(depth):
            z = torch.randn(500, sizes[layer + 1], sizes[layer], generator=stream, dtype=torch.float64)
            for name in INITIALIZERS:
                pair = betas[name][layer] * (z @ pairs[name])
                pairs[name] = pair if layer == depth - 1 else pair * (pair[:, :, :1] >= 0)
        for name in INITIALIZERS:
            parts[name][0].append(pairs[name][:, :, 1].norm(dim=1) ** 2)
            parts[name][1].append(pairs[name][:, :, 0].norm(dim=1))
    return {name: tuple(torch.cat(part).numpy() for part in both) for name, both in parts.items()}


def assert_mean(values, expected, errors=4):
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert 0 < error < 0.2 * expected, "the sample cannot decide"
    assert abs(values.mean() - expected) < errors * error


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize(("m", "depth"), CELLS)
def test_a_plain_simulation_has_the_exact_mean_square(name, m, depth):
    squares, outputs = simulate(m, depth)[name]
    assert_mean(squares, mean_square_gain(m, depth, D, OUT, name))
    # f(x) = J(x)x: the output at ‖x‖ = 1 has the same mean square.
    assert_mean(outputs**2, mean_square_gain(m, depth, D, OUT, name))


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize(("m", "depth"), CELLS)
def test_the_sampler_has_the_exact_mean_square(name, m, depth):
    norms = sample_directional_derivative(m, depth, D, OUT, name, draws=DRAWS, seed=1)
    gain = mean_square_gain(m, depth, D, OUT, name)
    assert_mean(norms.derivative**2, gain)
    assert_mean(norms.output**2, gain)


@pytest.mark.parametrize(("m", "depth"), CELLS)
@pytest.mark.parametrize("name", ["he", "power-2"])
def test_the_sampler_has_the_law_of_the_plain_simulation(name, m, depth):
    squares, outputs = simulate(m, depth)[name]
    norms = sample_directional_derivative(m, depth, D, OUT, name, draws=DRAWS, seed=2)
    for plain, sampled in ((np.sqrt(squares), norms.derivative), (outputs, norms.output)):
        difference = plain.mean() - sampled.mean()
        error = math.hypot(plain.std(), sampled.std()) / math.sqrt(DRAWS)
        assert 0 < error < 0.05 * plain.mean()
        assert abs(difference) < 4 * error
        assert ks_2samp(plain, sampled).pvalue > 1e-4
    # The joint law: one network's two norms fluctuate together, all the more the deeper it is. Ranks, because a dead
    # network (both norms 0) would decide any other correlation.
    plain, sampled = spearmanr(squares, outputs).statistic, spearmanr(*norms).statistic
    assert abs(math.atanh(plain) - math.atanh(sampled)) < 4 * 1.03 * math.sqrt(2 / DRAWS)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_sampler_at_the_smallest_sizes_is_the_plain_network(d):
    # m = 1 and 2 die often, and at d = 1 the direction is ±x.
    m, depth, o, draws = 2, 3, 1, 20000
    stream = torch.Generator().manual_seed(d)
    sizes = [d, m, m, o]
    u = torch.randn(draws, d, 1, generator=stream, dtype=torch.float64)
    x = torch.zeros(draws, d, 1, dtype=torch.float64)
    x[:, 0] = 1
    pair = torch.cat([x, u / u.norm(dim=1, keepdim=True)], dim=2)
    for layer, beta in enumerate(get("he").betas(m, depth, d, o)):
        weight = torch.randn(draws, sizes[layer + 1], sizes[layer], generator=stream, dtype=torch.float64)
        pair = beta * (weight @ pair)
        if layer < depth - 1:
            pair = pair * (pair[:, :, :1] >= 0)
    plain, sampled = pair[:, 0].abs().T.numpy(), sample_directional_derivative(m, depth, d, o, "he", draws, seed=3)
    for index, norm in enumerate((sampled.output, sampled.derivative)):
        assert abs((plain[index] == 0).mean() - (norm == 0).mean()) < 4 * math.sqrt(2 * 0.25 / draws)
        assert ks_2samp(plain[index], norm).pvalue > 1e-4
    if d == 1:
        np.testing.assert_allclose(sampled.derivative, sampled.output, rtol=1e-12)


def test_first_moments_of_the_papers_grid():
    # P/ε under He at d = 784, o = 10, m = 16 for L = 2..10, from an independent Monte Carlo.
    for depth, expected in zip((2, 4, 6, 8, 10), (0.150, 0.138, 0.126, 0.116, 0.108), strict=True):
        norms = sample_directional_derivative(16, depth, 784, 10, "he", draws=100_000)
        assert 784 / 785 * norms.derivative.mean() == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(
    ("arguments", "gain"),
    [
        # (mβ_1²/2)(mβ²/2)^{L-2} · oβ_L², written out with numbers.
        ((16, 2, 784, 10, "he"), (16 / 784) * 10 * (2 / 16)),
        ((64, 4, 784, 10, "lecun"), (32 / 784) * 0.5**2 * 10 / 64),
        ((16, 3, 20, 3, "power-2"), (8 * 16**-4) ** 2 * 3 * 16**-4),
        ((1024, 10, 784, 10, "ntk"), 1.0),
        ((1024, 10, 784, 10, "ntk-slides"), 10.0),
        ((64, 5, 784, 10, "gamma-1.2"), (64 / 784) * 1.44**3 * 10 * (2 / 64)),
    ],
)
def test_by_hand(arguments, gain):
    assert mean_square_gain(*arguments) == pytest.approx(gain, rel=1e-12)
    d = arguments[2]
    assert rms_stability(*arguments) == pytest.approx(math.sqrt(d / (d + 2) * gain), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 6, 10])
@pytest.mark.parametrize("m", [1, 16, 16384])
def test_he_is_free_of_width_and_depth(m, depth):
    assert rms_stability(m, depth, 784, 10, "he") == pytest.approx(math.sqrt(20 / 786), rel=1e-12)
    expected = math.sqrt(10 / (2 * 786)) * (math.sqrt(2) / 2) ** (depth - 2)
    assert rms_stability(m, depth, 784, 10, "lecun") == pytest.approx(expected, rel=1e-12)


class Uneven(Initializer):
    """A β of its own for each layer, which the exact law allows."""

    def betas(self, width, depth, in_features, out_features):
        return (0.5, 0.1, 0.3, 0.7)[:depth]


def test_every_layer_may_have_its_own_variance():
    uneven = Uneven("uneven", lambda m, d, o: (1.0, 1.0, 1.0))
    gain = (8 * 0.25) * (8 * 0.01) * (8 * 0.09) * 3 * 0.49
    assert mean_square_gain(16, 4, 20, 3, uneven) == pytest.approx(gain, rel=1e-12)
    assert_mean(sample_directional_derivative(16, 4, 20, 3, uneven, draws=20000).derivative ** 2, gain)


def test_the_root_is_finite_where_the_square_is_not():
    depth = 2 + 3000
    assert mean_square_gain(16, depth, 784, 10, "gamma-1.2") == math.inf
    assert rms_stability(16, depth, 784, 10, "gamma-1.2") == pytest.approx(
        math.sqrt(20 / 786) * 10 ** (3000 * math.log10(1.2)), rel=1e-9
    )
    assert rms_stability(16, 10**5, 784, 10, "gamma-1.2") == math.inf


@pytest.mark.parametrize("d", [1, 2, 3, 784, 3072])
def test_lower_bound_constant(d):
    with mp.workdps(40):
        value = mp.gamma(mpf(d) / 2 + 1) / (mp.sqrt(mp.pi) * mp.gamma(mpf(d + 3) / 2))
    assert lower_bound_constant(d) == pytest.approx(float(value), rel=1e-10)


def test_lower_bound_constant_with_numbers():
    # d = 1: E|δ| on [-1, 1]; d = 2: the mean of |x| over the disc, 4/(3π).
    assert lower_bound_constant(1) == pytest.approx(1 / 2, rel=1e-12)
    assert lower_bound_constant(2) == pytest.approx(4 / (3 * math.pi), rel=1e-12)
    assert lower_bound_constant(784) == pytest.approx(0.02847, abs=5e-6)


def test_seeds_are_explicit_and_global_state_is_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = sample_directional_derivative(16, 4, D, OUT, "he", draws=50, seed=7)
    again = sample_directional_derivative(16, 4, D, OUT, "he", draws=50, seed=7)
    other = sample_directional_derivative(16, 4, D, OUT, "he", draws=50, seed=8)
    assert first.derivative.dtype == first.output.dtype == np.float64 and first.output.shape == (50,)
    assert (first.derivative == again.derivative).all() and (first.output == again.output).all()
    assert (first.derivative != other.derivative).all()
    assert torch.equal(before[0], torch.get_rng_state()) and random.getstate() == before[2]
    assert (before[1] == np.random.get_state()[1]).all()


def test_one_seed_gives_independent_cells_and_shared_gaussians_across_initializers():
    he, lecun = (sample_directional_derivative(64, 4, D, OUT, name, 2000, seed=7) for name in ("he", "lecun"))
    np.testing.assert_allclose(he.derivative, 4 * lecun.derivative, rtol=1e-12)
    deeper = sample_directional_derivative(64, 5, D, OUT, "he", 2000, seed=7)
    assert abs(np.corrcoef(he.derivative, deeper.derivative)[0, 1]) < 4 / math.sqrt(2000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2, 20, 3, "he"), "width must be an integer of at least 1, got 0"),
        ((16, 1, 20, 3, "he"), "depth must be an integer of at least 2, got 1"),
        ((16, 2, 0, 3, "he"), "in_features must be"),
        ((16, 2, 20, 0, "he"), "out_features must be"),
        ((16.5, 2, 20, 3, "he"), "width must be"),
        ((math.inf, 2, 20, 3, "he"), "width must be"),
        ((16, 2, 20, 3, "hee"), "initializer must be one of"),
    ],
)
def test_refuses_with_one_sentence(arguments, message):
    for function in (mean_square_gain, rms_stability, functools.partial(sample_directional_derivative, draws=1)):
        with pytest.raises(ValueError, match=message) as raised:
            function(*arguments)
        assert "\n" not in str(raised.value)


def test_the_sampler_and_the_constant_refuse_their_own_arguments():
    for draws, seed, message in ((0, 0, "draws must be"), (2.0, 0, "draws must be"), (1, -1, "seed must be")):
        with pytest.raises(ValueError, match=message):
            sample_directional_derivative(16, 2, 20, 3, "he", draws=draws, seed=seed)
    for d in (0, 1.0, math.nan):
        with pytest.raises(ValueError, match="in_features must be an integer of at least 1"):
            lower_bound_constant(d)


@pytest.mark.parametrize("name", ["lecun", "he", "ntk", "gamma-1.2"])
@pytest.mark.parametrize(("width", "depth"), [(1, 2), (3, 4), (16, 10)])
def test_the_mean_agrees_with_the_sampler(name, width, depth):
    d, o, draws = 20, 3, 200_000
    sample = d / (d + 1) * sample_directional_derivative(width, depth, d, o, name, draws, seed=5).derivative
    error = sample.std(ddof=1) / draws**0.5
    assert abs(sample.mean() - mean_stability(width, depth, d, o, name)) < 4 * error


def test_the_mean_by_hand_at_one_neuron():
    # m = 1, L = 2, o = 1: the gate is open half of the time, and then |Ju| = β_1 β_2 |z| |w|, E|z| = E|w| = √(2/π).
    d = 7
    beta = math.sqrt(2 / d) * math.sqrt(2)
    assert math.isclose(mean_stability(1, 2, d, 1, "he"), d / (d + 1) * beta * 0.5 * 2 / math.pi, rel_tol=1e-12)


def test_the_mean_tends_to_the_root_mean_square_times_chi():
    # Wide hidden layers lose their spread; what is left is that of the o outputs and of the radius.
    d, o = 50, 1
    ratio = mean_stability(2**14, 4, d, o, "he") / rms_stability(2**14, 4, d, o, "he")
    assert math.isclose(ratio, d / (d + 1) * math.sqrt(2 / math.pi) / math.sqrt(d / (d + 2)), rel_tol=1e-3)


def test_the_constant_of_a_layers_spread_tends_to_five():
    exact = [log_chi_constant(width) for width in (4, 64, 4096)]
    assert exact[1] > exact[2] > 5 and exact[2] == pytest.approx(5, rel=1e-3)
    gates = np.random.default_rng(0).binomial(4, 0.5, 400_000)
    squares = np.random.default_rng(1).chisquare(gates[gates > 0])
    assert 4 * np.log(squares).var() == pytest.approx(exact[0], rel=0.02)
