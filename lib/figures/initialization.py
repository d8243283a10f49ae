"""The exact law at initialization beside what is drawn: P_rms, P, the spread, the relative stability (chapter 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.curves import letter
from lib.figures.style import (
    CATEGORIES,
    MARKERS,
    PAGE_WIDTH,
    depth_look,
    initialization_look,
    log_axis,
    width_axis,
)
from lib.figures.width import STABILITY
from lib.theory.initialization import mean_stability

_Z = 1.96  # half the width of a 95 % interval, in standard errors


def measured_over_exact(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw measured over exact P_rms with 95 % intervals: a row a way of drawing, a column an initialization.

    Args:
        tables: one line a cell with initializer, depth, width, ratio and its standard error, by the name of the row.
    """
    first = next(iter(tables.values()))
    names, depths, widths = (list(dict.fromkeys(first[name])) for name in ("initializer", "depth", "width"))
    figure, axes = plt.subplots(
        len(tables), len(names), figsize=(PAGE_WIDTH, 2.7 * len(tables)), sharex=True, sharey="row", squeeze=False
    )
    for row, (title, table) in zip(axes, tables.items(), strict=True):
        for axis, name in zip(row, names, strict=True):
            for place, depth in enumerate(depths):
                line = table[(table["initializer"] == name) & (table["depth"] == depth)]
                # Side by side, so that bars do not hide each other.
                shift = 2 ** (0.16 * (place - (len(depths) - 1) / 2))
                label, colour, marker = depth_look(depth)
                axis.errorbar(line["width"] * shift, line["ratio"], _Z * line["error"], fmt=marker, markersize=4,
                              color=colour, elinewidth=1, label=label)  # fmt: skip
            axis.axhline(1, color="black", linewidth=0.8)
            width_axis(axis, widths)
            axis.set_xlim(widths[0] / 1.6, widths[-1] * 1.6)
            axis.label_outer()
        row[0].set_ylabel(f"measured / exact\n({title})")
    letter(axes[0], [initialization_look(name).label for name in names])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(depths))
    return figure


def mean_over_width(cells: pd.DataFrame, in_features: int, out_features: int, rms: float | None) -> Figure:
    """Draw P of one initialization over the width: the closed form as lines, the mean of draws as points.

    Args:
        cells: one line a cell with initializer, depth, width, the sampled P and its standard error, P_error.
        in_features: d.
        out_features: o.
        rms: P_rms where it is one number for all cells, which is drawn as a line.
    """
    name, widths = cells["initializer"].iloc[0], sorted(cells["width"].unique())
    fine = sorted({round(m) for m in np.geomspace(widths[0], widths[-1], 60)})
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.2))
    for depth, line in cells.groupby("depth"):
        label, colour, marker = depth_look(depth)
        law = [mean_stability(m, int(depth), in_features, out_features, name) for m in fine]
        axis.plot(fine, law, color=colour, label=label)
        axis.errorbar(line["width"], line["P"], _Z * line["P_error"], fmt=marker, color=colour)
    if rms is not None:
        axis.axhline(rms, color="black", linestyle="--", linewidth=1, label="$P_{rms}$, all $L$")
    width_axis(axis, widths)
    axis.set_ylabel(STABILITY)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def excess_variance(cells: pd.DataFrame, constant: float = 5) -> Figure:
    """Draw the variance of log ‖Ju‖² beyond the last layer's share over (L − 1)/m, with the line of its constant.

    Args:
        cells: one line a cell with width, x, the excess and its standard error.
        constant: the slope of the line.
    """
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.2))
    for (width, line), marker, colour in zip(cells.groupby("width"), cycle(MARKERS), cycle(CATEGORIES), strict=False):
        axis.errorbar(line["x"], line["excess"], _Z * line["error"], label=f"$m = {width}$", fmt=marker, color=colour)
    ends = np.array([cells["x"].min(), cells["x"].max()])
    axis.plot(ends, constant * ends, color="black", linewidth=1, label=rf"${constant:g}\,(L-1)/m$")
    axis.set(xscale="log", xlabel="$(L-1)/m$")
    log_axis(axis, r"Var $\log\|Ju\|^2 - \psi'(o/2)$")
    axis.set_ylim(ends[0], None)
    axis.legend()
    return figure


def scale_and_relative(cells: pd.DataFrame, exact: float, depths: Sequence[int]) -> Figure:
    """Draw P_rms over the depth, and the relative stability of the same draws, which is one constant.

    Args:
        cells: one line a cell with initializer, depth, width, measured P_rms, relative and relative_error.
        exact: the constant.
        depths: of the axis.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4))
    names, widths = list(dict.fromkeys(cells["initializer"])), sorted(cells["width"].unique())
    for place, name in enumerate(names):
        look = initialization_look(name)
        for k, (width, marker) in enumerate(zip(widths, cycle(MARKERS), strict=False)):
            line = cells[(cells["initializer"] == name) & (cells["width"] == width)]
            dodge = 0.5 * (place - (len(names) - 1) / 2) + 0.12 * (k - (len(widths) - 1) / 2)
            style = {"color": look.colour, "marker": marker, "markersize": 4}
            label = look.label if k == 0 else None
            left.plot(line["depth"], line["measured"], linewidth=1, label=label, **style)
            right.errorbar(line["depth"] + dodge, line["relative"], _Z * line["relative_error"], linestyle="",
                           elinewidth=0.8, **style)  # fmt: skip
    right.axhline(exact, color="black", linewidth=0.8)
    left.set(xlabel="depth $L$", xticks=depths)
    log_axis(left, "$P_{rms}$, all widths")
    right.set(xlabel="depth $L$", xticks=depths, ylabel="relative stability, all widths")
    reach = max(0.05, 1.15 * ((cells["relative"] - 1).abs() + _Z * cells["relative_error"]).max())
    right.set_ylim(1 - reach, 1 + reach)
    left.legend(fontsize=9)
    letter((left, right), ("the scale", "relative to the output"))
    return figure
