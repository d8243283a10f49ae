"""Width adjusted regularization: the ratio it keeps, what its λ reaches, and what its tuning costs (chapter 13)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.figures.attack import finish, line_grid, parts
from lib.figures.curves import curves
from lib.figures.style import CATEGORIES, MARKERS, Look, log_axis, width_axis
from lib.trends import log_interval, mean_interval

_LOOKS: Mapping[str, Look] = {
    name: Look(name, CATEGORIES[at], MARKERS[at]) for at, name in enumerate(("grid search", "WAR", "λ reused"))
}
_GOAL = Look("small network", CATEGORIES[6], "P")


def way_look(name: str) -> Look:
    """Return how a way to find λ is drawn: grid search, λ reused, WAR and, in further colours, its variants."""
    if name in _LOOKS:
        return _LOOKS[name]
    at = 5 if name.endswith("end") else 4 if "rate 2" in name else 3
    return Look(name, CATEGORIES[at], MARKERS[at])


def ratio_and_strength(rows: pd.DataFrame, live: pd.DataFrame) -> Figure:
    """Draw ρ, regularization over natural risk, and λ over the epochs of the widest networks; ρ of the small ones too.

    Args:
        rows: published traces of width adjusted trainings and of reused λ (`lib.experiments.attack_rows.trace_frame`)
            with `way`.
        live: the same of a live run.
    """
    lines = parts(rows, live)
    figure, axes = line_grid(lines, 2, 3.0)
    for line, (left, right) in zip(lines, axes, strict=True):
        widest = line.table[line.table["width"] == line.table["width"].max()]
        adjusted = widest[widest["way"] == "WAR"]
        curves(left, adjusted.assign(way="small"), "epoch", "goal", by="way", look=lambda _: _GOAL, live=line.live)
        curves(left, widest, "epoch", "rho", by="way", look=way_look, live=line.live)
        curves(right, widest, "epoch", "lambda", by="way", look=way_look, live=line.live)
        for axis, label in ((left, "ρ, regularization / natural risk"), (right, "λ")):
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            log_axis(axis, label)
    finish(figure, lines, axes)
    return figure


def robust_by_way(rows: pd.DataFrame, live: pd.DataFrame) -> Figure:
    """Draw robust accuracy over the width, and every way's at the widest network, seed by seed.

    Args:
        rows: published, from `lib.experiments.attack_rows.ways_to_tune`.
        live: the same of a live run.
    """
    lines = parts(rows, live)
    figure, axes = line_grid(lines, 2, 3.2)
    for line, (left, right) in zip(lines, axes, strict=True):
        curves(left, line.table, "width", "robust_accuracy", by="way", look=way_look, log=False, live=line.live)
        width_axis(left, line.table["width"].unique())
        left.set_ylabel("robust accuracy")
        widest = line.table[line.table["width"] == line.table["width"].max()]
        names = list(dict.fromkeys(widest["way"]))
        for place, name in enumerate(names):
            values, look = widest.loc[widest["way"] == name, "robust_accuracy"], way_look(name)
            right.plot(values, np.full(len(values), place + 0.2), "x", color="grey", markersize=4)
            mean = mean_interval(values)
            bar = [[mean.mean - mean.low], [mean.high - mean.mean]]
            right.errorbar(mean.mean, place, xerr=bar, fmt=look.marker, color=look.colour, capsize=3,
                           markerfacecolor="none" if line.live else look.colour)  # fmt: skip
        right.set(yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6), xlabel="at the widest network")
        right.set_yticklabels(names)
    finish(figure, lines, axes)
    return figure


def seconds_by_way(rows: pd.DataFrame, live: pd.DataFrame, grid: int) -> Figure:
    """Draw the seconds of a grid search on the widest network beside tuning the small one and training the wide one.

    Args:
        rows: width adjusted trainings, published.
        live: the same of a live run.
        grid: trainings of a grid search.
    """
    lines = parts(rows, live)
    figure, axes = line_grid(lines, 1, 1.7)
    for line, (axis,) in zip(lines, axes, strict=True):
        widest = line.table[(line.table["width"] == line.table["width"].max()) & (line.table["curve"] == "WAR")]
        tuning, wide = (log_interval(widest[name]).mean for name in ("tuning_seconds", "wide_seconds"))
        for at in range(grid):
            axis.barh(
                0, wide, left=at * wide, color=CATEGORIES[0], edgecolor="white", label="" if at else "wide network"
            )
            axis.barh(1, tuning / grid, left=at * tuning / grid, color=CATEGORIES[2], edgecolor="white",
                      label="" if at else "small network")  # fmt: skip
        axis.barh(1, wide, left=tuning, color=CATEGORIES[0], edgecolor="white")
        axis.set(yticks=(0, 1), ylim=(1.6, -0.6), xlabel="seconds of the processor, a seed")
        axis.set_yticklabels(("grid search", "WAR"))
        axis.grid(axis="y", visible=False)
    finish(figure, lines, axes)
    return figure
