"""κ and the relative change of a layer against values by hand."""

import copy
import math

import pytest
import torch
from torch import nn

from lib.estimators import lazy_training_ratio, linearization_error, relative_change
from lib.networks import FCN


def moved():
    """Two replicas of a 1-1-1 network at (W_1, W_2) = (3, 4) and (1, 2), moved to (3, 1) and (2, 4)."""
    network = FCN(1, 2, 1, 1, replicas=2, dtype=torch.float64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([3.0, 1.0]).view(2, 1, 1))
        network.weights[1].copy_(torch.tensor([4.0, 2.0]).view(2, 1, 1))
        initial = copy.deepcopy(network.state_dict())
        network.weights[0].copy_(torch.tensor([3.0, 2.0]).view(2, 1, 1))
        network.weights[1].copy_(torch.tensor([1.0, 4.0]).view(2, 1, 1))
    return network, initial


def test_kappa_is_the_ratio_of_the_sums_over_layers():
    network, initial = moved()
    assert lazy_training_ratio(network, initial).tolist() == [3 / 7, 1.0]


def test_relative_change_is_one_number_a_layer():
    network, initial = moved()
    assert relative_change(network, initial).tolist() == [[0.0, 0.75], [1.0, 1.0]]


def test_norms_are_frobenius_norms():
    network = FCN(5, 3, 4, 2, replicas=2, dtype=torch.float64)
    initial = [weight.detach().clone() for weight in network.weights]
    with torch.no_grad():
        for weight in network.weights:
            weight += torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    final = [weight.detach() for weight in network.weights]
    for r in range(2):
        change = [math.sqrt(float(((w - s)[r] ** 2).sum())) for w, s in zip(final, initial, strict=True)]
        size = [math.sqrt(float((s[r] ** 2).sum())) for s in initial]
        ratios = [a / b for a, b in zip(change, size, strict=True)]
        assert float(lazy_training_ratio(network, initial)[r]) == pytest.approx(sum(change) / sum(size), rel=1e-12)
        assert relative_change(network, initial)[r].tolist() == pytest.approx(ratios, rel=1e-12)


def test_a_module_has_the_kappa_of_its_replica_whatever_else_it_holds():
    network = FCN(5, 3, 4, 2, replicas=2, seed=3)
    start = copy.deepcopy(network)
    with torch.no_grad():
        for weight in network.weights:
            weight *= 1.5
    for r in range(2):
        # A normalisation's vectors are no weight matrices.
        now, then = (nn.Sequential(n.module(r), nn.BatchNorm1d(2)) for n in (network, start))
        torch.testing.assert_close(
            lazy_training_ratio(now, then.state_dict())[0], lazy_training_ratio(network, list(start.weights))[r]
        )
        assert relative_change(now, then.state_dict()).shape == (1, 3)


def test_nothing_moved_is_zero():
    network = FCN(5, 3, 4, 2, replicas=2)
    assert lazy_training_ratio(network, copy.deepcopy(network.state_dict())).tolist() == [0, 0]


@pytest.mark.parametrize(
    "aliased", [lambda n: n.state_dict(), lambda n: n.weights, lambda n: [w.data for w in n.weights]]
)
def test_initial_weights_that_moved_along_are_refused(aliased):
    network = FCN(5, 3, 4, 2)
    for measure in (lazy_training_ratio, relative_change):
        with pytest.raises(ValueError, match="shares its memory with the network; pass copy"):
            measure(network, aliased(network))


@pytest.mark.parametrize(
    ("initial", "sentence"),
    [
        ({}, "it lacks weights.0"),
        ([], "one tensor a weight"),
        (list(FCN(6, 3, 4, 2).weights), "of the same shapes"),
        (FCN(6, 3, 4, 2).state_dict(), "of the same shapes"),
        (list(FCN(5, 3, 4, 2, replicas=2).weights), "of the same shapes"),
        (list(FCN(5, 2, 4, 2).weights), "one tensor a weight"),
    ],
)
def test_weights_of_another_network_are_refused(initial, sentence):
    with pytest.raises(ValueError, match=sentence):
        lazy_training_ratio(FCN(5, 3, 4, 2), initial)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: None, "must be a state_dict of this network or its tensors, got NoneType"),
        (lambda state: 3, "must be a state_dict of this network or its tensors, got int"),
        (lambda state: nn.Linear(3, 2), "must be a state_dict of this network or its tensors, got Linear"),
        (lambda state: nn.Sequential(nn.Linear(3, 2)), "must hold tensors, as a state_dict does, got Linear"),
        (lambda state: "start.pt", "must hold tensors, as a state_dict does, got str"),
        (lambda state: {k: v.numpy() for k, v in state.items()}, "must hold tensors, .* got ndarray"),
        (lambda state: [v.tolist() for v in state.values()], "must hold tensors, .* got list"),
        (lambda state: {k: v.to("meta") for k, v in state.items()}, "must hold dense tensors .* on meta"),
        (lambda state: {k: v.to_sparse() for k, v in state.items()}, "must hold dense tensors .* torch.sparse_coo"),
        (lambda state: {k: v.cfloat() for k, v in state.items()}, "must hold real numbers"),
    ],
)
def test_what_holds_no_initial_weights_is_refused_in_one_sentence(change, sentence):
    network = FCN(5, 3, 4, 2)
    initial = change(copy.deepcopy(network.state_dict()))
    for measure in (lazy_training_ratio, lambda n, i: linearization_error(n, i, torch.ones(2, 4))):
        with pytest.raises(ValueError, match=f"^initial {sentence}"):
            measure(network, initial)


def test_a_start_in_more_digits_than_the_weights_keeps_them():
    start = FCN(5, 3, 4, 2).state_dict()
    network = FCN(5, 3, 4, 2).bfloat16()
    change = [float((w.double() - start[name].double()).norm()) for name, w in network.state_dict().items()]
    size = [float(w.double().norm()) for w in start.values()]
    assert float(lazy_training_ratio(network, start)) == pytest.approx(sum(change) / sum(size), rel=1e-12)
    assert sum(change) > 0
