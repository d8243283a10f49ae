"""Ratios of times that were measured side by side, over the width (the page of benchmarks)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.style import MARKERS, depth_colour, log_axis, width_axis


def ratios_over_width(table: pd.DataFrame | None, titles: Mapping[str, str]) -> Figure:
    """Draw the median of each ratio with its smallest and largest repeat, one panel a ratio, one curve a depth and R.

    Args:
        table: one line a cell and ratio: ratio, width, depth, replicas, median, min, max; None if nothing was measured.
        titles: four ratios, as `ratio` names them, each with the title of its panel.
    """
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 6.4), sharex=True)
    if table is None:
        for axis in axes.flat:
            axis.set_axis_off()
            axis.text(0.5, 0.5, "not measured yet", ha="center", va="center")
        return figure
    for axis, (name, title) in zip(axes.flat, titles.items(), strict=True):
        for (depth, replicas), curve in table[table.ratio == name].groupby(["depth", "replicas"]):
            error = [curve["median"] - curve["min"], curve["max"] - curve["median"]]
            look = {"linestyle": "-" if replicas > 1 else "--", "marker": MARKERS[depth % 5], "capsize": 2}
            label = f"$L = {depth}$, $R = {replicas}$"
            axis.errorbar(curve.width, curve["median"], error, color=depth_colour(depth), label=label, **look)
        axis.axhline(1, color="black", linewidth=0.8)
        width_axis(axis, table.width)
        log_axis(axis, "")
        axis.set_title(title, fontsize=10)
        axis.label_outer()
        axis.tick_params(labelleft=True)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def seconds_of_an_operation(table: pd.DataFrame | None, flat: float) -> Figure:
    """Draw the time of one floating-point operation over the width: level where cost grows as the arithmetic does.

    Args:
        table: one line a width: width, and min, median and max of the seconds; None if nothing was measured.
        flat: a band of so many times between its edges is drawn about the medians; what stays inside is level.
    """
    figure, axis = plt.subplots(figsize=(6.0, 3.4))
    if table is None:
        axis.set_axis_off()
        axis.text(0.5, 0.5, "not measured yet", ha="center", va="center")
        return figure
    middle = 1e12 * (table["median"].min() * table["median"].max()) ** 0.5
    axis.axhspan(middle / flat**0.5, middle * flat**0.5, color="0.92", label=f"{flat:g} times between the edges")
    error = [1e12 * (table["median"] - table["min"]), 1e12 * (table["max"] - table["median"])]
    axis.errorbar(table.width, 1e12 * table["median"], error, color="black", marker="o", capsize=2, label="ours")
    width_axis(axis, table.width)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("picoseconds an operation")
    axis.legend(loc="lower right")
    return figure
