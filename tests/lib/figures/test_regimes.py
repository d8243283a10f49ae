"""Chapter 6's figures: what stands in their panels is what the tables that they are given say."""

import numpy as np
import pandas as pd
import pytest

from lib.experiments.film import film
from lib.figures import depth_colour, regimes
from lib.trends import Interval

SEEDS = range(3)


def labels(axis):
    return axis.get_legend_handles_labels()[1]


def line_of(axis, label):
    return next(line for line in axis.lines if line.get_label() == label)


@pytest.fixture(scope="module")
def scans():
    """Measures m^(c − ½) of two-layer networks, at three widths."""
    lines = [(c, m, seed) for c in (0.25, 1.0) for m in (1000, 2500, 6300) for seed in SEEDS]
    frame = pd.DataFrame(lines, columns=["c", "width", "seed"])
    power = frame["width"] ** (frame["c"] - 0.5) * (1 + 0.01 * frame["seed"])
    return frame.assign(kappa=power, RD=power, linearization_error=power, kernel_drift=power, depth=2)


def test_each_measure_has_a_panel_and_each_exponent_a_curve(scans):
    axes = regimes.measures_over_width(scans).axes
    assert [axis.get_ylabel() for axis in axes][1:] == [
        "RD of the input layer", "linearization error", "kernel drift",
    ]  # fmt: skip
    falling, rising = (line_of(axes[0], f"$c = {c}$").get_ydata() for c in ("0.25", "1"))
    assert (np.diff(falling) < 0).all() and (np.diff(rising) > 0).all()


def test_the_plane_shows_what_was_measured_and_only_edges_with_seeds():
    measured = pd.DataFrame({0.8: [-0.2, -0.3], 1.2: [0.1, -0.1]}, index=[0.0, 0.4])
    edges = {0.0: Interval(1.02, 1.0, 1.04, 5), 0.4: Interval(np.nan, np.nan, np.nan, 0)}
    left, right = regimes.phase_diagram(measured, measured + 0.1, edges).axes[:2]
    assert left.collections[0].get_array().ravel().tolist() == measured.to_numpy().ravel().tolist()
    assert [list(bars[0].get_xdata()) for bars in left.containers] == [[1.02]]
    equal = next(line for line in right.lines if line.get_label() == r"$\gamma' = 0$")
    assert equal.get_xdata() - equal.get_ydata() == pytest.approx([0.1, 0.1])


def test_the_exponent_crosses_zero_where_it_was_measured():
    slopes = {c: Interval(c - 0.5, c - 0.6, c - 0.4, 5) for c in (0.25, 0.5, 2.0)}
    (axis,) = regimes.slope_over_exponent(slopes, Interval(0.51, 0.5, 0.52, 5)).axes
    assert line_of(axis, "measured zero").get_xdata()[0] == 0.51
    assert axis.containers[0][0].get_ydata().tolist() == pytest.approx([-0.25, 0, 1.5])


def test_layers_stand_beside_each_other_in_a_panel_a_depth():
    lines = [(L, m, s, layer) for L in (2, 3) for m in (32, 64) for s in SEEDS for layer in range(1, L + 1)]
    layers = pd.DataFrame(lines, columns=["depth", "width", "seed", "layer"])
    axes = regimes.layers_over_width(layers.assign(change=layers["layer"] * 10.0)).axes
    assert [labels(axis) for axis in axes] == [[f"layer {k}" for k in range(1, L + 1)] for L in (2, 3)]
    assert line_of(axes[1], "layer 3").get_ydata() == pytest.approx([30, 30])
    assert line_of(axes[1], "layer 3").get_color() == depth_colour(3)


def test_kappa_has_initializations_on_the_left_and_depths_on_the_right(trainings):
    ends = trainings.query("moment == 'end' and scaling == 'raw' and momentum == 0")
    left, right = regimes.kappa_at_the_end(ends).axes
    assert labels(left) == ["He", "LeCun", "NTK", "m⁻²"]
    assert labels(right) == [f"$L = {depth}$" for depth in sorted(ends["depth"].unique())]


def test_norms_keep_the_order_of_the_cases_and_their_floors(scans):
    networks = scans.assign(case=["wide" if c == 1 else "lazy" for c in scans["c"]], path_norm=5.0, kernel_norm=8.0)
    left, right = regimes.norms_over_width(networks, least=6.5).axes
    assert labels(left) == ["lazy", "wide"]
    assert [axis.lines[-1].get_ydata()[0] for axis in (left, right)] == [4.0, 6.5]


def test_films_have_three_frames_and_a_way():
    films = [film(gamma, 20, 0) for gamma in (0.5, 2.0)]
    axes = regimes.neurons_at_three_moments(films).axes
    assert len(axes) == 6
    assert sum(len(points.get_offsets()) for points in axes[3].collections) == 20
    (axis,) = regimes.directions_over_loss(films).axes
    assert labels(axis) == [r"$\gamma = 0.5$", r"$\gamma = 2$"]
    for line, one in zip(axis.lines, films, strict=True):
        assert line.get_xdata()[0] == 1 and list(line.get_ydata()) == one.directions
