"""The identities that decide the errata of chapter 16, checked by numbers and mpmath, without symbols."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from mpmath import mp, mpf
from scipy import integrate

from lib.estimators import perturbation_stability
from lib.networks import FCN
from lib.theory.bounds import huang2021, theorem1, wu2021, wu2021_applies
from lib.theory.initialization import lower_bound_constant, rms_stability

GRID = [2**k for k in range(4, 15)]
DEPTHS = [2, 4, 6, 8, 10]


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(60):
        yield


def eq_4(m, n, c):
    """Return Theorem 3's bound, Eq. (4), as the paper prints it."""
    m, n, c = mpf(m), mpf(n), mpf(c)
    return (mp.sqrt(n * mp.log(m)) + n) / m ** (c - 1) * (1 / mp.sqrt(n**3 * m) + 1 / m ** (c - mpf("0.5")))


@pytest.mark.parametrize("c", [1.5, 1.75, 2, 3])
def test_eq_4_falls_like_its_larger_term_and_not_like_the_remark(c):
    # Far enough out that log m no longer matters: m = 10^4000 to 10^8000 at n = 20.
    power = mp.log(eq_4(mpf(10) ** 4000, 20, c) / eq_4(mpf(10) ** 8000, 20, c), 10) / 4000
    assert power == pytest.approx(c - 0.5, abs=1e-3)
    assert abs(power - (2 * c - 1.5)) > 0.4


@pytest.mark.parametrize(("m", "n"), [(400, 20), (10**6, 1000), (10**12, 10)])
def test_the_larger_term_is_larger_from_seven_quarters_on(m, n):
    for c, least in ((1.75, 1), (2, mp.sqrt(n))):
        larger, smaller = 1 / mp.sqrt(mpf(n) ** 3 * m), 1 / mpf(m) ** (mpf(c) - mpf("0.5"))
        assert larger >= smaller * least * (1 - mpf(10) ** -40)
    # Below it the remark's term can be the larger one, on the edge m = n² of the theorem.
    edge = mpf(n) ** 2
    assert 1 / mp.sqrt(mpf(n) ** 3 * edge) < 1 / edge ** mpf(1.2)


def test_the_slides_fall_faster_than_the_exact_law_at_the_start_below_two():
    def start_over_slides(m, c):
        return rms_stability(m, 2, 784, 1, f"power-{c}") / (20 * m ** -(c + 1.5))

    assert start_over_slides(2**60, 1.6) > 100 * start_over_slides(2**40, 1.6)
    assert start_over_slides(2**60, 2) == pytest.approx(start_over_slides(2**40, 2), rel=1e-9)
    assert start_over_slides(2**60, 2.5) < start_over_slides(2**40, 2.5) / 100


def test_theorem_3_says_nothing_below_six_points():
    def probability(n):
        return 1 - n * math.exp(-n / 2) - 3 / n

    assert all(probability(n) < 0 for n in range(1, 6))
    assert all(probability(n) > 0 for n in range(6, 200))


def test_theorem_2_is_three_plus_the_imbalance_in_luos_plane():
    generator = np.random.default_rng(0)
    for a, b, s in generator.uniform(-2, 4, (500, 3)):
        gamma, gamma_prime = a + b + s, b - a
        # log_m of α and of (m^{3/2} (m^-a + m^-b))²: the larger summand counts.
        by_theorem_2 = s > 2 * (1.5 - min(a, b))
        assert by_theorem_2 == (gamma > 3 + abs(gamma_prime))
        if by_theorem_2:
            assert gamma > 1 and gamma_prime < gamma - 1


@pytest.mark.parametrize(("depth", "width", "scale"), [(2, 6, 0.1), (3, 5, 0.15), (4, 4, 0.2)])
def test_balanced_layers_must_move(depth, width, scale):
    # The gradient flow of a tiny network by scipy, against the lower bound on every layer and on its movement.
    generator = np.random.default_rng(depth)
    sizes = [2, *[width] * (depth - 1), 1]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    start = [scale * np.abs(generator.standard_normal(shape)) for shape in shapes]
    x = np.array([[0.6, 0.8], [1.0, 0.0], [0.8, 0.6]])
    y = np.array([1.0, 0.8, 0.9])

    def split(flat):
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]

    def output_and_gradient(flat):
        weights = [torch.tensor(w, requires_grad=True) for w in split(flat)]
        h = torch.tensor(x)
        for weight in weights[:-1]:
            h = torch.relu(h @ weight.T)
        f = (h @ weights[-1].T)[:, 0]
        gradients = torch.autograd.grad(((f - torch.tensor(y)) ** 2).mean() / 2, weights)
        return f.detach().numpy(), np.concatenate([g.numpy().ravel() for g in gradients])

    flow = integrate.solve_ivp(
        lambda _, w: -output_and_gradient(w)[1],
        (0, 100),
        np.concatenate([w.ravel() for w in start]),
        rtol=1e-8,
        atol=1e-10,
        t_eval=np.linspace(0, 100, 30),
    )
    initial = np.array([np.linalg.norm(w) for w in start])
    largest = initial.max()
    fitted = False
    for flat in flow.y.T:
        weights = split(flat)
        size = np.array([np.linalg.norm(w) for w in weights])
        reach = np.abs(output_and_gradient(flat)[0]).max() ** (2 / depth)
        assert np.ptp(size**2 - initial**2) < 1e-5  # balance
        assert (size**2 >= reach - largest**2 - 1e-6).all()
        moved = np.array([np.linalg.norm(w - v) for w, v in zip(weights, start, strict=True)]) / initial
        if reach > largest**2:
            fitted = True
            assert (moved >= math.sqrt(reach / largest**2 - 1) - 1 - 1e-6).all()
    assert fitted


