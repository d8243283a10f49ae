"""Directions, amplitudes and effective numbers of neurons against constructions by hand and the law of the null."""

import math

import pytest
import torch
from torch import nn

from lib.estimators import (
    condensation,
    direction_similarity,
    distinct_directions,
    effective_directions,
    isotropic,
    neurons,
    null_distribution,
    similarity_spectrum,
)
from lib.networks import FCN


def two_layer(w, a, alpha=1.0):
    """The network with neurons w (m, d) and output weights a (m, o), or a stack of such."""
    w, a = torch.as_tensor(w, dtype=torch.float64), torch.as_tensor(a, dtype=torch.float64)
    w, a = (t if t.ndim == 3 else t.unsqueeze(0) for t in (w, a))
    network = FCN(w.shape[1], 2, w.shape[2], a.shape[2], replicas=len(w), alpha=alpha, dtype=torch.float64)
    with torch.no_grad():
        network.weights[0].copy_(w.mT)
        network.weights[1].copy_(a)
    return network


def on_circle(degrees, amplitudes=None):
    """Neurons of the plane at some angles."""
    angles = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64))
    amplitudes = torch.ones_like(angles) if amplitudes is None else torch.as_tensor(amplitudes, dtype=torch.float64)
    return two_layer(torch.stack([angles.cos(), angles.sin()], dim=1), amplitudes.unsqueeze(1))


def test_neurons_have_the_direction_of_w_and_the_product_of_the_norms():
    network = two_layer([[3, 4], [0, -2], [0, 0]], [[3, 4], [-1, 0], [1, 1]], alpha=2.0)
    directions, amplitudes = neurons(network)
    assert directions.tolist() == [[[0.6, 0.8], [0, -1], [0, 0]]]
    assert amplitudes.tolist() == [[12.5, 1, 0]]


def test_neurons_and_their_output_directions_are_the_function():
    network = FCN(6, 2, 3, 2, replicas=2, alpha=3.0, dtype=torch.float64)
    directions, amplitudes = neurons(network)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    last = network.weights[1].detach()
    last = last / torch.linalg.vector_norm(last, dim=2, keepdim=True)
    f = torch.relu(x @ directions.mT) @ (amplitudes.unsqueeze(2) * last)
    torch.testing.assert_close(f, network(x).detach())


def test_similarity_by_hand():
    # Amplitudes 1 and 3 at 0 and 60 degrees: weights 1/4 and 3/4, cosine 1/2.
    network = on_circle([0, 60], [1, -3])
    off = math.sqrt(3 / 16) / 2
    expected = torch.tensor([[[0.25, off], [off, 0.75]]], dtype=torch.float64)
    torch.testing.assert_close(direction_similarity(network), expected)
    determinant = 3 / 16 - off**2
    roots = [0.5 - math.sqrt(0.25 - determinant), 0.5 + math.sqrt(0.25 - determinant)]
    assert similarity_spectrum(network)[0].tolist() == pytest.approx(roots, rel=1e-12)
    assert float(effective_directions(network)) == pytest.approx(1 / (1 - 2 * determinant), rel=1e-12)


@pytest.mark.parametrize(("width", "features"), [(5, 9), (9, 5), (4, 1)])
def test_spectrum_is_that_of_the_similarity_and_effective_directions_its_participation(width, features):
    network = FCN(width, 2, features, 3, replicas=2, dtype=torch.float64)
    similarity, spectrum = direction_similarity(network), similarity_spectrum(network)
    assert spectrum.shape == (2, min(width, features))
    full = torch.linalg.eigvalsh(similarity)
    torch.testing.assert_close(full[:, -spectrum.shape[1] :], spectrum)
    torch.testing.assert_close(spectrum.sum(dim=1), torch.ones(2, dtype=torch.float64))
    # The inverse of the mean squared cosine: the entries of the similarity are √(p_k p_l) cos.
    torch.testing.assert_close(effective_directions(network), 1 / similarity.square().sum(dim=(1, 2)))
    assert bool((effective_directions(network) >= 1 - 1e-12).all())


def test_effective_directions_counts_orthogonal_lines():
    lines = torch.eye(5, dtype=torch.float64)[[0, 1, 2, 0, 1, 2]]
    lines[3:] *= -7.0  # the other way, and longer: the same lines
    even = two_layer(lines, [[7.0]] * 3 + [[1.0]] * 3)
    assert float(effective_directions(even)) == pytest.approx(3, rel=1e-12)
    alone = two_layer(lines, [[1.0], [0], [0], [1], [0], [0]])
    assert float(effective_directions(alone)) == pytest.approx(1, rel=1e-12)


def test_distinct_directions_counts_bundles_and_opposites():
    bundles = on_circle([0, 1, 2, 90, 91, 92, 180, 181, 182])
    assert float(distinct_directions(bundles)) == pytest.approx(3, rel=1e-12)
    assert float(distinct_directions(bundles, degrees=0.5)) == pytest.approx(9, rel=1e-12)
    weighted = on_circle([0, 1, 90], [1, 1, 2])
    assert float(distinct_directions(weighted)) == pytest.approx(2, rel=1e-12)
    assert float(distinct_directions(on_circle([30, 30.5], [1, 100]))) == pytest.approx(1, rel=1e-12)


def test_even_directions_on_the_circle_are_as_many_as_fit():
    # Every one of 720 neurons has 2·20 + 1 within ten degrees (a hair more, so that rounding cannot decide).
    network = on_circle([i / 2 for i in range(720)])
    assert float(distinct_directions(network, degrees=10.01)) == pytest.approx(720 / 41, rel=1e-12)


