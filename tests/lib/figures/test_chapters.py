"""The figures of chapters 8, 9 and 10 on rows that are known: the right curves, and a live run among them."""

from __future__ import annotations

import pandas as pd
import pytest

from lib.figures import depth, laziness, width
from lib.figures.publishing import points
from lib.trends import paired


@pytest.fixture
def raw(trainings):
    return trainings.query("scaling == 'raw' and momentum == 0")


def labels(axis):
    return axis.get_legend_handles_labels()[1]


def words(figure):
    """All that a figure says, with what its legends say."""
    axes = figure.axes
    texts = [*figure.texts, *(text for axis in axes for text in axis.texts)]
    legends = [legend for holder in (figure, *axes) for legend in getattr(holder, "legends", [])]
    return " ".join(
        [text.get_text() for text in texts] + [label for axis in axes for label in labels(axis)] + [str(legends)]
    )


def test_movement_names_the_ends_of_each_fan_and_draws_a_live_run(raw):
    two = raw[(raw.depth == 2) & raw.initializer.isin(["he", "power-2"])]
    live = two[(two.initializer == "he") & (two.width == 64)]
    figure = laziness.movement(two, live)
    assert "He, $m = 16$" in words(figure) and "m⁻², $m = 256$" in words(figure)
    assert labels(figure.axes[1]) == ["He", "m⁻²", "He (live)"]


def test_traces_are_dotted_lines_among_the_fans(raw):
    two = raw[(raw.depth == 2) & raw.initializer.isin(["he", "power-2"])]
    traces = two[two.reached.isna() & (two.initializer == "he") & (two.width == 64) & (two.epoch > 0)]
    plain, traced = laziness.movement(two).axes[0], laziness.movement(two, traces=traces).axes[0]
    assert len(traced.lines) == len(plain.lines) + 1
    (dotted,) = (line for line in traced.lines if line.get_linewidth() == 2)
    assert list(dotted.get_xdata()) == [1, 5, 10, 25, 50]


def test_every_setting_has_a_panel_with_its_accuracies(trainings):
    figure = laziness.six_settings(trainings[trainings.initializer.isin(["he", "power-2"]) & (trainings.depth == 2)])
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert len(titles) == 6 and titles[5].endswith("unit, momentum 0.9")
    assert all(any("accuracy 0.8" in text.get_text() for text in axis.texts) for axis in figure.axes)


def test_layers_become_lines_of_their_own(raw):
    long = laziness.layers(raw[raw.moment == "end"])
    one = long[long.key == "he-raw-0.0-6-64-3"]
    assert one.layer.tolist() == [1, 2, 3, 4, 5, 6]
    assert one.change.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_layers_growth_and_budgets_are_drawn(raw):
    ends = raw[raw.moment == "end"]
    two = ends[(ends.depth == 2) & ends.initializer.isin(["he", "power-2"])]
    left, right = laziness.by_layer(two, ends[(ends.depth == 10) & (ends.width == 64)]).axes
    assert "He, layer 2" in labels(left) and "LeCun" in labels(right)
    grown = raw.assign(growth=raw.P)
    deep = grown[(grown.depth == 10) & (grown.width == 64) & grown.reached.isna()]
    assert len(laziness.kappa_and_growth(deep, grown[grown.moment == "end"]).axes) == 3
    constant = pd.concat([ends.assign(lr=lr, budget=lr * 50) for lr in (0.001, 0.1)])
    moving = raw[(raw.width == 64) & raw.reached.isna() & (raw.epoch > 0)]
    figure = laziness.budgets(constant, moving.assign(budget=moving.epoch * 0.001))
    assert "He, rate 0.1" in words(figure) and "epochs 25 to 50" in words(figure)


def test_stability_over_width_marks_critical_widths_and_gives_a_new_initialization_a_panel(raw):
    ends = raw[(raw.moment == "end") & raw.initializer.isin(["he", "lecun"])]
    live = ends[ends.initializer == "he"].assign(initializer="gamma-1.2")
    figure = width.stability_over_width(ends, live)
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]
    assert [title.split("  ")[1] for title in titles] == ["He", "LeCun", "γ = 1.2"]
    assert "$L = 6$ (live)" in labels(figure.axes[2])
    places = [
        line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "^" and len(line.get_xdata()) == 1
    ]
    assert {108.0, 256.0} <= set(places) and 500.0 not in places


def test_stability_over_width_draws_a_live_run_where_nothing_is_published(raw):
    ends = raw[(raw.moment == "end") & (raw.initializer == "he")]
    figure = width.stability_over_width(ends.iloc[:0], ends, marked=False)
    assert len(figure.axes) == 2 and all("(live)" in label for label in labels(figure.axes[0]))


def test_lazy_against_nonlazy_has_both_moments(raw):
    two = raw[(raw.depth == 2) & raw.initializer.isin(["he", "power-2"])]
    ends, matched = two[two.moment == "end"], two[two.moment == "loss 1"]
    figure = width.lazy_against_nonlazy(ends, matched, ends[ends.initializer == "he"])
    assert all(labels(axis) == ["He", "m⁻²", "He, loss 1", "m⁻², loss 1", "He (live)"] for axis in figure.axes)


