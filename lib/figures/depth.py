"""What depth and initialization do to P, before, during and after training (chapter 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.curves import STABILITY, curves, letter, over_depth, stability_and_accuracy
from lib.figures.laziness import SETTINGS, setting_name
from lib.figures.style import (
    CATEGORIES,
    INITIALIZATIONS,
    PAGE_WIDTH,
    Look,
    depth_look,
    initialization_look,
    log_axis,
    width_axis,
)
from lib.trends import paired, paired_keys

# In none of the colours of the initializations, which stand beside them.
MOMENTS = {
    "start": Look("at initialization", CATEGORIES[5], "o"),
    "epoch 1": Look("after one epoch", CATEGORIES[4], "s"),
    "loss 0.5": Look("at training loss 0.5", (0.45, 0.45, 0.45), "D"),
    "end": Look("after 50 epochs", CATEGORIES[6], "^"),
}


def stability_over_depth(rows: pd.DataFrame, live: pd.DataFrame | None = None) -> Figure:
    """Draw P, and the test accuracy below it, over the depth: a column an initialization, a curve a moment.

    Args:
        rows: measurements of one width.
        live: the end of a run of one's own, of one width; an initialization that is not published gets its own column.
    """
    live = rows.iloc[:0] if live is None else live
    names = list(dict.fromkeys([*rows["initializer"], *live["initializer"]]))
    depths = sorted({*rows["depth"], *live["depth"]})
    with stability_and_accuracy(names, ncols=4, ratio=1.7) as (figure, axes):
        for place, name in enumerate(names):
            for axis, (quantity, log) in zip(axes[:, place], (("P", True), ("test_accuracy", False)), strict=True):
                for moment, look in MOMENTS.items():
                    part = rows[(rows["initializer"] == name) & (rows["moment"] == moment)]
                    curves(axis, part, "depth", quantity, by="moment", look=lambda _, look=look: look, log=log)
                curves(
                    axis,
                    live[live["initializer"] == name],
                    "depth",
                    quantity,
                    by="moment",
                    look=MOMENTS.get,
                    log=log,
                    live=True,
                )
                axis.set(xticks=depths, xlabel="depth $L$" if quantity != "P" else "")
    return figure


def depth_effects(rows: pd.DataFrame, crossed: pd.DataFrame, deep: int = 10, shallow: int = 2) -> Figure:
    """Draw P of deep networks over P of shallow ones: by width and moment, and at the end in every setting.

    Args:
        rows: measurements of the primary setting; panels are its initializations.
        crossed: the ends of one width in every setting, with `trained`.
        deep: the depth whose P is compared.
        shallow: the depth that it is compared with.
    """
    names = list(dict.fromkeys(rows["initializer"]))
    columns = len(names)
    figure = plt.figure(figsize=(PAGE_WIDTH, 7.4))
    grid = figure.add_gridspec(2, columns)
    axes = [*(figure.add_subplot(grid[0, place]) for place in range(columns)), figure.add_subplot(grid[1, :])]
    for axis, name in zip(axes, names, strict=False):
        of_name = rows[rows["initializer"] == name]
        widths: set[int] = set()
        for moment, look in MOMENTS.items():
            part = of_name[of_name["moment"] == moment]
            sides = part, "P", "depth", deep, shallow, ["width"]
            table = paired(*sides)
            widths |= set(table["width"])
            (line,) = axis.plot(table["width"], table["mean"], color=look.colour, marker=look.marker, label=look.label)
            named = initialization_look(name).label
            line.rows_behind = {m: (f"{named}, width {m}", keys) for m, keys in paired_keys(*sides).items()}
            axis.fill_between(table["width"], table["low"], table["high"], color=look.colour, alpha=0.18, linewidth=0)
            lost = part[part["depth"] == deep].groupby("width")["trained"].all()
            lost = table[table["width"].isin(lost.index[~lost])]
            axis.plot(lost["width"], lost["mean"], look.marker, color=look.colour, markerfacecolor="white")
        axis.axhline(1, color="black", linewidth=0.8)
        width_axis(axis, sorted(widths)[:: 1 if len(widths) < 6 else 2])
        axis.set_ylim(0.02, 12)
        log_axis(axis, f"$P$ at $L = {deep}$ over $L = {shallow}$" if axis is axes[0] else "")
        if axis is not axes[0]:
            axis.tick_params(labelleft=False)
    by = ["initializer", "scaling", "momentum"]
    effects = paired(crossed, "P", "depth", deep, shallow, by)
    behind, complete = paired_keys(crossed, "P", "depth", deep, shallow, by), crossed.groupby(by)["trained"].all()
    last = axes[-1]
    for line in effects.itertuples():
        look = initialization_look(line.initializer)
        place = SETTINGS.index((line.scaling, line.momentum)) + 0.15 * (1 if line.initializer == "lecun" else -1)
        group = line.initializer, line.scaling, line.momentum
        filled = complete[group]
        bar = [[line.mean - line.low], [line.high - line.mean]]
        drawn = last.errorbar(line.mean, place, xerr=bar, fmt=look.marker, capsize=3,
                              color=look.colour, markerfacecolor=look.colour if filled else "white",
                              label=look.label if filled else None)  # fmt: skip
        named = f"{look.label}, {setting_name(line.scaling, line.momentum)}, after 50 epochs"
        drawn.lines[0].rows_behind = {line.mean: (named, behind[group])}
    last.axvline(1, color="black", linewidth=0.8)
    last.set(
        xscale="log",
        yticks=range(len(SETTINGS)),
        ylim=(len(SETTINGS) - 0.5, -0.5),
        xlabel="the same ratio after 50 epochs",
    )
    last.set_xticks(ticks := [0.03, 0.1, 0.3, 1, 3, 10, 30])
    last.set_xticklabels([f"{tick:g}" for tick in ticks])
    last.minorticks_off()
    last.set_yticklabels([setting_name(*setting) for setting in SETTINGS])
    handles = dict(zip(*last.get_legend_handles_labels()[::-1], strict=True))
    last.legend(handles.values(), handles.keys(), fontsize=9, loc="lower left")
    letter(axes, [*(initialization_look(name).label for name in names), "six settings"])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def over_epochs(rows: pd.DataFrame) -> Figure:
    """Draw P, and the test accuracy below it, over epochs: a column an initialization, a curve a depth."""
    names = list(dict.fromkeys(rows["initializer"]))
    # Epoch 0 has no place on a logarithmic axis; it is drawn at a half.
    rows = rows.assign(place=rows["epoch"].replace(0, 0.5))
    epochs = sorted(rows["epoch"].unique())
    with stability_and_accuracy(names, ncols=5, height=5.6) as (figure, axes):
        for column, name in zip(axes.T, names, strict=True):
            part = rows[rows["initializer"] == name].drop(columns="trained")
            curves(column[0], part, "place", "P", by="depth", look=depth_look)
            curves(column[1], part, "place", "test_accuracy", by="depth", look=depth_look, log=False)
            column[1].set(xlabel="epoch", xscale="log", xticks=[max(epoch, 0.5) for epoch in epochs])
            column[1].set_xticklabels([f"{epoch:g}" for epoch in epochs])
            column[1].minorticks_off()
    return figure


def law_of_gamma(exact: Mapping[str, Mapping[int, float]], drawn: pd.DataFrame) -> Figure:
    """Draw the exact root-mean-square stability at initialization over the depth, and that of networks drawn.

    Args:
        exact: initialization -> depth -> value.
        drawn: one line a batch of networks with initializer, depth and P_rms.
    """
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.4))
    for name, values in exact.items():
        axis.plot(list(values), list(values.values()), color=initialization_look(name).colour, linewidth=1, alpha=0.7)
    over_depth(axis, drawn, "P_rms", "$P_{rms}$ at initialization", linestyle="", markersize=7)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def rank_paradox(
    cells: pd.DataFrame, robustness: Sequence[str] = ("noise_accuracy_0.5", "pgd_accuracy_0.05")
) -> Figure:
    """Draw accuracy under noise and under attack against P, one point a cell, with a line within each initialization.

    Args:
        cells: means over seeds of trained cells: initializer, depth, width, P, and the accuracies, with the `keys` of
            their rows.
        robustness: the two columns.
    """
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.2))
    names = {"noise_accuracy_0.5": "accuracy under random noise", "pgd_accuracy_0.05": "accuracy under PGD"}
    for axis, column in zip(axes, robustness, strict=True):
        for name in (name for name in INITIALIZATIONS if name in set(cells["initializer"])):
            part, look = cells[cells["initializer"] == name], initialization_look(name)
            drawn = axis.scatter(part["P"], part[column], s=8 * part["depth"], color=look.colour, marker=look.marker,
                                 edgecolor="white", linewidth=0.5, label=look.label)  # fmt: skip
            drawn.rows_behind = {
                cell.P: (f"depth {cell.depth}, width {cell.width}", cell.keys) for cell in part.itertuples()
            }
            _line(axis, part["P"], part[column], color=look.colour, linewidth=1.5)
        _line(axis, cells["P"], cells[column], color="black", linestyle="--", linewidth=1.5, label="all together")
        axis.set(xscale="log", xlabel=STABILITY, ylabel=names[column])
        axis.set_xticks(ticks := [0.3, 0.5, 1, 1.5])
        axis.set_xticklabels([f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    letter(axes, ("average case", "worst case"))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _line(axis: plt.Axes, x: pd.Series, y: pd.Series, **style: object) -> None:
    slope, start = np.polyfit(np.log(x), y, 1)
    ends = np.array([x.min(), x.max()])
    axis.plot(ends, start + slope * np.log(ends), **style)
