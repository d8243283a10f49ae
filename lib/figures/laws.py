"""Laws of robustness: the largest gradient of networks that fit noise, beside the laws and beside P (chapter 14)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.curves import letter
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, depth_colour, log_axis, width_axis
from lib.trends import summarise

_TICKS = [4, 16, 64, 256, 1024]
_PANELS = {"lipschitz": "Lip", "P": "$P$ at new points", "relative_stability": "relative stability"}
_STYLES = (":", "--", "-")


def lipschitz_over_width(rows: pd.DataFrame, floors: Mapping[tuple[int, int], float]) -> Figure:
    """Draw Lip of two-layer networks over their neurons with √(n/k) (dashed) and Λ (grey), a panel a dimension.

    Args:
        rows: one line a network.
        floors: Λ by n and d.
    """
    inputs = sorted(rows["in_features"].unique())
    figure, axes = plt.subplots(1, len(inputs), figsize=(PAGE_WIDTH, 4.2), sharex=True, sharey=True, squeeze=False)
    for axis, d in zip(axes[0], inputs, strict=True):
        table = summarise(rows[rows["in_features"] == d], "lipschitz", ["samples", "width"])
        for (n, line), colour, marker in zip(table.groupby("samples"), CATEGORIES, MARKERS, strict=False):
            axis.plot(line["width"], line["mean"], color=colour, marker=marker, label=f"$n = {n}$")
            axis.fill_between(line["width"], line["low"], line["high"], color=colour, alpha=0.18, linewidth=0)
            axis.plot(line["width"], np.sqrt(n / line["width"]), color=colour, linestyle="--", linewidth=1)
        cheapest = [floor for (_, features), floor in floors.items() if features == d]
        axis.axhspan(min(cheapest), max(cheapest), color="#dddddd", zorder=0)
        width_axis(axis, _TICKS[::2])
        axis.set_xlabel("neurons $k$")
    log_axis(axes[0, 0], "Lip, output per input")
    letter(axes[0], [f"$d = {d}$" for d in inputs])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def ratios(rows: pd.DataFrame, least: float = 0.1) -> Figure:
    """Draw Lip √(k/n) over k/n of two-layer networks, and Lip √(p/(nd)) over p/(nd) of all.

    Args:
        rows: one line a network with ratio and universal_ratio.
        least: the constant of the registered rule.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.2), sharey=True)
    two = rows[rows["depth"] == 2]
    first = two["in_features"].min()
    for (n, part), colour in zip(two.groupby("samples"), CATEGORIES, strict=False):
        table = summarise(part, "ratio", ["in_features", "width"])
        for (d, line), marker in zip(table.groupby("in_features"), MARKERS, strict=False):
            label = f"$n = {n}$" if d == first else None
            left.plot(line["width"] / n, line["mean"], color=colour, marker=marker, markersize=4, linewidth=0.8,
                      label=label)  # fmt: skip
    for (depth, part), marker in zip(rows.groupby("depth"), MARKERS, strict=False):
        table = summarise(part, "universal_ratio", ["samples", "in_features", "width"])
        p = table["width"] * (table["in_features"] + 1) + table["width"] ** 2 * (depth - 2)
        bars = [table["mean"] - table["low"], table["high"] - table["mean"]]
        right.errorbar(p / table["samples"] / table["in_features"], table["mean"], bars, fmt=marker,
                       color=depth_colour(depth), markersize=4, elinewidth=0.8, label=f"$L = {depth}$")  # fmt: skip
    for axis, label in ((left, "$k/n$"), (right, "$p/(nd)$")):
        axis.axhline(least, color="black", linewidth=0.8)
        axis.set_xscale("log", base=2)
        axis.set_xlabel(label)
        axis.legend(fontsize=9)
    log_axis(left, r"Lip $\sqrt{k/n}$")
    left.set_ylim(0.07, None)
    right.set_ylabel(r"Lip $\sqrt{p/(nd)}$")
    right.tick_params(labelleft=True)
    letter((left, right), ("neurons", "parameters"))
    return figure


def maximum_and_average(stages: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw Lip, P and the relative stability over the neurons, a colour a dimension, a line style a moment.

    Args:
        stages: rows of two-layer networks of one n at up to three moments, by name.
    """
    figure, axes = plt.subplots(1, len(_PANELS), figsize=(PAGE_WIDTH, 4.4), sharex=True)
    for axis, column in zip(axes, _PANELS, strict=True):
        for (name, stage), marker, style in zip(stages.items(), MARKERS, _STYLES, strict=False):
            table = summarise(stage, column, ["in_features", "width"])
            for (d, line), colour in zip(table.groupby("in_features"), CATEGORIES, strict=False):
                axis.plot(line["width"], line["mean"], color=colour, linestyle=style, marker=marker, markersize=4,
                          label=f"$d = {d}$, {name}")  # fmt: skip
                axis.fill_between(line["width"], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)
        width_axis(axis, _TICKS[1::1])
        axis.set_xlabel("neurons $k$")
        log_axis(axis, "")
    letter(axes, _PANELS.values())
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure
