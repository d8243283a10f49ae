"""Networks beside Table 2: the columns of a cell against the estimators, and where the climb stops."""

import numpy as np
import pandas as pd
import pytest
import torch

from lib.estimators import lazy_training_ratio, perturbation_stability
from lib.experiments.earlier_bounds import (
    FIRST_SEED,
    norms,
    products_of_norms,
    steepest_in_width,
    trained_on_digits,
    unit_points,
    untrained,
    with_table_2,
)
from lib.networks import FCN
from lib.theory.bounds import huang2021, theorem1, wu2021
from lib.theory.initialization import mean_stability


def test_points_lie_on_the_sphere_and_stay():
    x = unit_points(5, 12)
    assert torch.linalg.vector_norm(x, dim=1).numpy() == pytest.approx(np.ones(5), rel=1e-6)
    assert torch.equal(x, unit_points(5, 12))


def test_norms_are_those_of_the_jacobian():
    network, x = FCN(8, 3, 12, 4, "ntk", replicas=2, seed=FIRST_SEED), unit_points(3, 12)
    found, jacobian = norms(network, x), network.jacobian(x).detach()
    assert found["jacobian_frobenius"] == pytest.approx(jacobian.flatten(2).norm(dim=2).mean(dim=1).numpy(), rel=1e-5)
    spectral = torch.linalg.matrix_norm(jacobian, 2).mean(dim=1).numpy()
    assert found["jacobian_spectral"] == pytest.approx(spectral, rel=1e-5)
    assert found["P"] == pytest.approx(perturbation_stability(network, x).mean(dim=1).numpy(), rel=1e-5)


def test_the_climb_is_made_in_narrow_networks_and_never_below_the_point():
    cells = untrained([8, 32], [2], unit_points(2, 12), 4, 3, 1, 8, 0.5, 2)
    narrow, wide = (cells[cells.width == m] for m in (8, 32))
    assert wide.lipschitz.isna().all()
    at_point = norms(FCN(8, 2, 12, 4, "ntk", replicas=3, seed=FIRST_SEED), unit_points(2, 12)[:1])["jacobian_spectral"]
    assert (narrow.lipschitz.to_numpy() >= at_point * (1 - 1e-6)).all()
    assert cells["Wu et al."].tolist() == [wu2021(m, 2) for m in cells.width]
    assert cells["Huang et al."].tolist() == [huang2021(m, 2) for m in cells.width]
    assert cells.seed.tolist() == [0, 1, 2] * 2 and set(cells.d) == {12}


def test_training_moves_the_networks_that_were_drawn():
    cells = trained_on_digits([8], [2], 2, 2, 0.2, 1, 0.5, 0)
    assert len(cells) == 2 and (cells.kappa > 0).all() and cells.accuracy.between(0, 1).all()
    network = FCN(8, 2, 64, 10, "ntk", replicas=2, seed=FIRST_SEED)
    assert float(lazy_training_ratio(network, [w.detach().clone() for w in network.weights])[0]) == 0


def test_the_bounds_of_table_2_stand_beside_the_exact_mean():
    (line,) = with_table_2(pd.DataFrame({"width": [64], "depth": [4]}), 784, 10).to_dict("records")
    assert line["Zhu et al."] == pytest.approx(theorem1(64, 4, 784, 10, "ntk") / 2**0.5)
    assert (line["Wu et al."], line["Huang et al."]) == (wu2021(64, 4), huang2021(64, 4))
    assert line["exact"] == mean_stability(64, 4, 784, 10, "ntk")


def test_the_steepest_power_is_found_where_it_was_put():
    cells = pd.DataFrame(
        [(m, L, s) for m in (8, 16, 32) for L in (2, 4) for s in range(3)], columns=["width", "depth", "seed"]
    )
    cells = cells.assign(P=cells.width**0.2, norm=cells.width ** (0.1 * cells.depth), absent=np.nan)
    quantity, depth, power = steepest_in_width(cells, ["P", "norm", "absent"])
    assert (quantity, depth) == ("norm", 4) and power.mean == pytest.approx(0.4)


def test_products_of_norms_are_those_of_the_weights():
    table = products_of_norms([8], [2, 3], 12, 4, replicas=2)
    assert table[["depth", "width"]].to_numpy().tolist() == [[2, 8], [3, 8]]
    weights = FCN(8, 3, 12, 4, "ntk-slides", replicas=2, seed=FIRST_SEED).weights
    product = np.prod([torch.linalg.matrix_norm(w.detach(), 2).numpy() for w in weights], axis=0).mean()
    assert table["product"][1] == pytest.approx(product, rel=1e-4)
    assert table["over_huang"][1] == pytest.approx(product / huang2021(8, 3), rel=1e-4)
    edges = (1 + (12 / 8) ** 0.5) * (1 + (4 / 8) ** 0.5)
    assert table["over_all"][1] == pytest.approx(table["over_huang"][1] / edges)
