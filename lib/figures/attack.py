"""Networks trained under attack: over the width, over λ, against each other, by the choice of an epoch (chapter 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.curves import curves, letter
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, Look, few_log_ticks, log_axis, width_axis
from lib.prose import ARCHITECTURES
from lib.trends import summarise

_DATA = {"digits": "digits", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
# A quantity -> its label, and whether its axis is logarithmic.
ACCURACIES = {
    "natural_accuracy": ("natural accuracy", False),
    "stability": ("stability (Wu et al.)", False),
    "robust_accuracy": ("robust accuracy", False),
}
GRADIENTS = {
    "P": ("P (Zhu et al.)", True),
    "divergence_slope": ("local Lipschitzness", True),
}
SELECTIONS = {"test": "chosen on test images", "last": "last epoch"}
# λ takes the book's map from 1 to 18, its pale end left out.
_MAP, _LARGEST, _PALEST = mpl.colormaps["viridis"], 18.0, 0.88


class Part(NamedTuple):
    """The rows of one architecture, data set and ε: a line of panels."""

    name: str
    table: pd.DataFrame
    live: bool


def parts(rows: pd.DataFrame, live: pd.DataFrame) -> list[Part]:
    """Return published rows, then those of a live run, by architecture, data set and ε, each under its name."""
    found = []
    for table, is_live in ((rows, False), (live, True)):
        for (dataset, architecture, epsilon), part in table.groupby(["dataset", "architecture", "epsilon"], sort=False):
            name = f"{ARCHITECTURES[architecture]}, {_DATA[dataset]}, ε = {epsilon:g}"
            found.append(Part(name + (" (live)" if is_live else ""), part, is_live))
    return found


def curve_look(name: str) -> Look:
    """Return how a curve is drawn that is named by its λ, its objective or its adjustment."""
    if name.startswith("λ"):
        at = log(max(float(name.split("=")[1]), 1.0)) / log(_LARGEST)
        return Look(name, _MAP(_PALEST * min(at, 1.0)), MARKERS[round(4 * min(at, 1.0))])
    return Look(name, CATEGORIES[6] if name == "Madry" else CATEGORIES[1], MARKERS[5 if name == "Madry" else 6])


def width_look(widths: Sequence[int]) -> Mapping[int, Look]:
    """Return how networks of several widths are drawn, the widest lightest."""
    last = max(1, len(widths) - 1)
    return {
        width: Look(f"$m = {width}$", _MAP(_PALEST * at / last), MARKERS[at % len(MARKERS)])
        for at, width in enumerate(sorted(widths))
    }


def over_width(
    rows: pd.DataFrame, live: pd.DataFrame, measures: Mapping[str, tuple[str, bool]], root: bool = False
) -> Figure:
    """Draw measures over the width, one curve a λ or objective: a line of panels for each architecture and data set.

    Args:
        rows: published measurements of one selection (`lib.experiments.attack_rows.attack_frame`).
        live: the same of a live run.
        measures: the columns of panels, such as `ACCURACIES`.
        root: draw √m through the mean of the narrowest networks in logarithmic panels.
    """
    lines = parts(rows, live)
    figure, axes = line_grid(lines, len(measures), 2.7)
    for line, row in zip(lines, axes, strict=True):
        for axis, (quantity, (label, is_log)) in zip(row, measures.items(), strict=True):
            curves(axis, line.table, "width", quantity, by="curve", look=curve_look, log=is_log, live=line.live)
            widths = np.array(sorted(line.table["width"].unique()))
            usable = line.table[line.table[quantity] > 0]
            if root and is_log and len(usable):
                start = float(np.exp(np.log(usable[usable["width"] == usable["width"].min()][quantity]).mean()))
                axis.plot(
                    widths, start * np.sqrt(widths / widths[0]), ":", color="black", linewidth=1, label=r"$\sqrt{m}$"
                )
            width_axis(axis, widths)
            if is_log:
                log_axis(axis, label)
            else:
                # Every panel has the same range, so that the first one's numbers do for its line.
                axis.set(ylabel=label, ylim=(-0.02, 1.02), yticks=(0, 0.5, 1))
                axis.tick_params(labelleft=axis is row[0])
    finish(figure, lines, axes)
    return figure


def trade_off(rows: pd.DataFrame, live: pd.DataFrame) -> Figure:
    """Draw stability over natural accuracy as λ grows, and robust accuracy over their product, means over seeds."""
    lines = parts(rows, live)
    figure, axes = line_grid(lines, 2, 3.4)
    columns = ["natural_accuracy", "stability", "robust_accuracy"]
    for line, (left, right) in zip(lines, axes, strict=True):
        looks = width_look(line.table["width"].unique())
        means = line.table.groupby(["width", "strength"])[columns].mean().reset_index()
        for width, path in means.groupby("width"):
            style = {"color": looks[width].colour, "marker": looks[width].marker, "label": looks[width].label}
            style |= {"markerfacecolor": "none"} if line.live else {}
            left.plot(path["natural_accuracy"], path["stability"], linewidth=1, **style)
            right.plot(path["natural_accuracy"] * path["stability"], path["robust_accuracy"], linestyle="", **style)
        narrowest = means[means["width"] == means["width"].min()]
        for _, end in narrowest.iloc[[0, -1]].iterrows():  # of one path: they would hide each other
            left.annotate(f"λ = {end['strength']:g}", (end["natural_accuracy"], end["stability"]), fontsize=9,
                          xytext=(4, 2), textcoords="offset points")  # fmt: skip
        right.axline((means["robust_accuracy"].mean(),) * 2, slope=1, color="black", linewidth=0.8, linestyle=":")
        left.set(xlabel="natural accuracy", ylabel="stability (Wu et al.)")
        right.set(xlabel="natural accuracy × stability", ylabel="robust accuracy")
        left.legend(fontsize=9)
    finish(figure, lines, axes, legend=False)
    return figure


def over_strength(rows: pd.DataFrame, live: pd.DataFrame, best: pd.DataFrame) -> Figure:
    """Draw robust accuracy over λ, one curve a width, and the λ that held-out images choose over the width.

    Args:
        rows: TRADES at the held-out choice of the epoch, published.
        live: the same of a live run.
        best: of both, `lib.experiments.attack_rows.chosen`.
    """
    lines = parts(rows, live)
    figure, axes = line_grid(lines, 2, 3.2)
    for line, (left, right) in zip(lines, axes, strict=True):
        looks = width_look(line.table["width"].unique())
        curves(left, line.table, "strength", "robust_accuracy", by="width", look=looks.get, log=False, live=line.live)
        strengths = sorted(line.table["strength"].unique())
        left.set(xscale="log", xlabel="λ", ylabel="robust accuracy", xticks=strengths)
        left.set_xticklabels([f"{strength:g}" for strength in strengths])
        left.minorticks_off()
        left.legend(fontsize=9)
        own = best[best["key"].isin(line.table["key"])]
        table = summarise(own, "strength", ["width"])
        beside = own["width"] * 2 ** (0.06 * (own["seed"] - own["seed"].median()))
        right.plot(beside, own["strength"], "x", color="grey", label="each seed")
        right.plot(table["width"], table["mean"], "o--" if line.live else "o-", color=CATEGORIES[0], label="mean")
        width_axis(right, own["width"].unique())
        right.set(yscale="log", ylabel="chosen λ", yticks=strengths, ylim=(strengths[0] / 1.3, strengths[-1] * 1.3))
        right.set_yticklabels([f"{strength:g}" for strength in strengths])
        right.minorticks_off()
        right.legend(fontsize=9)
    finish(figure, lines, axes, legend=False)
    return figure


def against_each_other(rows: pd.DataFrame, live: pd.DataFrame) -> Figure:
    """Draw Wu et al.'s stability and robust accuracy against P, and stability against local Lipschitzness.

    One point a width and λ, mean over seeds, larger where wider.
    """
    lines = parts(rows, live)
    figure, axes = line_grid(lines, 3, 2.9)
    pairs = [("P", "stability"), ("P", "robust_accuracy"), ("divergence_slope", "stability")]
    labels = GRADIENTS | ACCURACIES
    for line, row in zip(lines, axes, strict=True):
        columns = ["P", "divergence_slope", "stability", "robust_accuracy"]
        means = line.table.groupby(["curve", "width"], sort=False)[columns].mean().reset_index()
        sizes = {width: 12 + 16 * at for at, width in enumerate(sorted(means["width"].unique()))}
        for axis, (x, y) in zip(row, pairs, strict=True):
            for name, part in means.groupby("curve", sort=False):
                look = curve_look(name)
                axis.scatter(part[x], part[y], s=part["width"].map(sizes), marker=look.marker, edgecolor=look.colour,
                             color="none" if line.live else look.colour, label=name)  # fmt: skip
            axis.set(xlabel=labels[x][0], ylabel=labels[y][0], xscale="log")
            few_log_ticks(axis)
    finish(figure, lines, axes)
    return figure


def choices_of_the_epoch(rows: pd.DataFrame, live: pd.DataFrame) -> Figure:
    """Draw, over the width, what robust accuracy gains in points by other choices of the epoch than held-out images.

    Args:
        rows: published measurements of every selection.
        live: the same of a live run.
    """
    lines = parts(rows, live)
    columns = min(2, max(1, len(lines)))
    figure, grid = plt.subplots(-(-max(1, len(lines)) // columns), columns, figsize=(PAGE_WIDTH, 3.2), squeeze=False)
    figure.set_figheight(3.2 * len(grid))
    for axis, line in zip(grid.flat, lines, strict=False):
        gains = gain_by_choice(line.table)
        looks = {name: Look(label, CATEGORIES[at], MARKERS[at]) for at, (name, label) in enumerate(SELECTIONS.items())}
        curves(axis, gains, "width", "gain", by="selection", look=looks.get, log=False, live=line.live)
        axis.axhline(0, color="black", linewidth=0.8)
        width_axis(axis, gains["width"].unique())
        axis.set_ylabel("robust accuracy, points")
        axis.legend(fontsize=9)
    for axis in list(grid.flat)[len(lines) :]:
        axis.set_axis_off()
    letter(grid.flat, [line.name for line in lines], size=9.5)
    return figure


def gain_by_choice(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by width and seed, the points of robust accuracy that a choice of the epoch has over held-out images.

    The mean over λ and objectives; both choices are judged on the same test images. The choice "test" has seen them.
    """
    wide = table.pivot_table(index=["width", "seed", "curve"], columns="selection", values="robust_accuracy")
    gains = [
        (100 * (wide[name] - wide["held-out"])).groupby(["width", "seed"]).mean().rename("gain").reset_index()
        for name in SELECTIONS
    ]
    return pd.concat([one.assign(selection=name) for one, name in zip(gains, SELECTIONS, strict=True)])


