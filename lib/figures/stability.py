"""Perturbation stability: exact or sampled, linear or finite, and beside accuracy under attack (chapter 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from lib.figures.curves import letter
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, log_axis
from lib.trends import mean_interval

# Errors below the precision of float64 are drawn at it.
_LEAST = 1e-16
_LINEAR = 0.05


def exact_and_sampled(
    sampled: pd.DataFrame,
    variation: float,
    rule: Callable[[np.ndarray, int], float],
    spectra: Mapping[str, tuple[np.ndarray, float]],
    length: float = 80.0,
) -> Figure:
    """Draw the error of Monte Carlo over draws, and that of the trapezoidal rule over its nodes.

    Args:
        sampled: one line an estimate: draws, error.
        variation: the standard deviation of one draw over P.
        rule: E√Q from eigenvalues and a number of nodes.
        spectra: eigenvalues with their exact E√Q, by name.
        length: of the interval of the rule, in s.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4))
    left.plot(sampled["draws"], sampled["error"], "o", color=CATEGORIES[0], alpha=0.45, markersize=3.5)
    counts = np.unique(sampled["draws"])
    left.plot(counts, variation / np.sqrt(counts), color=CATEGORIES[1], label="standard error")
    left.set(xlabel="draws of the perturbation", xscale="log")
    log_axis(left, r"relative error of $P$")
    left.set_ylim(1e-6, 1)
    left.legend(fontsize=9)
    nodes = np.arange(12, 129, 4)
    for (name, (spectrum, reference)), marker, colour in zip(spectra.items(), MARKERS, CATEGORIES, strict=False):
        errors = [max(abs(rule(spectrum, int(k)) / reference - 1), _LEAST) for k in nodes]
        right.plot(nodes, errors, marker=marker, markersize=3.5, linewidth=1, color=colour, label=name)
    strip = np.exp(-2 * math.pi**2 * (nodes - 1) / length)
    right.plot(nodes, strip, "k--", linewidth=1, label=r"$e^{-2\pi^2/h}$")
    right.set(xlabel="nodes of the fixed rule")
    log_axis(right, r"relative error of $E\sqrt{Q}$")
    right.legend(fontsize=9)
    letter((left, right), ("sampling", "the fixed rule"))
    return figure


def finite_over_linear(changes: pd.DataFrame) -> Figure:
    """Draw average and worst change over their first-order values against the length of the perturbation.

    Args:
        changes: one line a length and seed: epsilon in lengths of an input, seed, ratio, worst.
    """
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4))
    looks = {
        "ratio": (r"average change / $\varepsilon\,P$", CATEGORIES[0], "o"),
        "worst": (r"worst change found / $\varepsilon\,\|J\|_2$", CATEGORIES[1], "s"),
    }
    for column, (label, colour, marker) in looks.items():
        bands = {epsilon: mean_interval(group[column]) for epsilon, group in changes.groupby("epsilon")}
        axis.plot(list(bands), [b.mean for b in bands.values()], color=colour, marker=marker, label=label)
        low, high = [b.low for b in bands.values()], [b.high for b in bands.values()]
        axis.fill_between(list(bands), low, high, color=colour, alpha=0.2, linewidth=0)
    axis.axhspan(1 - _LINEAR, 1 + _LINEAR, color="#dddddd", zorder=0, label="within 5%")
    axis.set(
        xscale="log", xlabel=r"$\varepsilon$ / mean length of an input", ylabel="change over its first-order value"
    )
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.legend()
    return figure


def linear_until(changes: pd.DataFrame, column: str) -> float:
    """Return the largest length up to which every seed stays within 5 % of the first-order value; NaN if none."""
    inside = changes.groupby("epsilon")[column].apply(lambda values: ((values - 1).abs() <= _LINEAR).all())
    return float(inside[inside.cumprod().astype(bool)].index.max())


def attack_over_stability(
    cells: pd.DataFrame, radius: float, quantities: Sequence[str] = ("P", "relative stability")
) -> Figure:
    """Draw accuracy under attack against measures of stability, one point a cell and stage of training.

    Args:
        cells: one line a network and stage: epoch, depth, width, adversarial accuracy and the quantities.
        radius: of the attack.
        quantities: of the panels; the first axis is logarithmic.
    """
    figure, axes = plt.subplots(1, len(quantities), figsize=(PAGE_WIDTH, 4), sharey=True)
    means = cells.groupby(["epoch", "depth", "width"], as_index=False).mean()
    for axis, column in zip(axes, quantities, strict=True):
        for (epoch, group), colour, marker in zip(means.groupby("epoch"), CATEGORIES, MARKERS, strict=False):
            axis.plot(group[column], group["adversarial accuracy"], marker, color=colour, label=f"epoch {epoch}")
        axis.set_xlabel("$P$" if column == "P" else column)
    axes[0].set_xscale("log")
    axes[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0].xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel(rf"accuracy under attack, $\varepsilon = {radius:g}$")
    axes[0].legend()
    letter(axes, [""] * len(quantities))
    return figure
