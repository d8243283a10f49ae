"""The product of spectral norms, against a case by hand and as the bound that it is."""

from __future__ import annotations

import math

import pytest
import torch

from lib.estimators import jacobian, spectral_norm_product
from lib.networks import FCN


def test_of_known_matrices():
    network = FCN(2, 2, 2, 1, replicas=2, alpha=5.0, dtype=torch.float64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([[[3.0, 0], [0, 1]], [[0, 2], [2, 0]]]))
        network.weights[1].copy_(torch.tensor([[[3.0], [4]], [[0], [1]]]))
    assert spectral_norm_product(network).tolist() == [3.0, 0.4]


def test_no_jacobian_exceeds_it():
    network = FCN(16, 4, 8, 3, replicas=3, alpha=0.5, seed=1, dtype=torch.float64)
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    largest = torch.linalg.matrix_norm(jacobian(network, x), 2).amax(dim=1)
    assert (largest <= spectral_norm_product(network)).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_replica_has_none_and_the_others_keep_theirs(value):
    network = FCN(8, 2, 6, 1, replicas=2)
    expected = spectral_norm_product(network)[1]
    with torch.no_grad():
        network.weights[0][0, 0, 0] = value
    found = spectral_norm_product(network)
    assert found[0].isnan() and found[1] == expected
    assert spectral_norm_product(network.module(0)).isnan().all()
