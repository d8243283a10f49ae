"""Early training: Eq. (4) and its terms, P at fixed times and at equal loss, slopes, and the exit (chapter 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.experiments.early_rows import at
from lib.figures.curves import letter
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, width_axis
from lib.figures.width import STABILITY
from lib.theory.early_training import crossover_width, decay_exponents, growth_bound, theorem3, theorem3_terms
from lib.theory.initialization import lower_bound_constant
from lib.trends import summarise

_MOMENTS = {
    "epoch_0": "$t = 0$",
    "time_0.25": "$T/4$",
    "time_0.5": "$T/2$",
    "time_1": "$T$",
    "fit_0.5": "half loss",
}
_EXPONENTS = {
    "first": ("$A$: $c - 0.5$", "-"),
    "second": ("$B$, remark: $2c - 1.5$", "--"),
    "slides": ("slides: $c + 1.5$", ":"),
    "initialization": ("exact at 0: $2c - 0.5$", "-."),
    "plateau": ("proved: $2c - 1$", (0, (6, 1))),
}
_SAMPLES = (CATEGORIES[0], CATEGORIES[1], "black")
_LOWEST, _HIGHEST = 7, 14  # powers of two of the widths whose lines are palest and strongest


def terms_over_width(widths: Sequence[int], samples: int = 10, exponents: Sequence[float] = (1.5, 2.0)) -> Figure:
    """Draw Eq. (4) and its two terms over the width, a panel a c; what the theorem excludes is grey."""
    figure, axes = plt.subplots(1, len(exponents), figsize=(PAGE_WIDTH, 3.8), sharey=True)
    for axis, c in zip(axes, exponents, strict=True):
        terms = [theorem3_terms(int(m), samples, c) for m in widths]
        axis.plot(widths, [sum(t) for t in terms], color="black", label="Eq. (4)")
        axis.plot(widths, [t.first for t in terms], color=CATEGORIES[0], marker=MARKERS[0], label="first term, $A$")
        axis.plot(widths, [t.second for t in terms], color=CATEGORIES[1], marker=MARKERS[1], label="second term, $B$")
        axis.axvline(crossover_width(samples, c), color="grey", linestyle=":", label="$A = B$")
        axis.axvspan(widths[0], samples**2, color="grey", alpha=0.12, linewidth=0, label="$m < n^2$")
        width_axis(axis, widths[::2])
        axis.set_yscale("log")
    axes[0].set_ylabel(r"bound on $P$ at $\varepsilon = 1$")
    axes[0].legend(fontsize=9)
    letter(axes, [f"$c = {c:g}$, $n = {samples}$" for c in exponents])
    return figure


def stability_over_width(rows: pd.DataFrame, samples: int) -> Figure:
    """Draw P over the width at fixed times and at half the loss with Eq. (4) (dashed), a panel a c."""
    part = rows[rows["samples"] == samples]
    exponents = sorted(part["c"].unique())
    figure, axes = plt.subplots(1, len(exponents), figsize=(PAGE_WIDTH, 4.2))
    for axis, c in zip(axes, exponents, strict=True):
        widths = sorted(part.loc[part["c"] == c, "width"].unique())
        for (moment, label), colour, marker in zip(_MOMENTS.items(), CATEGORIES, MARKERS, strict=False):
            table = summarise(at(part, moment, c=c), "P", ["width"])
            axis.plot(table["width"], table["mean"], color=colour, marker=marker, label=label)
            axis.fill_between(table["width"], table["low"], table["high"], color=colour, alpha=0.18, linewidth=0)
        bound = [theorem3(int(m), int(samples), c) for m in widths]
        axis.plot(widths, bound, color="black", linestyle="--", label="Eq. (4)")
        width_axis(axis, widths[:: max(1, len(widths) // 3)])
        axis.set_yscale("log")
    axes[0].set_ylabel(STABILITY)
    letter(axes, [f"$c = {c:g}$" for c in exponents])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=9)
    return figure


def slopes_over_moments(measured: pd.DataFrame, moments: Mapping[str, str]) -> Figure:
    """Draw slopes of log P on log m at moments beside the exponents that are printed and proved, a panel a c.

    Args:
        measured: one line a moment, c and n with the slope, an interval over seeds.
        moments: their names in `at` and on the axis, in order.
    """
    figure, axes = plt.subplots(1, measured["c"].nunique(), figsize=(PAGE_WIDTH, 4.8))
    places = {moment: place for place, moment in enumerate(moments)}
    for axis, (c, part) in zip(axes, measured.groupby("c"), strict=True):
        for (name, (label, style)), colour in zip(_EXPONENTS.items(), CATEGORIES[2:], strict=True):
            axis.axhline(-getattr(decay_exponents(c), name), color=colour, linestyle=style, linewidth=1.3, label=label)
        for k, ((n, line), colour) in enumerate(zip(part.groupby("n"), _SAMPLES, strict=True)):
            x = np.array([places[moment] for moment in line["moment"]]) + 0.18 * (k - 1)
            means, highs = (np.array([getattr(s, end) for s in line["slope"]]) for end in ("mean", "high"))
            axis.errorbar(x, means, highs - means, fmt=MARKERS[k], color=colour, markersize=4, elinewidth=1,
                          label=f"$n = {n}$")  # fmt: skip
        axis.set_xticks(range(len(moments)), moments.values(), rotation=60)
    axes[0].set_ylabel(r"slope of $\log P$ on $\log m$")
    letter(axes, [f"$c = {c:g}$" for c in sorted(measured["c"].unique())])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def collapse(rows: pd.DataFrame, seed: int) -> Figure:
    """Draw P m^(2c−1) over time, all widths and c of one seed, a panel an n; stronger lines are wider networks."""
    trace = rows[(rows["seed"] == seed) & rows["share"].notna()]
    trace = trace.assign(scaled=trace["P"] * trace["width"] ** (2 * trace["c"] - 1))
    counts = sorted(trace["samples"].unique())
    figure, axes = plt.subplots(1, len(counts), figsize=(PAGE_WIDTH, 3.8), sharey=True, squeeze=False)
    for axis, n in zip(axes[0], counts, strict=True):
        for (c, cell), colour in zip(trace[trace["samples"] == n].groupby("c"), CATEGORIES, strict=False):
            widest = cell["width"].max()
            for width, run in cell.groupby("width"):
                run = run.sort_values("time")
                shade = 0.35 + 0.65 * np.clip((np.log2(width) - _LOWEST) / (_HIGHEST - _LOWEST), 0, 1)
                label = f"$c = {c:g}$" if width == widest else None
                axis.plot(run["time"], run["scaled"], color=colour, alpha=shade, linewidth=1, label=label)
        axis.set(yscale="log", xlabel="time $t$")
    axes[0, 0].set_ylabel(r"$P\, m^{2c-1}$")
    axes[0, 0].legend(fontsize=9)
    letter(axes[0], [f"$n = {n}$" for n in counts])
    return figure


def exit_of_the_bound(runs: pd.DataFrame, exits: pd.DataFrame) -> Figure:
    """Draw P over time with Eq. (4), its exit and the proved bound, and P at the training points with its floor.

    Args:
        runs: measurements of one seed, c and n, of the widths to show.
        exits: the lines of `lib.experiments.early_rows.exits` of these runs.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.2))
    c, samples, features = (runs[name].iloc[0] for name in ("c", "samples", "in_features"))
    for (m, run), colour, marker in zip(runs.groupby("width"), CATEGORIES, MARKERS, strict=False):
        run, own = run.sort_values("time"), exits[exits["width"] == m].iloc[0]
        style, bound = {"color": colour, "marker": marker, "markersize": 3}, theorem3(int(m), int(samples), c)
        left.plot(run["time"], run["P"], label=f"$m = {m}$", **style)
        left.axhline(bound, color=colour, linestyle="--", linewidth=1)
        left.plot(own["exit"], bound, "x", color="black", zorder=5)
        fine, rate = np.linspace(0, own["proved"] * 1.5, 20), np.sqrt(2 * run["train_loss"].iloc[0])
        proved = [growth_bound(int(m), int(features), c, t, rate) for t in fine]
        left.plot(fine, proved, color=colour, linestyle=":", linewidth=1)
        floor = lower_bound_constant(int(features)) * (1 - np.sqrt(2 * run["train_loss"]))
        right.plot(run["time"], run["P_train"], **style)
        right.plot(run["time"], floor.clip(lower=0), color=colour, linestyle="--", linewidth=1)
    left.set(yscale="log", xlabel="time $t$", ylabel=STABILITY)
    right.set(xlabel="time $t$", ylabel="$P$ at the training points")
    left.legend(fontsize=9)
    letter((left, right), ("bound and exit", "the floor"))
    return figure
