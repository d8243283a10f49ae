"""Untrained networks become rows: P and the norms of J at points that all seeds share."""

from __future__ import annotations

import pytest
import torch

from lib.estimators import perturbation_stability
from lib.experiments import Store, sweep
from lib.experiments.untrained import UntrainedNetwork, unit_points
from lib.networks import FCN
from lib.rows import Task


@pytest.mark.usefixtures("one_thread")
def test_a_network_is_measured_as_it_would_be_alone(store: Store) -> None:
    tasks = [UntrainedNetwork("ntk", 8, 3, seed, in_features=12, out_features=4, points=5) for seed in (3, 4, 5)]
    assert sweep(tasks, store) == 0
    rows = {row["configuration"]["seed"]: row["measurements"][0] for row in store.rows()}
    assert Task.of(store.rows()[0]["configuration"]) == tasks[0]
    x = unit_points(5, 12)
    assert torch.allclose(torch.linalg.vector_norm(x, dim=1), torch.ones(5))
    network = FCN(8, 3, 12, 4, "ntk", seed=4)
    jacobian = network.jacobian(x)[0].detach().double()
    assert rows[4]["P"] == pytest.approx(float(perturbation_stability(network, x).mean()), rel=1e-5)
    norms = torch.linalg.matrix_norm(jacobian), torch.linalg.matrix_norm(jacobian, 2)
    assert rows[4]["jacobian_frobenius"] == pytest.approx(float(norms[0].mean()), rel=1e-5)
    assert rows[4]["jacobian_spectral"] == pytest.approx(float(norms[1].mean()), rel=1e-5)
    assert len({row["P"] for row in rows.values()}) == 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"points": 0}, "points must be an integer of at least 1, got 0"),
        ({"depth": 1}, "depth must be"),
        ({"initializer": "hee"}, "initializer must be one of"),
    ],
)
def test_what_cannot_be_measured_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        UntrainedNetwork(**{"initializer": "ntk", "width": 16, "depth": 2, "seed": 0} | settings)
