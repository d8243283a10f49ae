"""What a figure must not hide: gaps, depths, seeds; and what must not change: its bytes."""

import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib import figures
from lib.trends import log_interval


@pytest.fixture
def axis():
    with mpl.rc_context():
        mpl.use("agg")
        figure, axis = plt.subplots()
        yield axis
        plt.close(figure)


def rows(depths=(2, 4), widths=(16, 32, 64), seeds=3, missing=()):
    rng = np.random.default_rng(0)
    lines = [(d, w, s) for d in depths for w in widths for s in range(seeds) if (d, w) not in missing]
    frame = pd.DataFrame(lines, columns=["depth", "width", "seed"])
    return frame.assign(P=frame["depth"] * rng.lognormal(sigma=0.1, size=len(frame)))


def curve(axis, label):
    return next(line for line in axis.lines if line.get_label() == label)


def test_curves_are_the_means_over_seeds(axis):
    frame = rows()
    figures.curves_over_width(axis, frame, "P", "$P$")
    for depth in (2, 4):
        line = curve(axis, f"$L = {depth}$")
        of_depth = frame[frame["depth"] == depth]
        means = [log_interval(of_depth[of_depth["width"] == w]["P"]).mean for w in (16, 32, 64)]
        assert list(line.get_xdata()) == [16, 32, 64]
        assert line.get_ydata() == pytest.approx(means)
    assert len(axis.collections) == 2
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")


def test_bands_are_the_t_intervals(axis):
    frame = rows(depths=(2,))
    figures.curves_over_width(axis, frame, "P", "$P$")
    corners = axis.collections[0].get_paths()[0].vertices
    for width in (16, 32, 64):
        interval = log_interval(frame[frame["width"] == width]["P"])
        heights = corners[corners[:, 0] == width][:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((interval.low, interval.high))


def test_a_width_that_a_depth_lacks_interrupts_its_curve(axis):
    figures.curves_over_width(axis, rows(missing={(4, 32)}), "P", "$P$")
    assert np.isnan(curve(axis, "$L = 4$").get_ydata()).tolist() == [False, True, False]
    assert not np.isnan(curve(axis, "$L = 2$").get_ydata()).any()
    # The band is interrupted too: no polygon of depth 4 spans the gap.
    band = axis.collections[1]
    assert all(len(set(path.vertices[:, 0])) == 1 for path in band.get_paths())


def test_one_seed_has_a_curve_and_no_band(axis):
    figures.curves_over_width(axis, rows(seeds=1), "P", "$P$")
    assert not np.isnan(curve(axis, "$L = 2$").get_ydata()).any()
    assert not any(len(path.vertices) for band in axis.collections for path in band.get_paths())


def test_every_depth_is_drawn_however_many_there_are(axis):
    depths = tuple(range(2, 11))
    figures.curves_over_width(axis, rows(depths=depths), "P", "$P$", log=False)
    assert [line.get_label() for line in axis.lines] == [f"$L = {depth}$" for depth in depths]


def test_depths_have_distinct_colours_that_darken_in_order():
    colours = [figures.depth_colour(depth) for depth in range(2, 11)]
    assert len(set(colours)) == 9
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in colours]
    steps = np.diff(luminance)
    assert (steps > 0.03).all() or (steps < -0.03).all()


def test_a_depth_has_the_same_colour_in_every_figure(axis):
    figures.curves_over_width(axis, rows(depths=(4, 10)), "P", "$P$")
    assert curve(axis, "$L = 4$").get_color() == figures.depth_colour(4)
    assert curve(axis, "$L = 10$").get_color() == figures.depth_colour(10)


def test_widths_are_labelled_as_powers_of_two(axis):
    figures.width_axis(axis, [64, 16, 16, 1024])
    axis.figure.canvas.draw()
    assert axis.get_xticks().tolist() == [16, 64, 1024]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["$2^{4}$", "$2^{6}$", "$2^{10}$"]


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.1), (0.2, 5.0), (1e-4, 1e3)])
def test_an_ordinate_has_labels_however_little_it_spans(axis, low, high):
    axis.plot([16, 32], [low, high])
    figures.log_axis(axis, "$P$")
    axis.figure.canvas.draw()
    bottom, top = axis.get_ylim()
    assert sum(bottom <= tick <= top for tick in axis.get_yticks()) >= 2


def svg():
    figures.use_style()
    figure, axis = plt.subplots()
    figures.curves_over_width(axis, rows(), "P", "$P$")
    axis.legend()
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
    return file.getvalue()


def test_equal_rows_give_equal_bytes(axis):
    assert svg() == svg()


@pytest.mark.parametrize(("low", "high", "label"), [(0.2, 30.0, "10"), (1e-9, 1.0, "10^{-6}"), (1.0, 1e6, "10^{4}")])
def test_a_logarithmic_ordinate_has_plain_numbers_or_powers_of_ten(low, high, label):
    figure, axis = plt.subplots()
    axis.plot([1, 2], [low, high])
    figures.log_axis(axis, "stability $P$")
    figure.canvas.draw()
    assert any(label in text.get_text() for text in axis.get_yticklabels())
    assert not any("e+" in text.get_text() or "e-" in text.get_text() for text in axis.get_yticklabels())
    plt.close(figure)


def test_initializations_are_told_apart_and_never_written_as_in_the_code():
    looks = figures.INITIALIZATIONS.values()
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)
    assert [figures.initialization_look(name).label for name in ("he", "power-1.5", "gamma-0.5", "ntk-slides")] == [
        "He", "m⁻¹·⁵", "γ = 0.5", "NTK (slides)",
    ]  # fmt: skip
