"""Curves of rows: what they average, what they leave open, and how a live run is told apart."""

from __future__ import annotations

import base64
import io
import json
import re
from html import unescape as html_text

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from lib import figures
from lib.figures.curves import curves, letter, over_depth, over_width
from lib.figures.publishing import Point, Shown, downloads, lines_of, points
from lib.trends import log_interval


@pytest.fixture
def ends(trainings):
    return trainings.query("moment == 'end' and scaling == 'raw' and momentum == 0")


def line_of(axis, label):
    return next(line for line in axis.lines if line.get_label() == label)


def test_a_curve_is_the_mean_over_seeds_in_the_colour_of_its_initialization(ends):
    axis = plt.figure().subplots()
    over_width(axis, ends[ends.depth == 2], "P", "$P$")
    he = line_of(axis, "He")
    cell = ends.query("initializer == 'he' and depth == 2 and width == 64")
    assert he.get_ydata()[1] == pytest.approx(log_interval(cell.P).mean)
    assert he.get_color() == figures.INITIALIZATIONS["he"].colour
    assert [line.get_label() for line in axis.lines if not line.get_label().startswith("_")] == [
        "He",
        "LeCun",
        "NTK",
        "m⁻²",
    ]


def test_what_has_not_trained_is_open_and_what_is_dead_leaves_a_gap(ends):
    axis = plt.figure().subplots()
    part = ends[(ends.initializer == "he") & (ends.depth == 10)].copy()
    part.loc[part.width == 64, "P"] = 0.0
    over_width(axis, part, "P", "$P$", by="depth")
    curve, open_ = axis.lines
    assert pd.isna(curve.get_ydata()).tolist() == [False, True, False]
    assert open_.get_markerfacecolor() == "white" and list(open_.get_xdata()) == [16]


def test_a_live_run_is_dashed_open_and_named(ends):
    axis = plt.figure().subplots()
    over_depth(axis, ends[ends.width == 64], "test_accuracy", "accuracy", log=False)
    curves(axis, ends[(ends.width == 64) & (ends.initializer == "he")], "depth", "P", live=True)
    live = line_of(axis, "He (live)")
    assert live.get_linestyle() == "--" and live.get_markerfacecolor() == "none"
    assert axis.get_xticks().tolist() == [2, 6, 8, 10]


def test_panels_are_lettered():
    axes = plt.figure().subplots(1, 2)
    letter(axes, ("left", "right"))
    assert [axis.get_title(loc="left") for axis in axes] == [r"$\bf{a}$  left", r"$\bf{b}$  right"]


def test_downloads_hold_the_rows_of_the_figure_and_its_image(ends):
    twice = pd.concat([ends, ends])
    html = downloads("fig-08-x", lines_of(twice, ["P", "relative_change", "absent"]))
    data = re.search(r"base64,([^\"]+)", html).group(1)
    table = pd.read_csv(io.BytesIO(base64.b64decode(data)))
    assert len(table) == len(ends)
    assert {"key", "seed", "width", "depth", "initializer", "P", "relative_change"} <= set(table)
    assert table.P.to_numpy() == pytest.approx(ends.P.to_numpy(), rel=1e-5)
    assert 'download="fig-08-x.svg" href="#fig-08-x"' in html


def test_points_know_their_rows_and_where_they_are_in_the_image(ends, tmp_path):
    part = ends[(ends.depth == 2) & (ends.width < 256)]
    figure = plt.figure(figsize=(6, 4))
    over_width(figure.subplots(), part, "P", "$P$")
    found = points(figure)
    assert len(found) == part.groupby(["initializer", "width"]).ngroups
    he = next(point for point in found if point.label == "He, width 64")
    assert set(he.keys) == set(part.query("initializer == 'he' and width == 64").key)
    figure.savefig(tmp_path / "image.png", bbox_inches="tight", dpi=100)
    pixels = plt.imread(tmp_path / "image.png")[..., :3]
    at = pixels[round(he.top * len(pixels)), round(he.left * pixels.shape[1])]
    inks = [look.colour for look in figures.INITIALIZATIONS.values()]
    assert min(abs(at - ink).max() for ink in inks) < 0.25  # the marker's ink, not the ground


def test_a_live_run_has_no_published_rows_behind_it(ends):
    figure = plt.figure()
    over_depth(figure.subplots(), ends[ends.width == 64], "P", "$P$", live=True)
    assert points(figure) == []


def test_downloads_hold_the_code_and_the_rows_behind_each_point(ends):
    keys = ends["key"].unique()
    marks = [Point(0.25, 0.5, "He, width 64", (keys[2], keys[0], "not drawn"))]
    html = downloads("fig-08-x", lines_of(ends, ["P"]), "x = '<1>'\n", marks)
    assert base64.b64decode(re.search(r'x-python;base64,([^"]+)', html)[1]).decode() == "x = '<1>'\n"
    (data,) = re.findall(r'data-points="([^"]*)"', html)
    assert json.loads(html_text(data)) == [[0.25, 0.5, "He, width 64", [2, 0]]]
    assert "data-points" not in downloads("fig-08-x", lines_of(ends, ["P"]))


def test_a_cell_that_ends_by_showing_a_figure_prints_nothing(ends, capsys):
    formatter = DisplayFormatter()
    assert formatter.format(Shown("fig-08-x", lines_of(ends, ["P"]))) == ({}, {})
    assert capsys.readouterr().out == ""


def test_a_number_names_the_rows_of_a_figure_that_it_is_made_of(ends):
    shown = Shown("fig-08-x", lines_of(ends, ["P"]))
    attributes = shown.rows(initializer="he", width=[16, 64], moment="end")
    figure, runs = re.fullmatch(r'data-figure="(.+)" data-rows="(.+)"', attributes).groups()
    ranges = [range(int(first), int(last) + 1) for first, last in (run.split("-") for run in runs.split())]
    assert figure == "fig-08-x"
    named = shown.lines.iloc[[place for places in ranges for place in places]]
    expected = ends[(ends.initializer == "he") & ends.width.isin([16, 64])]
    assert named.key.tolist() == expected.key.tolist()
    with pytest.raises(ValueError, match=r"which must name rows of fig-08-x, got {'width': 17}"):
        shown.rows(width=17)
