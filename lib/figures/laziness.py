"""How far weights move: κ over epochs, widths, settings and budgets, and what κ does not say (chapter 8)."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lib.figures.curves import curves, letter, over_width
from lib.figures.style import PAGE_WIDTH, Look, initialization_look, log_axis, width_axis
from lib.trends import summarise

KAPPA = r"lazy training ratio $\kappa$"
SETTINGS = [(scaling, momentum) for momentum in (0.0, 0.9) for scaling in ("raw", "standard", "unit")]


def setting_name(scaling: str, momentum: float) -> str:
    """Return how a setting is written: "raw, momentum 0.9"."""
    return f"{scaling}, " + (f"momentum {momentum:g}" if momentum else "no momentum")


def movement(rows: pd.DataFrame, live: pd.DataFrame | None = None, traces: pd.DataFrame | None = None) -> Figure:
    """Draw κ over epochs, one line a width, and κ at the end over widths: the paper's Figs. 2 and 3.

    Args:
        rows: published measurements at ends of epochs of two-layer networks, of the initializations to compare.
        live: the same of a run of one's own; it joins panel b, and panel a where its epochs fit.
        traces: κ at every epoch, of other seeds of the same networks; they join panel a as dotted lines.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.2))
    moving = rows[(rows["epoch"] > 0) & rows["reached"].isna()]
    for name, part in moving.groupby("initializer", sort=False):
        look, widths = initialization_look(name), sorted(part["width"].unique())
        shades = sns.light_palette(look.colour, len(widths) + 2)[2:]
        for width, shade in zip(widths, shades, strict=True):
            of_width = part[part["width"] == width]
            ends = width in (widths[0], widths[-1])
            curves(
                left, of_width, "epoch", "kappa", look=lambda _, s=shade, m=look.marker: Look("", s, m), markersize=3
            )
            if ends:
                last = summarise(of_width[of_width["epoch"] == of_width["epoch"].max()], "kappa", ["width"])
                left.annotate(
                    f"{look.label}, $m = {width}$", (of_width["epoch"].max(), last["mean"].iloc[0]), xytext=(6, -3),
                    textcoords="offset points", fontsize=9,
                )  # fmt: skip
            own = traces[(traces["initializer"] == name) & (traces["width"] == width)] if traces is not None else ()
            if len(own):
                mean = summarise(own, "kappa", ["epoch"])
                left.plot(mean["epoch"], mean["mean"], color=shade, linestyle=(0, (1, 1)), linewidth=2)
    left.set(xlabel="epoch", xscale="log", xlim=(0.9, 900), xticks=(epochs := sorted(moving["epoch"].unique())))
    left.set_xticklabels([f"{epoch:g}" for epoch in epochs])
    left.minorticks_off()
    left.axvline(25, color="black", linewidth=0.8, linestyle=":")
    left.annotate("learning rate drops", (25, left.get_ylim()[0]), xytext=(-4, 4), textcoords="offset points",
                  rotation=90, ha="right", va="bottom", fontsize=9)  # fmt: skip
    log_axis(left, KAPPA)
    ends = rows[rows["moment"] == "end"]
    over_width(right, ends, "kappa", KAPPA)
    if live is not None and len(live):
        over_live(right, ends, live, "kappa")
    right.axhline(1, color="black", linewidth=0.8, linestyle=":")
    right.legend(fontsize=9, loc="upper left")
    letter((left, right), ("over epochs, one line a width", "at the end, over widths"))
    return figure


def over_live(axis: Axes, rows: pd.DataFrame, live: pd.DataFrame, quantity: str, log: bool = True) -> None:
    """Add the end of a live run to a panel of published rows over the width."""
    end = live[live["moment"] == "end"]
    curves(axis, end, "width", quantity, log=log, live=True)
    width_axis(axis, [*rows["width"], *end["width"]])
    if log:
        log_axis(axis, axis.get_ylabel())


