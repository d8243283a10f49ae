"""Notions of robustness on one network: what must hold between them, and what scale does to which."""

import numpy as np
import pandas as pd
import pytest
import torch

from lib.data import Dataset
from lib.estimators import jacobian_spectrum, perturbation_stability
from lib.experiments.metrics import (
    correct_under_noise,
    errors_of_draws,
    finite_over_linear,
    largest_change,
    means_by_cell,
    metrics,
    metrics_of_scaled,
    metrics_over_training,
    rank_correlation,
    scaled,
)
from lib.networks import FCN


@pytest.fixture(scope="module")
def images():
    x = torch.nn.functional.normalize(torch.randn(60, 6, generator=torch.Generator().manual_seed(0)))
    y = (x[:, 0] > 0).long()
    return Dataset(x[:40], y[:40], x[40:], y[40:])


@pytest.fixture(scope="module")
def network():
    return FCN(16, 3, 6, 2, "he", replicas=2)


def test_a_factor_passes_through_P_and_no_prediction(network, images):
    x, y = images.x_test, images.y_test
    found, tenfold = metrics(network, x, y, 0.1), metrics(scaled(network, 10.0), x, y, 0.1)
    assert tenfold["P"].numpy() == pytest.approx(10 * found["P"].numpy(), rel=1e-4)
    for name in ("accuracy", "relative stability", "noise accuracy"):
        assert tenfold[name].numpy() == pytest.approx(found[name].numpy(), rel=1e-4)


def test_metrics_are_ordered_as_their_definitions_say(network, images):
    found = metrics(network, images.x_test, images.y_test, 0.3)
    assert (found["adversarial accuracy"] <= found["accuracy"]).all()
    assert (found["adversarial accuracy"] <= found["stability, Wu et al."]).all()
    assert (found["local Lipschitz, mean"] <= found["local Lipschitz, max"]).all()
    assert (found["local Lipschitz, max"] <= found["global Lipschitz bound"] * (1 + 1e-6)).all()


def test_noise_of_no_length_changes_nothing(network, images):
    share = correct_under_noise(network, images.x_test, images.y_test, 0.0, draws=3)
    assert torch.equal(share, (network(images.x_test).argmax(dim=-1) == images.y_test).double())


def test_small_changes_are_linear_and_the_search_finds_the_worst_direction(network, images):
    x = images.x_test[:5]
    changes = finite_over_linear(network, x, [1e-3])
    assert changes["epsilon"].tolist() == [1e-3] * 2 and changes["seed"].tolist() == [0, 1]
    assert changes[["ratio", "worst"]].to_numpy() == pytest.approx(1, abs=0.02)
    norm = jacobian_spectrum(network, x)[..., -1].sqrt()
    assert (largest_change(network, x, 1e-3) / 1e-3).numpy() == pytest.approx(norm.numpy(), rel=0.02)


def test_networks_are_measured_at_three_stages(images):
    cells = metrics_over_training(images, [8], [2, 3], 2, 20, 0.1, 10, 0.1)
    assert cells.groupby(["depth", "epoch"]).size().to_dict() == {(L, e): 2 for L in (2, 3) for e in (1, 5, 20)}
    by_epoch = cells.groupby("epoch")["accuracy"].mean()
    assert by_epoch[20] > by_epoch[1]


def test_ranks_are_taken_in_each_seed():
    up, down = [1, 2, 3], [3, 2, 1]
    cells = pd.DataFrame({"seed": np.repeat([0, 1, 2], 3), "P": up * 3, "target": [10, 20, 30, 1, 2, 3, *down]})
    assert rank_correlation(cells, "P", "target").mean == pytest.approx(1 / 3)


def test_means_are_told_cell_by_cell_with_more_digits_for_small_numbers():
    cells = pd.DataFrame(
        {"seed": [0, 1], "depth": 2, "width": 8, "epoch": 5, "P": [0.25, 0.5], "global": [900.0, 1100.0]}
    )
    table = means_by_cell(cells)
    assert table["metric"].tolist() == ["P", "global"]
    assert table["L = 2, m = 8"].tolist() == ["0.38", "1000"]


def test_errors_of_draws_shrink_with_their_number(network, images):
    one, x = FCN(16, 3, 6, 2, "he", dtype=torch.float64), images.x[:1].double()
    errors = errors_of_draws(one, x, perturbation_stability(one, x).item(), [10, 4000], 8)
    assert errors.groupby("draws")["seed"].apply(list).tolist() == [list(range(8))] * 2
    means = errors.groupby("draws")["error"].mean()
    assert means[4000] < means[10] / 5


def test_scale_changes_stability_and_no_decision(network, images):
    x, y = images.x_test, images.y_test
    table = metrics_of_scaled(network, x, y, x.expand(2, *x.shape), (1.0, 10.0))
    assert table["factor"].tolist() == ["1", "10"] and (table["predictions changed"] == 0).all()
    assert table["P"][1] == pytest.approx(10 * table["P"][0], rel=1e-4)
    assert table["relative stability"][1] == pytest.approx(table["relative stability"][0], rel=1e-4)
    hits = (network(x).argmax(dim=-1) == y).double().mean().item()
    assert table["accuracy under attack"].tolist() == pytest.approx([hits, hits])  # of an attack that moves nothing
