"""What width does to P: curves and their peaks, lazy against non-lazy networks (chapter 9)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.curves import STABILITY, curves, letter, over_width, stability_and_accuracy
from lib.figures.laziness import SETTINGS, over_live, setting_name
from lib.figures.style import (
    CATEGORIES,
    MARKERS,
    PAGE_WIDTH,
    Look,
    depth_colour,
    initialization_look,
    log_axis,
    width_axis,
)
from lib.prose import scientific
from lib.theory.bounds import critical_width, theorem1
from lib.theory.parameters import width_of_parameters
from lib.trends import paired, paired_keys

MEASURES = {
    "P": (STABILITY, True),
    "relative_stability": ("relative stability", True),
    "pgd_accuracy_0.05": ("accuracy under PGD", False),
    "test_accuracy": ("test accuracy", False),
}

_LEAST_RATIO = 0.12  # what is below leaves its axis, with its value written at the edge


def stability_over_width(rows: pd.DataFrame, live: pd.DataFrame | None = None, marked: bool = True) -> Figure:
    """Draw P, and the test accuracy below it, over the width: a column an initialization, a curve a depth.

    Args:
        rows: published measurements at one moment.
        live: the same of a run of one's own; an initialization that is not published gets a column of its own.
        marked: mark L³/2, where the bound of Theorem 1 on fully connected networks peaks, by triangles at the foot.
    """
    live = rows.iloc[:0] if live is None else live
    names = list(dict.fromkeys([*rows["initializer"], *live["initializer"]]))
    widths = [*rows["width"], *live["width"]]
    with stability_and_accuracy(names, ncols=5) as (figure, axes):
        for place, name in enumerate(names):
            for axis, (quantity, log) in zip(axes[:, place], (("P", True), ("test_accuracy", False)), strict=True):
                for part, is_live in ((rows, False), (live, True)):
                    of_name = part[part["initializer"] == name]
                    curves(axis, of_name, "width", quantity, by="depth", log=log, live=is_live)
                width_axis(axis, sorted({m for m in widths if float(np.log2(m)).is_integer()})[::2])
            axes[0, place].set_xlabel("")
            for depth in sorted(rows["depth"].unique()) if marked else ():
                if min(widths) <= critical_width(int(depth)) <= max(widths):
                    axes[0, place].plot(critical_width(int(depth)), 0.03, "^", color=depth_colour(depth), markersize=8,
                                        transform=axes[0, place].get_xaxis_transform())  # fmt: skip
        # A band of untrained networks may reach anywhere.
        axes[0, 0].set_ylim(bottom=max(axes[0, 0].get_ylim()[0], 0.05))
    return figure


def peaks(rows: pd.DataFrame, samples: pd.DataFrame, in_features: int, out_features: int) -> Figure:
    """Draw what would peak where: the bound and P over the width, and P for several sizes of the training set.

    Args:
        rows: He networks at the end of training, of several depths.
        samples: the same at one depth, with the number of training points in `samples`.
        in_features: d of the data.
        out_features: o of the data.
    """
    figure, panels = plt.subplot_mosaic("aa;bc", figsize=(PAGE_WIDTH, 7.2))
    axes = list(panels.values())
    for depth in (6, 8, 10):
        widths = sorted(rows[rows["depth"] == depth]["width"].unique())
        fine = np.geomspace(widths[0], 2048, 200).round().astype(int)
        bound = np.array([theorem1(int(m), depth, in_features, out_features, "he") for m in fine])
        plateau = theorem1(2**20, depth, in_features, out_features, "he")
        axes[0].plot(fine, bound / plateau, ":", color=depth_colour(depth), linewidth=2)
        part = rows[rows["depth"] == depth]
        scale = np.exp(np.log(part.loc[part["width"] == widths[-1], "P"]).mean())
        curves(axes[0], part.assign(share=part["P"] / scale), "width", "share", by="depth")
    width_axis(axes[0], [16, 64, 256, 1024])
    log_axis(axes[0], "over the value of the widest")
    axes[0].legend(fontsize=9)
    samples = samples.sort_values("samples", kind="stable")  # as the legend has them
    sizes = samples["samples"].unique()
    shades = dict(zip(sizes, sns.color_palette("crest", len(sizes)), strict=True))
    marks = dict(zip(sizes, MARKERS, strict=False))

    def look(count: float) -> Look:
        return Look(f"$n = {count:,.0f}$".replace(",", "{,}"), shades[count], marks[count])

    depth = int(samples["depth"].iloc[0])
    over_width(axes[1], samples, "P", STABILITY, by="samples", look=look)
    over_width(axes[2], samples, "train_accuracy", "training accuracy", log=False, by="samples", look=look)
    for axis in axes[1:]:
        axis.axvline(critical_width(depth), color="black", linewidth=0.8, linestyle=":")
        for count in sizes:
            threshold = width_of_parameters(count, depth, in_features, out_features)
            if threshold >= samples["width"].min():
                axis.plot(threshold, 0.03, "^", color=shades[count], markersize=8, transform=axis.get_xaxis_transform())
    axes[1].legend(fontsize=9)
    letter(axes, ("bound (dotted) and P", f"P at $L = {depth}$, by $n$", "fit of the training set"))
    return figure


def lazy_against_nonlazy(ends: pd.DataFrame, matched: pd.DataFrame, live: pd.DataFrame | None = None) -> Figure:
    """Draw P and its companions over the width, lazy and non-lazy, at the end (solid) and at a matched loss (dashed).

    Args:
        ends: measurements of two-layer networks at the end.
        matched: the same at one training loss.
        live: the end of a run of one's own.
    """

    def at_loss_1(name: str) -> Look:
        look = initialization_look(name)
        return look._replace(label=f"{look.label}, loss 1")

    matched = matched.drop(columns="trained", errors="ignore")
    figure, axes = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 6.6), sharex=True)
    for axis, (quantity, (label, log)) in zip(axes.flat, MEASURES.items(), strict=True):
        over_width(axis, ends, quantity, label, log=log)
        curves(axis, matched, "width", quantity, log=log, look=at_loss_1, linestyle=(0, (4, 2)), linewidth=1.2)
        if live is not None and len(live):
            over_live(axis, ends, live, quantity, log=log)
        if log:
            log_axis(axis, label)
    for axis in axes[0]:
        axis.set_xlabel("")
    letter(axes.flat, ("P", "P relative to the output", "small worst-case steps", "fit"))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def nonlazy_effects(
    rows: pd.DataFrame, measures: Mapping[str, tuple[str, bool]], nonlazy: str = "power-2", lazy: str = "he"
) -> pd.DataFrame:
    """Return the effect of non-lazy training, seed by seed, one line a measure, setting and moment, with its keys.

    Args:
        rows: measurements of one architecture.
        measures: name -> column, and whether its ratio is taken; else the difference, in points.
        nonlazy: the initialization in the numerator, or from which is subtracted.
        lazy: the other one.
    """
    by, tables = ["scaling", "momentum", "moment"], []
    for name, (column, ratio) in measures.items():
        sides = rows.assign(effect=rows[column] * (1 if ratio else 100)), "effect", "initializer", nonlazy, lazy, by
        keys = paired_keys(*sides).rename("keys")
        tables.append(paired(*sides, log=ratio).join(keys, on=by).assign(measure=name))
    return pd.concat(tables)


def effects_by_setting(effects: pd.DataFrame, directions: Mapping[str, str]) -> Figure:
    """Draw the effect of non-lazy training in every setting and by every measure, with 95 % intervals over seeds.

    Args:
        effects: as of `nonlazy_effects`; a difference is in points where the measure's name ends with "points".
        directions: of each measure in the order of the panels, what it says left of no effect.
    """
    figure, grid = plt.subplots(-(-len(directions) // 2), 2, figsize=(PAGE_WIDTH, 7), sharey=True, squeeze=False)
    axes = list(grid.flat)[: len(directions)]
    looks = {"end": (CATEGORIES[6], "o", "after 50 epochs"), "loss 1": (CATEGORIES[4], "D", "at training loss 1")}
    for axis, (measure, left) in zip(axes, directions.items(), strict=True):
        part, ratio = effects[effects["measure"] == measure], not measure.endswith("points")
        for place, (scaling, momentum) in enumerate(SETTINGS):
            for shift, (moment, (colour, marker, label)) in zip((-0.14, 0.14), looks.items(), strict=True):
                chosen = (part["scaling"] == scaling) & (part["momentum"] == momentum) & (part["moment"] == moment)
                if not chosen.any():
                    axis.annotate("not reached", (0.5, place + shift), xycoords=("axes fraction", "data"), ha="center",
                                  va="center", fontsize=9, color=colour)  # fmt: skip
                    continue
                line = part[chosen].iloc[0]
                if ratio and line["mean"] < _LEAST_RATIO:
                    axis.annotate(f"← {scientific(line['mean'])}", (0.02, place + shift), va="center", fontsize=9,
                                  xycoords=("axes fraction", "data"), color=colour)  # fmt: skip
                    continue
                bar = [[line["mean"] - line["low"]], [line["high"] - line["mean"]]]
                drawn = axis.errorbar(
                    line["mean"], place + shift, xerr=bar, fmt=marker, color=colour, capsize=3, label=label
                )
                named = f"{measure}, {setting_name(scaling, momentum)}, {label}"
                drawn.lines[0].rows_behind = {line["mean"]: (named, line["keys"])}
        axis.axvline(1 if ratio else 0, color="black", linewidth=0.8)
        if ratio:
            axis.set_xscale("log")
            axis.set_xlim(_LEAST_RATIO, 2)
            axis.set_xticks(ticks := [0.2, 0.5, 1, 2])
            axis.set_xticklabels([f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
        axis.set_xlabel(f"{measure}\n{left}", fontsize=10)
    grid[0, 0].set(yticks=range(len(SETTINGS)), ylim=(len(SETTINGS) - 0.5, -0.5))
    for axis in grid[:, 0]:
        axis.set_yticklabels([setting_name(*setting) for setting in SETTINGS])
    letter(axes, [""] * len(directions))
    handles = dict(zip(*grid[0, 0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure
