"""Three papers' bounds on one grid, and what is measured beside their shapes (chapter 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from lib.figures.curves import letter
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, log_axis, width_axis
from lib.prose import plus_minus, signed, with_interval
from lib.theory.bounds import wu2021_crossing_log_width, wu2021_log_width
from lib.theory.initialization import lower_bound_constant, mean_stability
from lib.trends import mean_interval, slopes_by_seed, summarise

BOUNDS = ("Zhu et al.", "Wu et al.", "Huang et al.")
QUANTITIES = {
    "P": ("P", "$P$"),
    "jacobian_frobenius": ("‖J‖ Frobenius", r"$\|J\|_F$"),
    "jacobian_spectral": ("‖J‖ spectral", r"$\|J\|_2$"),
    "lipschitz": ("local Lipschitz", "local Lipschitz"),
    "max_gradient_norm": ("largest gradient", "largest gradient"),
}
# What a slope is over: the column, and whether its logarithm.
AXES = {"log m": ("width", True), "L": ("depth", False), "log L": ("depth", True)}


def bounds_over_width(
    bounds: pd.DataFrame, in_features: int, out_features: int, depths: Sequence[int] = (2, 6, 10)
) -> Figure:
    """Draw the three bounds and the exact P before training over the width, a panel a depth.

    Args:
        bounds: one line a width and depth with a column a bound.
        in_features: d.
        out_features: o of the exact P.
        depths: of the panels.
    """
    figure, axes = plt.subplots(1, len(depths), figsize=(PAGE_WIDTH, 4.2), sharey=True)
    for axis, depth in zip(axes, depths, strict=True):
        table = bounds[bounds["depth"] == depth]
        for name, colour, marker in zip(BOUNDS, CATEGORIES, MARKERS, strict=False):
            axis.plot(table["width"], table[name], marker=marker, markersize=4, color=colour, label=name)
        reduced = np.sqrt(table["width"] * depth)
        axis.plot(
            table["width"], reduced, "--", color=CATEGORIES[1], linewidth=1, label=r"Wu et al. reduced, $\sqrt{mL}$"
        )
        exact = [mean_stability(m, depth, in_features, out_features, "ntk") for m in table["width"]]
        axis.plot(table["width"], exact, color="black", linewidth=1, label="exact $P$ at initialization")
        width_axis(axis, sorted(table["width"])[::3])
    log_axis(axes[0], r"bound on $P/\varepsilon$")
    axes[0].set_ylim(0.5, None)
    letter(axes, [f"$L = {depth}$" for depth in depths])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def ratio_maps(bounds: pd.DataFrame, ratios: Mapping[str, pd.Series]) -> Figure:
    """Draw ratios of bounds over width and depth; cells of at least 1 are red, with the ratio written in them.

    Args:
        bounds: one line a cell of a full grid, depths in the outer loop.
        ratios: one ratio a cell, by the title of its panel.
    """
    widths, depths = (sorted(bounds[name].unique()) for name in ("width", "depth"))
    figure, axes = plt.subplots(len(ratios), 1, figsize=(PAGE_WIDTH, 2.1 * len(ratios)), sharex=True)
    for axis, ratio in zip(axes, ratios.values(), strict=True):
        values = np.log10(ratio.to_numpy()).reshape(len(depths), len(widths))
        image = axis.imshow(values, origin="lower", aspect="auto", cmap="RdBu_r", norm=TwoSlopeNorm(0, -3, 3))
        for row, column in zip(*np.nonzero(values >= 0), strict=True):
            axis.text(column, row, f"{10 ** values[row, column]:.1f}", ha="center", va="center", fontsize=9)
        axis.set_xticks(range(len(widths)), [f"$2^{{{math.log2(m):.0f}}}$" for m in widths])
        axis.set_yticks(range(len(depths)), depths)
        axis.set_ylabel("depth $L$")
        axis.grid(False)
    axes[-1].set_xlabel("width $m$")
    letter(axes, list(ratios))
    figure.colorbar(image, ax=axes, label=r"$\log_{10}$ (Zhu et al. / older)", extend="both", shrink=0.7)
    return figure


def shapes(cells: pd.DataFrame, depth: int, width: int) -> Figure:
    """Draw what is measured beside the older bounds' shapes: over the width at one depth, over the depth at one width.

    Args:
        cells: one line a network with the columns of `lib.experiments.earlier_bounds.untrained`.
        depth: of the panels over the width.
        width: of the panels over the depth.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.4), sharey=True)
    panels = ((left, "width", cells[cells["depth"] == depth]), (right, "depth", cells[cells["width"] == width]))
    for axis, by, table in panels:
        for (quantity, (_, label)), colour, marker in zip(QUANTITIES.items(), CATEGORIES, MARKERS, strict=False):
            if quantity in table:
                line = summarise(table, quantity, [by])
                axis.plot(line[by], line["mean"], marker=marker, color=colour, label=label)
                axis.fill_between(line[by], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0)
        start = summarise(table, "jacobian_spectral", [by])["mean"].iloc[0]
        for bound, style in zip(BOUNDS[1:], ("--", ":"), strict=True):
            curve = table.groupby(by)[bound].first()
            label = f"shape of {bound}"
            axis.plot(curve.index, start * curve / curve.iloc[0], style, color="black", linewidth=1, label=label)
    width_axis(left, sorted(cells["width"].unique()))
    right.set(xlabel="depth $L$", xticks=sorted(cells["depth"].unique()))
    log_axis(left, "at NTK initialization")
    left.set_ylim(0.5, 1000)
    letter((left, right), (f"$L = {depth}$", f"$m = {width}$"))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def slope_table(cells: pd.DataFrame, over: Sequence[str], sizes: Sequence[int]) -> pd.DataFrame:
    """Return one line an axis and quantity: the mean slope of its logarithm and half the interval, a column a curve.

    Args:
        cells: one line a network; its bounds, which have no spread, get a line each where they are columns.
        over: names of `AXES`.
        sizes: depths of the curves where the axis is the width, widths where it is the depth.
    """
    lines = []
    for name in over:
        axis, log = AXES[name]
        by, letter_ = ("depth", "L") if axis == "width" else ("width", "m")
        for quantity in [q for q in (*QUANTITIES, *BOUNDS) if q in cells]:
            line = {"slope of": QUANTITIES.get(quantity, (quantity,))[0], "on": name}
            for size in sizes:
                found = slopes_by_seed(cells[cells[by] == size], quantity, axis, log)
                text = signed(found[0], 2) if quantity in BOUNDS else plus_minus(mean_interval(found))
                line[f"{letter_} = {size}"] = text
            lines.append(line)
    return pd.DataFrame(lines)


def ratio_table(ratios: pd.DataFrame, out_features: int) -> pd.DataFrame:
    """Return the measured worst over the average with what it lies between: one line a number of inputs.

    Args:
        ratios: a column d, and those of an interval.
        out_features: o.
    """
    return pd.DataFrame(
        {
            "d": ratios["d"],
            "at least": [f"{math.sqrt((d + 2) / min(out_features, d)):.2f}" for d in ratios["d"]],
            "measured, 95%": [with_interval(line) for line in ratios.drop(columns="d").itertuples(index=False)],
            "at most": [f"{1 / lower_bound_constant(d):.2f}" for d in ratios["d"]],
        }
    )


def condition_table(depths: Sequence[int]) -> pd.DataFrame:
    """Return log₁₀ m from which Wu et al.'s condition holds, and from which their first term is the smaller one."""
    lines = {"condition holds": wu2021_log_width, "first term smaller": wu2021_crossing_log_width}
    return pd.DataFrame(
        [
            {"log₁₀ m from which": name, **{f"L = {L}": f"{of(L) / math.log(10):.1f}" for L in depths}}
            for name, of in lines.items()
        ]
    )
