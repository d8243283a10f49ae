"""Perturbation stability against sampling, closed forms and limits."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from lib.estimators import (
    finite_stability,
    jacobian,
    monte_carlo_stability,
    perturbation_stability,
    relative_stability,
    rms_stability,
)
from lib.estimators.calls import check_points
from lib.networks import FCN

F64 = {"dtype": torch.float64}


def points(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), **F64)


def linear(matrix):
    """The network x -> J x of a given J: every statement on J can be tested on it."""
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, **F64)
    layer.weight = nn.Parameter(matrix)
    return layer


@pytest.mark.parametrize(("outputs", "features", "rank"), [(1, 5, 1), (3, 20, 3), (10, 64, 10), (10, 64, 2), (6, 3, 3)])
def test_200_000_plain_samples_agree(outputs, features, rank):
    j = points(outputs, rank, seed=1) @ points(rank, features, seed=2)
    stream = torch.Generator().manual_seed(3)
    # Points of the cube that fall into the ball would never do so at d = 64: direction times radius, in plain words.
    direction = torch.randn(200_000, features, generator=stream, **F64)
    u = direction / direction.norm(dim=1, keepdim=True)
    u *= torch.rand(200_000, 1, generator=stream, **F64) ** (1 / features)
    norms = (u @ j.T).norm(dim=1)
    exact = float(perturbation_stability(linear(j), torch.zeros(1, features, **F64) + 1))
    assert abs(exact - float(norms.mean())) < 4 * float(norms.std()) / math.sqrt(200_000)
    assert float(norms.std()) / math.sqrt(200_000) < 0.003 * exact


def test_points_of_the_cube_inside_the_ball_agree():
    # Rejection sampling shares no idea with the closed form of the radius.
    j = points(2, 3, seed=4)
    cube = 2 * torch.rand(400_000, 3, generator=torch.Generator().manual_seed(5), **F64) - 1
    norms = (cube[cube.norm(dim=1) <= 1] @ j.T).norm(dim=1)
    exact = float(perturbation_stability(linear(j), torch.ones(1, 3, **F64)))
    assert abs(exact - float(norms.mean())) < 4 * float(norms.std()) / math.sqrt(len(norms))


def test_the_sampling_estimator_agrees_within_its_standard_error():
    network, x = FCN(16, 3, 8, 4, replicas=2, seed=1, **F64), points(5, 8)
    estimate, error = monte_carlo_stability(network, x, epsilon=0.5, samples=200_000, seed=6)
    exact = perturbation_stability(network, x, epsilon=0.5)
    assert estimate.shape == error.shape == exact.shape == (2, 5)
    assert ((estimate - exact).abs() < 4 * error).all()
    assert (error < 0.003 * exact).all()


def test_the_standard_error_is_the_spread_of_repetitions():
    network, x = FCN(16, 2, 6, 3, **F64), points(1, 6)
    # 1,500 draws span two blocks of the sampler; 200 repetitions know a spread within 5 %.
    runs = [monte_carlo_stability(network, x, samples=1500, seed=s) for s in range(200)]
    spread = torch.stack([estimate for estimate, _ in runs]).std()
    stated = torch.stack([error for _, error in runs]).mean()
    assert float(spread / stated) == pytest.approx(1, abs=0.2)


def test_sampling_is_reproducible_and_seeded():
    network, x = FCN(8, 2, 6, 3, **F64), points(2, 6)
    first, again = (monte_carlo_stability(network, x, samples=50, seed=1)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, monte_carlo_stability(network, x, samples=50, seed=2)[0])


@pytest.mark.parametrize("features", [1, 2, 7, 784])
def test_with_one_output_p_is_a_multiple_of_the_gradient(features):
    network, x = FCN(32, 3, features, 1, seed=2, **F64), points(4, features)
    gradient = network.jacobian(x)[0, :, 0].norm(dim=1)
    c = math.exp(math.lgamma(features / 2 + 1) - math.lgamma((features + 3) / 2)) / math.sqrt(math.pi)
    if features == 784:
        assert c == pytest.approx(0.02847, abs=5e-6)
    torch.testing.assert_close(
        perturbation_stability(network, x, epsilon=0.3)[0], 0.3 * c * gradient, rtol=1e-8, atol=0
    )


def test_p_is_linear_in_epsilon_and_falls_with_alpha():
    x = points(5, 6)
    p = perturbation_stability(FCN(8, 4, 6, 3, replicas=2, **F64), x)
    torch.testing.assert_close(perturbation_stability(FCN(8, 4, 6, 3, replicas=2, **F64), x, 0.01), 0.01 * p)
    torch.testing.assert_close(perturbation_stability(FCN(8, 4, 6, 3, replicas=2, alpha=5.0, **F64), x), p / 5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("epsilon", [1e-50, 1e39])
def test_sampled_p_is_linear_in_epsilon_beyond_the_type_of_the_network(dtype, epsilon):
    network, x = linear(points(3, 6)).to(dtype), points(2, 6).to(dtype)
    of_one, of_epsilon = (monte_carlo_stability(network, x, each, samples=20) for each in (1.0, epsilon))
    for one, other in zip(of_one, of_epsilon, strict=True):
        torch.testing.assert_close(other / epsilon, one, rtol=1e-12, atol=0)
    with pytest.raises(ValueError, match=f"epsilon must be {'small' if epsilon > 1 else 'large'} enough to move x"):
        finite_stability(network, x, epsilon, samples=20)


@pytest.mark.parametrize("epsilon", [np.float16(0.1), np.float32(0.1), Fraction(1, 10)])
def test_epsilon_counts_in_all_its_digits_whatever_its_type(epsilon):
    network, x = linear(points(3, 6)), points(2, 6)
    for estimator in (perturbation_stability, rms_stability):
        assert torch.equal(estimator(network, x, epsilon), estimator(network, x, float(epsilon)))
    for estimator in (monte_carlo_stability, finite_stability):
        assert torch.equal(estimator(network, x, epsilon, 20)[0], estimator(network, x, float(epsilon), 20)[0])


def test_rms_is_the_frobenius_norm_and_never_below_p():
    network, x = FCN(8, 3, 6, 4, replicas=3, **F64), points(20, 6)
    frobenius = torch.linalg.matrix_norm(network.jacobian(x))
    rms = rms_stability(network, x, epsilon=0.2)
    torch.testing.assert_close(rms, 0.2 * frobenius / math.sqrt(8), rtol=1e-12, atol=0)
    assert (perturbation_stability(network, x, epsilon=0.2) < rms).all()


def test_finite_change_tends_to_p_and_parts_from_it_at_large_epsilon():
    network, x = FCN(16, 3, 6, 3, seed=1, **F64), points(4, 6)
    linearised, _ = monte_carlo_stability(network, x, epsilon=1.0, samples=2000)

    def difference(epsilon):
        change, _ = finite_stability(network, x, epsilon, samples=2000)
        return float((change / epsilon / linearised - 1).abs().max())

    # The same draws on both sides: no sampling error is left to hide behind.
    assert difference(1e-7) < 1e-5
    assert difference(3.0) > 0.02


def test_finite_change_of_a_linear_map_is_the_linearised_one_at_any_epsilon():
    network, x = linear(points(3, 6)), points(4, 6)
    for got, expected in zip(
        finite_stability(network, x, 50.0, samples=1100), monte_carlo_stability(network, x, 50.0, 1100), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_relative_stability_is_a_ratio_of_means():
    network = FCN(8, 2, 6, 3, replicas=2, **F64)
    x = points(30, 6) * torch.logspace(-1, 1, 30, **F64).unsqueeze(1)
    p = perturbation_stability(network, x)
    f = network(x).detach()
    for r in range(2):
        ratios = [float(f[r, i].norm() / x[i].norm()) for i in range(30)]
        expected = float(p[r].mean()) / (sum(ratios) / 30)
        assert float(relative_stability(network, x)[r]) == pytest.approx(expected, rel=1e-12)


def test_relative_stability_forgets_the_scale_of_the_output():
    x = points(10, 6)
    one, other = (relative_stability(FCN(8, 3, 6, 3, alpha=alpha, **F64), x) for alpha in (1.0, 1e4))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=0)


def test_a_dead_network_has_no_relative_stability():
    assert relative_stability(linear(torch.zeros(3, 6, **F64)), points(4, 6)).isnan().all()


def test_a_diverged_network_has_an_undefined_p():
    j = points(3, 6)
    j[0, 0] = math.inf
    assert perturbation_stability(linear(j), points(4, 6)).isnan().all()


def test_float32_agrees_with_float64():
    x = points(10, 12)
    single = perturbation_stability(FCN(64, 4, 12, 5, replicas=2), x.float())
    double = perturbation_stability(FCN(64, 4, 12, 5, replicas=2, **F64), x)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=0)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_epsilon_has_to_be_positive(epsilon):
    network, x = FCN(4, 2, 3, 2), torch.ones(2, 3)
    for estimator in (perturbation_stability, rms_stability, monte_carlo_stability, finite_stability):
        with pytest.raises(ValueError, match="epsilon must be positive and finite"):
            estimator(network, x, epsilon)


@pytest.mark.parametrize("samples", [1, 0, -5, 10.0, True])
def test_samples_have_to_be_at_least_two(samples):
    for estimator in (monte_carlo_stability, finite_stability):
        with pytest.raises(ValueError, match="samples must be an integer of at least 2"):
            estimator(FCN(4, 2, 3, 2), torch.ones(2, 3), 1.0, samples=samples)


def test_a_zero_point_has_no_relative_stability():
    with pytest.raises(ValueError, match="x must hold no zero point"):
        relative_stability(FCN(4, 2, 3, 2), torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 0)])
def test_no_point_no_stability(shape):
    network = nn.Linear(3, 2)
    for estimator in (perturbation_stability, relative_stability, monte_carlo_stability, jacobian):
        with pytest.raises(ValueError, match=r"x must have shape \(n, \.\.\.\) with at least one point"):
            estimator(network, torch.zeros(shape))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_points_are_refused():
    # By themselves: who checks shapes in tests cannot ask a nested tensor for its own.
    with pytest.raises(ValueError, match="x must be one dense tensor, got a nested one"):
        check_points(torch.nested.nested_tensor([torch.ones(3), torch.ones(3)]))
