"""Networks that fit noise as tables: what the laws say of a row, changes that were put in, the cheapest fit."""

import numpy as np
import pandas as pd
import pytest

from lib.data import random_labels
from lib.experiments import law_rows
from lib.theory.robustness_laws import bubeck_li_nagaraj, smallest_lipschitz


@pytest.fixture
def rows():
    cells = [(128, d, k, s) for d in (16, 32) for k in (4, 8, 16, 32) for s in (3, 4)]
    frame = pd.DataFrame(cells, columns=["samples", "in_features", "width", "seed"])
    return frame.assign(lipschitz=10 * frame["width"] ** -0.5 * (1 + 0.1 * frame["seed"]), P=frame["width"] ** 0.25)


def test_a_run_here_stands_beside_the_laws():
    found = law_rows.noise_here(16, 4, [16], 2, 2, 5000)
    row = found[found.reached.notna()].iloc[0]
    assert row.p == 16 * 5 and row.law == pytest.approx(bubeck_li_nagaraj(16, 16))
    assert row.ratio == pytest.approx(row.lipschitz / row.law)
    assert row.universal_ratio == pytest.approx(row.lipschitz / np.sqrt(16 * 4 / 80))


def test_curves_begin_at_eight_neurons_and_have_three_widths(rows):
    parts = law_rows.curves(rows)
    assert list(parts) == [(128, 16), (128, 32)] and parts[128, 16].width.min() == 8
    assert law_rows.curves(rows[rows.width < 32]) == {}


def test_changes_are_those_of_the_regression(rows):
    parts = law_rows.curves(rows)
    assert np.exp(law_rows.fitted_change(parts[128, 16], "lipschitz")) == pytest.approx([0.5, 0.5])
    assert law_rows.doubling(parts, "P", -1) == pytest.approx(2**0.25 - 1)
    late = law_rows.changes_from(parts, ["P"], 16)
    assert late[128, 32]["P"].mean == pytest.approx(2**0.25)


def test_the_floor_is_the_mean_over_data_sets():
    rows = pd.DataFrame({"samples": 16, "in_features": 8, "seed": [3, 4, 5, 6, 6, 7]})
    least = law_rows.least_lipschitz(rows)
    data = [random_labels(16, 8, seed) for seed in range(3, 8)]
    by_hand = np.exp(np.mean([np.log(smallest_lipschitz(one.x, one.y)) for one in data]))
    assert least == {(16, 8): pytest.approx(by_hand)}


def test_no_row_lies_under_the_average_floor():
    found = law_rows.noise_here(16, 4, [16], 2, 1, 5000)
    assert min(law_rows.over_the_average_floor(found[found.reached == 0.1])) > 1


def test_one_neuron_a_point_interpolates():
    data = random_labels(20, 256, seed=0)
    network = law_rows.one_neuron_a_point(data)
    assert network(data.x)[:, 0].detach().numpy() == pytest.approx(data.y.numpy(), abs=1e-5)
    assert (network[0](data.x) > 1e-5).sum() == 20  # one neuron is on at each point
    with pytest.raises(ValueError, match="take a larger dimension"):
        law_rows.one_neuron_a_point(random_labels(200, 2, seed=0))