@pytest.mark.parametrize("depth", [2, 5, 10])
@pytest.mark.parametrize("o", [1, 10])
def test_table_2s_huang_column_is_the_product_of_spectral_norms(depth, o):
    d, m = 784, 10**12
    first = math.sqrt(2 / m) * (math.sqrt(m) + math.sqrt(d))
    hidden = math.sqrt(2 / m) * 2 * math.sqrt(m)
    last = math.sqrt(1 / o) * (math.sqrt(o) + math.sqrt(m))
    assert first * hidden ** (depth - 2) * last == pytest.approx(huang2021(m, depth) / math.sqrt(o), rel=1e-4)


@pytest.mark.parametrize(("depth", "o"), [(4, 10), (7, 3), (12, 1)])
def test_the_new_bound_over_root_mL_at_its_peak(depth, o):
    m = mpf(depth) ** 3 / 2
    new = mp.sqrt(mpf(depth) ** 3 * m / o) * mp.exp(-m / mpf(depth) ** 3) + 1
    ratio = depth * mp.exp(mpf("-0.5")) / mp.sqrt(o) + mp.sqrt(2) / mpf(depth) ** 2
    assert mp.almosteq(new / mp.sqrt(m * depth), ratio, rel_eps=mpf(10) ** -40)
    assert (ratio > 1) == (depth >= 5 or o == 1)
    assert new < wu2021(int(m), depth)  # Wu et al.'s formula in full stays above


def test_wu_et_al_need_more_neurons_than_any_grid_has():
    assert not any(wu2021_applies(m, depth) for m in GRID for depth in DEPTHS)
    for depth, width in ((2, 2.15e12), (10, 1.81e22)):
        assert wu2021_applies(round(width * 1.05), depth) and not wu2021_applies(round(width / 1.05), depth)


def moves(values):
    signs = [np.sign(math.log(b / a)) for a, b in pairwise(values) if abs(math.log(b / a)) > 0.01]
    return [s for i, s in enumerate(signs) if i == 0 or s != signs[i - 1]]


def test_the_bound_turns_in_depth_under_lecun_only():
    over_depth = {
        name: {m: moves([theorem1(m, depth, 784, 10, name) for depth in DEPTHS]) for m in GRID}
        for name in ("lecun", "he", "ntk")
    }
    assert [m for m in GRID if over_depth["lecun"][m] == [-1]] == [2**13, 2**14]
    assert [m for m in GRID if over_depth["lecun"][m] == [1, -1]] == [16, 32, 64, 128]
    for name in ("he", "ntk"):
        assert all(over_depth[name][m] == [1] for m in GRID[:-1]) and over_depth[name][2**14] == []


def test_the_bound_has_no_peak_for_two_layers_on_the_papers_widths():
    for name in ("lecun", "he", "ntk"):
        assert moves([theorem1(m, 2, 784, 10, name) for m in GRID]) == [-1]
        assert moves([theorem1(m, 4, 784, 10, name) for m in GRID]) == [1, -1]


def test_two_neurons_have_a_vanishing_average_and_a_growing_largest_gradient():
    angle = (torch.arange(20_000, dtype=torch.float64) + 0.5) * 2 * torch.pi / 20_000
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    averages, largest = [], []
    for theta in (0.4, 0.1, 0.02):
        network = FCN(2, 2, 2, 1, dtype=torch.float64)
        with torch.no_grad():
            network.weights[0].copy_(torch.tensor([[[1.0, math.cos(theta)], [0.0, math.sin(theta)]]]))
            network.weights[1].copy_(torch.tensor([[[1.0], [-1.0]]]) * theta**-0.5)
        both = (0.5 - theta / (2 * math.pi)) * 2 * math.sin(theta / 2)
        exact = lower_bound_constant(2) * theta**-0.5 * (theta / math.pi + both)
        averages.append(perturbation_stability(network, circle).mean().item())
        assert averages[-1] == pytest.approx(exact, rel=1e-2)
        largest.append(network.jacobian(circle).norm(dim=-1).max().item())
    assert averages[0] > averages[1] > averages[2]
    assert largest == pytest.approx([0.4**-0.5, 0.1**-0.5, 0.02**-0.5])