def test_an_effect_that_was_not_reached_says_so_and_one_off_the_axis_gives_its_value(trainings):
    part = trainings[(trainings.depth == 2) & (trainings.width == 64) & trainings.moment.isin(["end", "loss 1"])]
    effects = width.nonlazy_effects(part, {"P, ratio": ("P", True)})
    effects = effects[(effects.scaling != "unit") | (effects.moment == "end")]
    effects.loc[(effects.scaling == "unit"), ["mean", "low", "high"]] = 6e-6
    texts = words(width.effects_by_setting(effects, {"P, ratio": "← smaller"})).replace("\u00a0", " ")
    assert texts.count("not reached") == 2 and texts.count("← 6 · 10⁻⁶") == 2


def test_each_effect_knows_the_rows_of_both_initializations(trainings):
    part = trainings[(trainings.depth == 2) & (trainings.width == 64) & trainings.moment.isin(["end", "loss 1"])]
    part = part[part.initializer.isin(["he", "power-2"])]
    lacking = (part.initializer == "he") & (part.scaling == "raw") & (part.seed == 4) & (part.moment == "end")
    measures = {"P, ratio": ("P", True), "PGD accuracy, points": ("pgd_accuracy_0.05", False)}
    effects = width.nonlazy_effects(part[~lacking], measures)
    alone = paired(part.assign(P=part.P), "P", "initializer", "power-2", "he", ["scaling", "momentum", "moment"])
    assert effects[effects.scaling != "raw"].query("measure == 'P, ratio'")["mean"].tolist() == pytest.approx(
        alone[alone.scaling != "raw"]["mean"].tolist()
    )
    found = points(width.effects_by_setting(effects, dict.fromkeys(measures, "")))
    assert len(found) == len(effects) == 2 * 6 * 2
    labels = {point.label for point in found}
    assert len(labels) == len(found) and "P, ratio, unit, momentum 0.9, at training loss 1" in labels
    one = next(point for point in found if point.label == "PGD accuracy, points, raw, no momentum, after 50 epochs")
    assert set(one.keys) == {f"{name}-raw-0.0-2-64-{seed}" for name in ("he", "power-2") for seed in (3, 5)}


def test_peaks_are_sought_at_both_places(raw):
    he = raw[(raw.initializer == "he") & (raw.moment == "end")]
    samples = pd.concat([he[he.depth == 6].assign(samples=n) for n in (1000.0, 60_000.0)])
    axes = width.peaks(he, samples, 784, 10).axes
    assert labels(axes[1]) == ["$n = 1{,}000$", "$n = 60{,}000$"]
    assert any(line.get_xdata()[0] == 108 for line in axes[1].lines)


def test_depth_figures_have_the_four_moments(raw, trainings):
    three = raw[raw.initializer != "power-2"]
    wide = three[three.width == 64]
    figure = depth.stability_over_depth(wide, wide[(wide.initializer == "he") & (wide.moment == "end")])
    assert labels(figure.axes[0]) == [*(look.label for look in depth.MOMENTS.values()), "after 50 epochs (live)"]
    crossed = trainings[(trainings.moment == "end") & (trainings.width == 64)]
    crossed = crossed[crossed.initializer.isin(["he", "lecun"])]
    figure = depth.depth_effects(three, crossed)
    ratio = figure.axes[0].lines[0].get_ydata()
    assert ratio == pytest.approx([5, 5, 5], rel=0.1)
    behind = {point.label: point.keys for point in points(figure)}
    moments = len(depth.MOMENTS)
    assert len(behind) == 3 * 3 * moments + 2 * 6
    expected = {f"ntk-raw-0.0-{L}-16-{seed}" for L in (2, 10) for seed in (3, 4, 5)}
    assert set(behind["after one epoch, NTK, width 16"]) == expected
    expected = {f"lecun-unit-0.9-{L}-64-{seed}" for L in (2, 10) for seed in (3, 4, 5)}
    assert set(behind["LeCun, unit, momentum 0.9, after 50 epochs"]) == expected
    titles = [axis.get_title(loc="left") for axis in depth.over_epochs(wide[wide.reached.isna()]).axes[:3]]
    assert [title.split("  ")[1] for title in titles] == ["He", "LeCun", "NTK"]


def test_the_paradox_has_a_line_within_each_initialization_and_one_for_all(raw):
    cells = raw[(raw.moment == "end") & (raw.initializer != "power-2")].groupby(["initializer", "depth", "width"])
    means = cells[["P", "noise_accuracy_0.5", "pgd_accuracy_0.05"]].mean()
    figure = depth.rank_paradox(means.join(cells["key"].agg(tuple).rename("keys")).reset_index())
    behind = {point.label: point.keys for point in points(figure)}
    assert len(points(figure)) == 2 * len(means)
    assert behind["NTK, depth 6, width 256"] == tuple(f"ntk-raw-0.0-6-256-{seed}" for seed in (3, 4, 5))
    assert [len(axis.lines) for axis in figure.axes] == [4, 4]
    assert labels(figure.axes[0]) == ["He", "LeCun", "NTK", "all together"]


def test_the_law_of_gamma_has_points_on_lines(raw):
    drawn = raw[(raw.moment == "start") & (raw.width == 64)].assign(P_rms=lambda t: t.depth)
    exact = {name: {2: 2.0, 10: 10.0} for name in ("he", "lecun")}
    figure = depth.law_of_gamma(exact, drawn)
    axis = figure.axes[0]
    assert {"He, depth 2", "LeCun, depth 10"} <= {point.label for point in points(figure)}
    assert axis.lines[0].get_ydata().tolist() == [2.0, 10.0]
    assert "He" in labels(axis)