@pytest.mark.parametrize("degrees", [1.0, 10.0, 89.0])
def test_the_plane_is_measured_as_a_plane_in_space(degrees, monkeypatch):
    flat = FCN(101, 2, 2, 1, replicas=3, dtype=torch.float64)
    with torch.no_grad():
        flat.weights[0][:, :, :3] = torch.tensor([[-1.0, -1, 0], [-0.0, 0, 0]])  # the seam of the angle, and no neuron
    space = two_layer(nn.functional.pad(flat.weights[0].mT, (0, 1)), flat.weights[1])
    expected = distinct_directions(space, degrees)
    torch.testing.assert_close(distinct_directions(flat, degrees), expected, rtol=1e-12, atol=0)
    monkeypatch.setattr(condensation, "_CHUNK_NUMBERS", 7 * 303)  # blocks of seven neurons
    torch.testing.assert_close(distinct_directions(space, degrees), expected, rtol=1e-12, atol=0)


def test_replicas_are_measured_alone():
    stack = FCN(12, 2, 3, 1, replicas=3, seed=5, dtype=torch.float64)
    for measure in (effective_directions, distinct_directions):
        alone = torch.cat([measure(stack.module(r)) for r in range(3)])
        torch.testing.assert_close(measure(stack), alone)


def test_isotropic_keeps_the_amplitudes_and_turns_the_neurons():
    network = FCN(2000, 2, 3, 2, replicas=2, alpha=2.0, dtype=torch.float64)
    with torch.no_grad():
        network.weights[0][:, 0] = network.weights[0][:, 0].abs() + 1  # all look to one side
    before = [weight.detach().clone() for weight in network.weights]
    null = isotropic(network, seed=3)
    assert all(torch.equal(weight, was) for weight, was in zip(network.weights, before, strict=True))
    directions, amplitudes = neurons(null)
    torch.testing.assert_close(amplitudes, neurons(network)[1])
    assert torch.equal(null.weights[1], network.weights[1])
    # Means of 2000 isotropic directions: 0 and I/3, with standard deviations below 0.013.
    assert float(directions.mean(dim=1).abs().max()) < 0.06
    covariance = directions.mT @ directions / 2000
    assert float((covariance - torch.eye(3) / 3).abs().max()) < 0.06
    assert not torch.equal(directions[0], directions[1])
    assert torch.equal(neurons(isotropic(network, seed=3))[0], directions)
    assert not torch.equal(neurons(isotropic(network, seed=4))[0], directions)


def test_null_distribution_has_its_exact_mean_and_a_condensed_network_lies_below():
    generator = torch.Generator().manual_seed(0)
    w = 0.2 * torch.randn(2, 40, 6, generator=generator, dtype=torch.float64)
    w[..., 0] += torch.tensor([1.0, 0.0], dtype=torch.float64).unsqueeze(1)  # the first replica is condensed
    a = torch.randn(2, 40, 1, generator=generator, dtype=torch.float64)
    network = two_layer(w, a)
    null = null_distribution(network, effective_directions, draws=300, seed=1)
    assert null.shape == (2, 300)
    # E cos² = 1/d for different neurons, so that E[1/N] = Σp² + (1 − Σp²)/d.
    shares = neurons(network)[1]
    same = (shares / shares.sum(dim=1, keepdim=True)).square().sum(dim=1)
    inverse = 1 / null
    error = inverse.std(dim=1) / math.sqrt(300)
    assert bool(((inverse.mean(dim=1) - (same + (1 - same) / 6)).abs() < 4 * error).all())
    measured = effective_directions(network)
    assert float(measured[0]) < float(null[0].min())
    assert float(null[1].quantile(0.005)) < float(measured[1]) < float(null[1].quantile(0.995))
    assert torch.equal(null[:, :5], null_distribution(network, effective_directions, draws=5, seed=1))
    assert torch.equal(null[:, 0], effective_directions(isotropic(network, seed=1)))


def test_a_network_without_amplitude_has_no_directions():
    network = two_layer([[1.0, 0], [0, 1]], [[0.0], [0]])
    assert effective_directions(network).isnan().all()
    assert distinct_directions(network).isnan().all()


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (FCN(4, 3, 2, 1), "FCN of depth 2, .* got depth 3"),
        (FCN(4, 3, 2, 1).module(), "got depth 3"),
        (nn.Linear(2, 1), "got Linear"),
        (nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)), "bias=False"),
    ],
)
def test_other_networks_are_refused(network, sentence):
    for measure in (neurons, effective_directions, isotropic):
        with pytest.raises(ValueError, match=sentence):
            measure(network)


@pytest.mark.parametrize("degrees", [0, 90, -3, math.nan])
def test_resolutions_out_of_range_are_refused(degrees):
    with pytest.raises(ValueError, match=r"degrees must be in \(0, 90\)"):
        distinct_directions(FCN(4, 2, 2, 1), degrees=degrees)


def test_draws_and_seeds_out_of_range_are_refused():
    for draws in (0, 2.5, True):
        with pytest.raises(ValueError, match="draws must be an integer of at least 1"):
            null_distribution(FCN(4, 2, 2, 1), effective_directions, draws=draws)
    with pytest.raises(ValueError, match="seed must be an integer"):
        isotropic(FCN(4, 2, 2, 1), seed=-1)
