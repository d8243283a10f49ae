"""The two pictures of the errata: exponents of four statements, and where two layers leave (chapter 16)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH
from lib.theory.regimes import PRINTED_SLOPES
from lib.trends import Interval


def exponents_over_c(exponents: pd.DataFrame) -> Figure:
    """Draw the power of 1/m in four statements on P over c; what the exact law at initialization excludes is grey.

    Args:
        exponents: one line a c with the powers of Eq. (4)'s larger term and of the remark in its first two columns.
    """
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.4))
    grid = np.linspace(1.5, 3.25, 50)
    lines = [
        ("Eq. (4): its larger term A, $c - 0.5$", grid - 0.5, "-"),
        ("remark: its smaller term B, $2c - 1.5$", 2 * grid - 1.5, "--"),
        ("slides, $c + 1.5$", grid + 1.5, ":"),
        ("exact at initialization, $2c - 0.5$", 2 * grid - 0.5, "-"),
    ]
    for (label, values, style), colour in zip(lines, [*CATEGORIES[:3], "black"], strict=True):
        axis.plot(grid, values, style, color=colour, label=label)
    by_c = exponents.set_index("c")
    for value in (2.0, 3.0):
        for column, marker, colour in zip(by_c.columns[:2], MARKERS, CATEGORIES, strict=False):
            axis.plot(value, by_c.loc[value, column], marker, color=colour, clip_on=False)
    axis.fill_between(grid, 2 * grid - 0.5, 10, color="black", alpha=0.08, linewidth=0)
    axis.set(xlabel=r"exponent $c$ of the initialization, $\beta = m^{-c}$",
             ylabel=r"power of $1/m$ in $P/\varepsilon$", ylim=(0.8, 6.2), xlim=(1.5, 3.25))  # fmt: skip
    axis.legend(loc="upper left", fontsize=9)
    return figure


def border_over_c(slopes: Mapping[float, Interval]) -> Figure:
    """Draw the slope S_w of the input layer's movement over c with its two laws, and Luo et al.'s printed values."""
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.4))
    grid = np.linspace(0.25, 1.7, 100)
    law = np.where(grid < 0.5, 2 * grid - 1, grid - 0.5)
    axis.plot(grid, law, color="black", linewidth=1, label="$2c - 1$ below, $c - 1/2$ above")
    values = np.array([slope[:3] for slope in slopes.values()])
    seeds = next(iter(slopes.values())).seeds
    axis.errorbar(list(slopes), values[:, 0], (values[:, 2] - values[:, 1]) / 2, fmt="o", color=CATEGORIES[0],
                  label=f"trained here, {seeds} seeds")  # fmt: skip
    printed = {gamma / 2: slope for gamma, slope in PRINTED_SLOPES.items()}
    axis.plot(list(printed), list(printed.values()), "D", color=CATEGORIES[2], label="Luo et al.")
    for place, label in ((0.5, "Luo et al."), (1.5, "Theorem 2")):
        axis.axvline(place, color="black", linestyle=":", linewidth=0.9)
        axis.text(place - 0.02, 0.08, label, rotation=90, ha="right", va="bottom", fontsize=9)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set(xlabel=r"exponent $c$ of the initialization, $\beta = m^{-c}$",
             ylabel="slope $S_w$ of log movement on log $m$", ylim=(-0.7, 1.2))  # fmt: skip
    axis.legend(loc="lower right")
    return figure