def over_epsilon(table: pd.DataFrame) -> Figure:
    """Draw natural and robust accuracy over ε, one curve a λ, every seed a point: where do networks still learn?"""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.2), sharey=True)
    for axis, quantity in zip(axes, ("natural_accuracy", "robust_accuracy"), strict=True):
        curves(axis, table, "epsilon", quantity, by="curve", look=curve_look, log=False, live=True)
        for name, part in table.groupby("curve"):
            axis.plot(part["epsilon"], part[quantity], "x", color=curve_look(name).colour)
        axis.set(
            xlabel="ε", ylabel=ACCURACIES[quantity][0], xticks=sorted(table["epsilon"].unique()), ylim=(-0.02, 1.02)
        )
    axes[0].legend(fontsize=9)
    letter(axes, ("natural", "under attack"))
    return figure


def line_grid(lines: Sequence[Part], columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """Return a figure with a line of panels for each part, each so many inches high."""
    rows = max(1, len(lines))
    figure, axes = plt.subplots(rows, columns, figsize=(PAGE_WIDTH, height * rows + 0.5), squeeze=False)
    return figure, axes


def finish(figure: Figure, lines: Sequence[Part], axes: np.ndarray, legend: bool = True) -> None:
    """Letter the panels, name each line of them over its first one and, if asked, give the figure one legend."""
    names = [line.name if at == 0 else "" for line in lines for at in range(axes.shape[1])]
    for axis, name, letter_ in zip(axes.flat, names, "abcdefghijklmnopqrstuvwxyz", strict=False):
        axis.set_title(f"{name}\n$\\bf{{{letter_}}}$", loc="left", fontsize=10)
    if legend:
        handles: dict[str, object] = {}
        for axis in axes.flat:
            handles |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