def six_settings(rows: pd.DataFrame, settings: Iterable[tuple[str, float]] = SETTINGS) -> Figure:
    """Draw κ at the end over widths in every setting, with the test accuracies of the widest networks beside it."""
    figure, axes = plt.subplots(2, 3, figsize=(PAGE_WIDTH, 5.8), sharex=True, sharey=True)
    ends = rows[rows["moment"] == "end"]
    settings = list(settings)
    for axis, (scaling, momentum) in zip(axes.flat, settings, strict=True):
        part = ends[(ends["scaling"] == scaling) & (ends["momentum"] == momentum)]
        over_width(axis, part, "kappa", "")
        axis.axhline(1, color="black", linewidth=0.8, linestyle=":")
        for place, (name, one) in enumerate(part[part["width"] == part["width"].max()].groupby("initializer")):
            look = initialization_look(name)
            axis.annotate(
                f"{look.label}: accuracy {one['test_accuracy'].mean():.2f}", (0.03, 0.97 - 0.1 * place),
                xycoords="axes fraction", va="top", fontsize=9, color="black",
            )  # fmt: skip
    log_axis(axes[0, 0], "")
    for axis in axes.flat:
        axis.label_outer()
    figure.supylabel(KAPPA, fontsize=11)
    letter(axes.flat, [setting_name(*setting) for setting in settings], size=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line a layer of measurements: layer (from 1) and change, its ‖W_l(t) − W_l(0)‖/‖W_l(0)‖."""
    wide = rows.loc[[isinstance(change, list) for change in rows["relative_change"]]]
    long = wide.explode("relative_change", ignore_index=True)
    layer = long.groupby(["key", "epoch", "moment"]).cumcount() + 1
    return long.assign(layer=layer, change=long["relative_change"].astype(float))


def by_layer(rows: pd.DataFrame, deep: pd.DataFrame) -> Figure:
    """Draw the relative change of each layer at the end: of shallow networks over widths, of deep ones over layers."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4))
    for layer, part in layers(rows).groupby("layer"):
        line = {"linestyle": "-" if layer == 1 else "--"}

        def look(name: str, layer: int = layer) -> Look:
            return initialization_look(name)._replace(label=f"{initialization_look(name).label}, layer {layer}")

        curves(left, part, "width", "change", look=look, **line)
    width_axis(left, rows["width"].unique())
    log_axis(left, "relative change of a layer")
    left.legend(fontsize=9)
    curves(right, layers(deep), "layer", "change")
    right.set(xlabel="layer $l$", xticks=sorted(layers(deep)["layer"].unique()))
    log_axis(right, "")
    right.legend(fontsize=9)
    letter((left, right), ("two layers, over widths", f"$L = {deep['depth'].iloc[0]}$, $m = {deep['width'].iloc[0]}$"))
    return figure


def kappa_and_growth(rows: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Draw κ and the growth of P over epochs for one depth, and the one against the other over all trained cells.

    Args:
        rows: measurements at ends of epochs of one depth and width, with growth, P over its value at initialization.
        cells: one line a seed at the end, with kappa and growth.
    """
    figure, panels = plt.subplot_mosaic("ab;cc", figsize=(PAGE_WIDTH, 6.8), height_ratios=(1, 1.2))
    axes = list(panels.values())
    for axis, quantity, label in ((axes[0], "kappa", KAPPA), (axes[1], "growth", r"$P$ over $P$ at initialization")):
        curves(axis, rows[rows["epoch"] > 0], "epoch", quantity)
        axis.set(xlabel="epoch", xscale="log", xticks=(epochs := sorted(rows["epoch"].unique())[1:]))
        axis.set_xticklabels([f"{epoch:g}" for epoch in epochs])
        axis.minorticks_off()
        log_axis(axis, label)
    for name, part in cells.groupby("initializer", sort=False):
        look = initialization_look(name)
        logs = np.log(part[["kappa", "growth"]]).groupby([part["depth"], part["width"]]).mean()
        points = np.exp(logs)
        axes[2].scatter(
            points["kappa"], points["growth"], s=8 * points.index.get_level_values("depth"), color=look.colour,
            marker=look.marker, edgecolor="white", linewidth=0.5, label=look.label,
        )  # fmt: skip
    axes[2].set(xscale="log", xlabel=KAPPA)
    axes[2].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    log_axis(axes[2], r"$P$ at the end over $P$ at initialization")
    deepest = rows["depth"].iloc[0], rows["width"].iloc[0]
    letter(axes, ("$L = {}$, $m = {}$".format(*deepest), "the same networks", "all cells"))
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def budgets(constant: pd.DataFrame, scheduled: pd.DataFrame) -> Figure:
    """Draw κ against learning rate × epochs, under a constant rate and under the paper's schedule.

    Args:
        constant: measurements with a constant learning rate, with the column budget, the sum of the rates so far.
        scheduled: the same under the schedule, of one width.
    """
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4))
    for lr, part in constant.groupby("lr"):
        place = sorted(constant["lr"].unique()).index(lr)
        size = {"markersize": 5 + 3 * place, "markerfacecolor": "none", "linewidth": 1}

        def look(name: str, lr: float = lr) -> Look:
            return initialization_look(name)._replace(label=f"{initialization_look(name).label}, rate {lr:g}")

        curves(axes[0], part, "budget", "kappa", look=look, **size)
    curves(axes[1], scheduled, "budget", "kappa")
    for axis in axes:
        axis.set(xscale="log", xlabel="learning rates summed over epochs")
        log_axis(axis, KAPPA if axis is axes[0] else "")
        axis.legend(fontsize=9)
    places = scheduled.groupby("epoch").agg(budget=("budget", "first"), kappa=("kappa", "max"))
    *early, before, _ = places.itertuples()
    for name, place in [*((f"epoch {line.Index:g}", line) for line in early), ("epochs 25 to 50", before)]:
        axes[1].annotate(name, (place.budget, place.kappa), xytext=(-6, 6), textcoords="offset points", ha="right",
                         fontsize=9)  # fmt: skip
    axes[1].set_xlim(left=places["budget"].min() / 2.5)
    letter(axes, ("constant rate, digits", "the paper's schedule, MNIST"))
    return figure
