"""Path and kernel norms against closed forms: by hand, in expectation, by duality, and on the circle."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from lib.estimators import (
    arc_cosine_kernel,
    feature_kernel,
    interpolant_norm,
    jacobian,
    neurons,
    path_norm,
    random_feature_norm,
    tangent_kernel,
)
from lib.networks import FCN

F64 = {"dtype": torch.float64}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **F64)


def half_circle(points):
    """Points of the open half circle: no two on one ray, no two opposite."""
    angles = (torch.arange(points, **F64) + 0.5) * math.pi / points
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def by_hand():
    """Neurons (3, 4) and (0, −2) with output weights (3, −4) and (−1, 0); α = 2."""
    network = FCN(2, 2, 2, 2, alpha=2.0, **F64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([[3.0, 0.0], [4.0, -2.0]]))
        network.weights[1].copy_(torch.tensor([[3.0, -4.0], [-1.0, 0.0]]))
    return network


def test_path_norms_by_hand():
    assert path_norm(by_hand()).tolist() == [(7 * 7 + 2 * 1) / 2]
    assert path_norm(by_hand(), order=2).tolist() == [(5 * 5 + 2 * 1) / 2]


def test_path_norm_is_the_sum_over_all_paths_and_of_all_amplitudes():
    network = FCN(7, 2, 4, 3, replicas=2, alpha=1.5, **F64)
    w, a = (weight.detach().abs() for weight in network.weights)
    torch.testing.assert_close(path_norm(network), (w @ a).sum(dim=(1, 2)) / 1.5)
    torch.testing.assert_close(path_norm(network, order=2), neurons(network)[1].sum(dim=1))
    torch.testing.assert_close(path_norm(network.module(1)), path_norm(network)[1:])


@pytest.mark.parametrize("order", [1, 2])
def test_path_norm_survives_rescaling_and_bounds_the_function(order):
    network, x = FCN(7, 2, 4, 3, **F64), random(50, 4)
    norm = float(path_norm(network, order))
    size = x.abs().amax(dim=1) if order == 1 else torch.linalg.vector_norm(x, dim=1)
    assert bool((torch.linalg.vector_norm(network(x)[0], order, dim=1) <= norm * size).all())
    if order == 2:
        assert float(torch.linalg.matrix_norm(jacobian(network, x)[0], 2).max()) <= norm
    factor = torch.rand(7, generator=torch.Generator().manual_seed(1), **F64) + 0.5
    with torch.no_grad():
        network.weights[0].mul_(factor)
        network.weights[1].div_(factor.unsqueeze(1))
    assert float(path_norm(network, order)) == pytest.approx(norm, rel=1e-12)


def test_path_norm_at_initialization_has_its_expected_value():
    # E Σ|a_k|‖w_k‖ = m · β_L √(2/π) · β_1 E[χ_d], and with ‖w‖_1 the last factor is d √(2/π).
    m, d, replicas = 400, 3, 20
    network = FCN(m, 2, d, 1, initializer="he", replicas=replicas, **F64)
    half = math.sqrt(2 / math.pi)
    chi = math.sqrt(2) * math.gamma((d + 1) / 2) / math.gamma(d / 2)
    for order, expected in ((1, d * half), (2, chi)):
        norms = path_norm(network, order)
        expected *= m * math.sqrt(2 / m) * half * math.sqrt(2 / d)
        assert abs(float(norms.mean()) - expected) < 4 * float(norms.std()) / math.sqrt(replicas)


def test_random_feature_norm_by_hand_and_in_any_form():
    network = by_hand()
    initial = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        network.weights[0].mul_(5)  # the features of time 0 count, with σ² = (9 + 16 + 4)/4
        network.weights[1].mul_(2)
    expected = math.sqrt(2 * 29 / 4) * math.sqrt(4 * 26) / 2
    assert random_feature_norm(network, initial).tolist() == pytest.approx([expected], rel=1e-12)
    assert random_feature_norm(network, list(initial.values())).tolist() == pytest.approx([expected], rel=1e-12)
    start = by_hand().module()
    assert random_feature_norm(network.module(), start.state_dict()).tolist() == pytest.approx([expected], rel=1e-12)


def test_path_norm_is_within_the_root_of_d_of_the_kernel_norm():
    # Cauchy and Schwarz; with equal |a_k| and ‖w_k‖ it is an equality.
    network = FCN(7, 2, 4, 1, replicas=3, **F64)
    initial = copy.deepcopy(network.state_dict())
    assert bool((path_norm(network, 2) < 2 * random_feature_norm(network, initial)).all())
    with torch.no_grad():
        network.weights[0].div_(torch.linalg.vector_norm(network.weights[0], dim=1, keepdim=True))
        network.weights[1].copy_(network.weights[1].sign())
    initial = copy.deepcopy(network.state_dict())
    torch.testing.assert_close(path_norm(network, 2), 2 * random_feature_norm(network, initial))


def test_arc_cosine_kernel_at_known_angles():
    x = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], **F64)
    kernel = arc_cosine_kernel(x)
    assert kernel.diagonal().tolist() == pytest.approx([2, 4.5, 0.5, 1, 0], rel=1e-15)  # ‖x‖²/2
    assert float(kernel[0, 1]) == pytest.approx(6 / (2 * math.pi), rel=1e-14)
    assert float(kernel[0, 2]) == pytest.approx(0, abs=1e-15)
    root = math.sqrt(0.5)
    expected = 2 * math.sqrt(2) * (root + 0.75 * math.pi * root) / (2 * math.pi)
    assert float(kernel[0, 3]) == pytest.approx(expected, rel=1e-14)
    assert kernel[4].tolist() == [0] * 5
    torch.testing.assert_close(kernel, kernel.T, rtol=0, atol=0)


def test_feature_kernel_becomes_the_arc_cosine_kernel_whatever_the_initialization():
    x = random(5, 3)
    for initializer in ("he", "lecun", "power-2"):
        kernels = feature_kernel(FCN(20_000, 2, 3, 1, initializer=initializer, replicas=10, **F64).weights[0], x)
        error = kernels.std(dim=0) / math.sqrt(10)
        assert bool(((kernels.mean(dim=0) - arc_cosine_kernel(x)).abs() < 5 * error).all())


def test_interpolant_norm_by_hand():
    kernel = torch.tensor([[2.0, 1.0], [1.0, 2.0]], **F64)
    values = torch.tensor([[[1.0], [1.0]], [[1.0], [-1.0]]], **F64)  # eigenvectors of 3 and 1
    assert interpolant_norm(kernel, values).tolist() == pytest.approx([math.sqrt(2 / 3), math.sqrt(2)], rel=1e-14)
    # Several outputs count by squares; a kernel over points and outputs takes them flat.
    both = torch.cat(list(values.unsqueeze(1)), dim=2)
    assert interpolant_norm(kernel, both).tolist() == pytest.approx([math.sqrt(2 / 3 + 2)], rel=1e-14)
    kron = torch.kron(kernel, torch.eye(2, **F64)).unsqueeze(0)
    torch.testing.assert_close(interpolant_norm(kron, both), interpolant_norm(kernel, both))


def test_least_output_weights_have_the_interpolant_norm():
    # a = Φᵀ(ΦΦᵀ)⁻¹ y is the shortest that fits y, and m σ² ‖a‖² = yᵀ K⁻¹ y.
    network, x, y = FCN(30, 2, 3, 2, replicas=2, alpha=2.0, **F64), random(6, 3), random(2, 6, 2, seed=1)
    initial = copy.deepcopy(network.state_dict())
    features = torch.relu(x @ network.weights[0].detach())
    with torch.no_grad():
        network.weights[1].copy_(2 * features.mT @ torch.linalg.solve(features @ features.mT, y))
    torch.testing.assert_close(network(x).detach(), y)
    norm = interpolant_norm(feature_kernel(network.weights[0], x), y)
    torch.testing.assert_close(random_feature_norm(network, initial), norm)
    with torch.no_grad():
        network.weights[1].add_(random(2, 30, 2, seed=2))
    fewer = interpolant_norm(feature_kernel(network.weights[0], x), network(x))
    assert bool((fewer < random_feature_norm(network, initial)).all())


def test_least_move_in_the_weights_is_the_interpolant_norm_in_the_tangent_kernel():
    network, x = nn.Linear(5, 2, bias=False, **F64), random(3, 5)
    change = random(1, 3, 2, seed=1)
    move = torch.linalg.pinv(x) @ change[0]
    torch.testing.assert_close(
        interpolant_norm(tangent_kernel(network, x), change), torch.linalg.matrix_norm(move).unsqueeze(0)
    )


def test_a_single_neuron_has_a_path_norm_and_no_kernel_norm():
    # On the circle the kernel's eigenvalues are the squares of the neuron's coefficients: every frequency adds the
    # same to the squared norm, which therefore grows in proportion to the number of points. The kink lies midway
    # between two points.
    neuron = torch.tensor([1.0, 0.0], **F64)
    norms = []
    for points in (16, 32, 64, 128):
        x = half_circle(points)
        norms.append(float(interpolant_norm(arc_cosine_kernel(x), torch.relu(x @ neuron).view(1, -1, 1))))
    ratios = [later / earlier for earlier, later in itertools.pairwise(norms)]
    assert ratios == pytest.approx([math.sqrt(2)] * 3, rel=0.05), norms


def test_a_function_of_the_space_has_its_norm_in_the_limit_of_many_points():
    # f = K(·, z) has norm √K(z, z), from below, and reached once z is among the points.
    z = torch.tensor([[0.6, 0.8]], **F64)
    norms = []
    for points in (4, 8, 16, 32):
        x = half_circle(points)
        values = arc_cosine_kernel(torch.cat([x, z]))[:-1, -1:].unsqueeze(0)
        norms.append(float(interpolant_norm(arc_cosine_kernel(x), values)))
    assert all(norm < math.sqrt(0.5) for norm in norms)
    assert norms[-1] == pytest.approx(math.sqrt(0.5), rel=1e-3)
    values = arc_cosine_kernel(torch.cat([z, x]))[:, :1].unsqueeze(0)
    norm = interpolant_norm(arc_cosine_kernel(torch.cat([z, x])), values)
    assert float(norm) == pytest.approx(math.sqrt(0.5), rel=1e-9)


def test_bad_input_is_refused():
    network, x = FCN(4, 2, 3, 1, **F64), random(5, 3)
    with pytest.raises(ValueError, match="order must be an integer from 1 to 2"):
        path_norm(network, order=3)
    with pytest.raises(ValueError, match="got depth 3"):
        path_norm(FCN(4, 3, 3, 1))
    with pytest.raises(ValueError, match="shares its memory"):
        random_feature_norm(network, network.state_dict())
    with pytest.raises(ValueError, match=r"weights must have shape \(R, 3, m\)"):
        feature_kernel(network.weights[1], x)
    with pytest.raises(ValueError, match=r"x must have shape \(n, d\)"):
        arc_cosine_kernel(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match=r"values must have shape \(R, n, o\)"):
        interpolant_norm(arc_cosine_kernel(x), torch.zeros(5))
    with pytest.raises(ValueError, match="kernel must be square of size n = 4 or n·o = 8"):
        interpolant_norm(arc_cosine_kernel(x), torch.zeros(1, 4, 2))
    with pytest.raises(ValueError, match="singular to rounding"):  # four features, five points
        interpolant_norm(feature_kernel(network.weights[0], x), network(x))
    with pytest.raises(ValueError, match="singular to rounding"):  # two points on one ray
        interpolant_norm(arc_cosine_kernel(torch.cat([x, 2 * x[:1]])), torch.zeros(1, 6, 1))
