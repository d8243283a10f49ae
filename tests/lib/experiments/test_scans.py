"""Tables of width scans: layers apart, the zero of S_w, exponents from one width to the next."""

import numpy as np
import pandas as pd
import pytest

from lib.experiments.regimes import WidthScan, measure
from lib.experiments.scans import boundary_zeros, local_exponents, scanned_here, scanned_layers


def test_a_scan_here_is_what_measuring_gives():
    table = scanned_here([1.0], [10, 20], 2)
    assert table[["gamma", "width", "seed"]].to_numpy().tolist() == [[1, 10, 0], [1, 10, 1], [1, 20, 0], [1, 20, 1]]
    (first, second) = measure(WidthScan("line", 2, 1.0, 0.0, (20,), 0), 20, 2)
    assert table.RD.tolist()[2:] == [first["sup_change"][0], second["sup_change"][0]]


def test_layers_count_from_one_in_every_network():
    scans = pd.DataFrame({"depth": 3, "width": [8, 16], "seed": 0, "sup_change": [[1, 2, 3], [4, 5, 6]]})
    layers = scanned_layers(scans)
    assert layers.layer.tolist() == [1, 2, 3] * 2
    assert layers.change.tolist() == [1, 2, 3, 4, 5, 6]


def test_the_zero_is_linear_between_neighbours_and_nan_where_there_is_none():
    slopes = pd.DataFrame(
        [(0.8, 0.0, 0, -0.1), (1.0, 0.0, 0, 0.3), (0.8, 0.2, 0, -0.4), (1.0, 0.2, 0, -0.1)],
        columns=["gamma", "gamma_prime", "seed", "slope"],
    )
    zeros = boundary_zeros(slopes)
    assert zeros[0.0, 0] == pytest.approx(0.85)
    assert np.isnan(zeros[0.2, 0])


def test_exponents_are_those_between_neighbouring_widths():
    widths = np.array([10.0, 100.0, 1000.0])
    rows = [(0.9, 0.0, s, m, (1 + s) * (m if m < 500 else 10 * m**0.5)) for s in range(2) for m in widths]
    scans = pd.DataFrame(rows, columns=["gamma", "gamma_prime", "seed", "width", "RD"])
    found = local_exponents(scans, 0.9, 0.0)
    assert found.index.tolist() == [100, 1000]
    assert found.tolist() == pytest.approx([1.0, np.log10(10 * 1000**0.5 / 100)])
