"""Lazy or not: measures of laziness over widths, Luo et al.'s plane, layers, norms and moving neurons (chapter 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from lib.estimators import neurons
from lib.experiments.film import Film
from lib.figures.curves import curves, letter, over_width
from lib.figures.laziness import KAPPA
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, Look, depth_colour, log_axis, width_axis
from lib.theory.regimes import boundary, width_slope
from lib.trends import Interval

_MEASURES = {
    "kappa": KAPPA,
    "RD": "RD of the input layer",
    "linearization_error": "linearization error",
    "kernel_drift": "kernel drift",
}
# More than this is one colour: the border is what the eye should find.
_REACH = 0.5
_MOMENTS = ("start", "half the first loss", "end")


def _looks(labels: Mapping[object, str]) -> dict[object, Look]:
    return {
        value: Look(label, CATEGORIES[place], MARKERS[place]) for place, (value, label) in enumerate(labels.items())
    }


def measures_over_width(line: pd.DataFrame) -> Figure:
    """Draw four measures of laziness over the width, one curve an exponent.

    Args:
        line: one line a network, with its exponent in `c`.
    """
    looks = _looks({c: f"$c = {c:g}$" for c in sorted(line["c"].unique())})
    figure, axes = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 6.2), sharex=True)
    for axis, (column, label) in zip(axes.flat, _MEASURES.items(), strict=True):
        curves(axis, line, "width", column, by="c", look=looks.__getitem__)
        axis.axhline(1, color="black", linewidth=0.6, linestyle=":")
        axis.set_xscale("log")
        log_axis(axis, label)
    for axis in axes[1]:
        axis.set_xlabel("width $m$")
    letter(axes.flat, [""] * 4)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(looks))
    return figure


def phase_diagram(measured: pd.DataFrame, counted: pd.DataFrame, edges: Mapping[float, Interval]) -> Figure:
    """Draw S_w over Luo et al.'s plane with the place where it vanishes, and S_w against the count of powers.

    Args:
        measured: S_w, rows γ' and columns γ.
        counted: the same by the count of powers.
        edges: of each γ' the γ at which the measured S_w vanishes.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.2), width_ratios=[1.25, 1])
    image = left.pcolormesh(measured.columns, measured.index, measured, cmap="RdBu_r", vmin=-_REACH, vmax=_REACH,
                            shading="nearest")  # fmt: skip
    figure.colorbar(image, ax=left, label="$S_w$, mean over seeds", extend="both")
    fine = np.linspace(-0.45, 0.45, 91)
    left.plot([boundary(p) for p in fine], fine, color="black", linewidth=1.5, label="Luo et al.'s boundary")
    shown = [(i.mean, p, i) for p, i in edges.items() if i.seeds > 1]
    if shown:
        x, y, intervals = zip(*shown, strict=True)
        bars = [[i.mean - i.low for i in intervals], [i.high - i.mean for i in intervals]]
        left.errorbar(x, y, xerr=bars, fmt="o", color="#222222", markerfacecolor="white", label="zero of our $S_w$")
    left.set(xlabel=r"$\gamma$", ylabel=r"$\gamma'$", xlim=(0.55, 1.45), ylim=(-0.45, 0.45))
    left.grid(False)
    left.legend(loc="lower right", frameon=True, fontsize=9)
    sides = {"< 0": measured.index < 0, "= 0": measured.index == 0, "> 0": measured.index > 0}
    for place, (label, part) in enumerate(sides.items()):
        right.plot(counted[part].to_numpy().ravel(), measured[part].to_numpy().ravel(), MARKERS[place],
                   color=CATEGORIES[place], markersize=4, label=rf"$\gamma' {label}$")  # fmt: skip
    ends = [counted.to_numpy().min(), counted.to_numpy().max()]
    right.plot(ends, ends, color="black", linewidth=0.8)
    right.set(xlabel="$S_w$ by the count of powers", ylabel="$S_w$ measured")
    right.legend(fontsize=9)
    letter((left, right), ("the plane", "against the count"))
    return figure


def slope_over_exponent(slopes: Mapping[float, Interval], zero: Interval, sufficient: float = 1.5) -> Figure:
    """Draw S_w over the exponent c of β_1 = β_2 = m^-c with the count of powers, and where the sign changes.

    Args:
        slopes: S_w with its interval over seeds, by c.
        zero: the c at which it vanishes.
        sufficient: the c above which Theorem 2 applies.
    """
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 4.2))
    cs = np.array(list(slopes))
    means = np.array([interval.mean for interval in slopes.values()])
    bars = [means - [i.low for i in slopes.values()], [i.high for i in slopes.values()] - means]
    fine = np.linspace(cs.min(), cs.max(), 200)
    axis.axvspan(sufficient, cs.max(), color=CATEGORIES[4], alpha=0.15, label="Theorem 2 applies", linewidth=0)
    axis.plot(fine, [width_slope(2 * c, 0) for c in fine], color="black", linewidth=1, label="count of powers")
    axis.errorbar(cs, means, bars, fmt="o", color=CATEGORIES[0], label="measured, 95%")
    axis.axhline(0, color="black", linewidth=0.6)
    axis.axvline(zero.mean, color=CATEGORIES[1], linestyle="--", linewidth=1.2, label="measured zero")
    axis.set(xlabel=r"$c$ in $\beta_1 = \beta_2 = m^{-c}$", ylabel="$S_w$: power of $m$ in RD")
    axis.legend(loc="upper left")
    return figure


def layers_over_width(layers: pd.DataFrame) -> Figure:
    """Draw the largest change of each layer over the width, one panel a depth.

    Args:
        layers: one line a layer of a network, with `layer` (from 1) and `change`.
    """
    depths = sorted(layers["depth"].unique())
    figure, axes = plt.subplots(1, max(1, len(depths)), figsize=(PAGE_WIDTH, 3.6), sharey=True, squeeze=False)
    for axis, depth in zip(axes[0], depths, strict=False):

        def look(layer: int, depth: int = depth) -> Look:
            return Look(f"layer {layer}", depth_colour(depth), MARKERS[layer - 1])

        over_width(axis, layers[layers["depth"] == depth], "change", "", by="layer", look=look)
        axis.legend(fontsize=9)
    log_axis(axes[0, 0], "largest RD of a layer")
    letter(axes[0], [f"$L = {depth}$" for depth in depths])
    return figure


def kappa_at_the_end(ends: pd.DataFrame) -> Figure:
    """Draw κ over the width: of two layers by initialization, and under He by depth."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.2))
    two = ends[ends["depth"] == 2]
    over_width(axes[0], two, "kappa", KAPPA)
    over_width(axes[1], ends[ends["initializer"] == "he"], "kappa", "", by="depth")
    for axis in axes:
        axis.axhline(1, color="black", linewidth=0.6, linestyle=":")
        width_axis(axis, two["width"].unique())
    axes[0].legend(fontsize=9)
    axes[1].legend(loc="lower left", fontsize=9)
    letter(axes, ("two layers", "He, by depth"))
    return figure


def norms_over_width(networks: pd.DataFrame, least: float, fewest: float = 4.0) -> Figure:
    """Draw path norm and least kernel norm of trained networks over the width, one curve a case.

    Args:
        networks: one line a network, with the name of its `case`.
        least: the least kernel norm of any function through the points.
        fewest: the path norm of the two neurons that make the target.
    """
    looks = _looks({case: case for case in dict.fromkeys(networks["case"])})
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 4.8))
    columns = {"path_norm": "path norm of the network", "kernel_norm": "least kernel norm of its values"}
    for axis, (column, label), floor in zip(axes, columns.items(), (fewest, least), strict=True):
        curves(axis, networks, "width", column, by="case", look=looks.__getitem__)
        axis.set(xscale="log", xlabel="width $m$")
        axis.axhline(floor, color="black", linewidth=0.8, linestyle="--")
        log_axis(axis, label)
    letter(axes, ["", ""])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def neurons_at_three_moments(films: Sequence[Film]) -> Figure:
    """Draw the neurons of two-layer networks on the line, angle and amplitude: a row a network, a column a moment."""
    figure, axes = plt.subplots(len(films), 3, figsize=(PAGE_WIDTH, 2.3 * len(films)), sharex=True, squeeze=False)
    for row, film in zip(axes, films, strict=True):
        for axis, network in zip(row, film.frames, strict=True):
            directions, amplitudes = neurons(network)
            angle = torch.rad2deg(torch.atan2(directions[0, :, 1], directions[0, :, 0]))
            positive = network.weights[1][0, :, 0] > 0
            share = amplitudes[0] / amplitudes.max()
            for sign, colour, marker in ((positive, CATEGORIES[1], "o"), (~positive, CATEGORIES[0], "^")):
                axis.scatter(angle[sign], share[sign], s=7, color=colour, marker=marker, linewidths=0)
            axis.set(ylim=(-0.04, 1.06), xlim=(-180, 180), xticks=[-180, -90, 0, 90, 180])
            axis.label_outer()
        row[0].set_ylabel(rf"$\gamma = {film.gamma:g}$" + "\nshare of largest")
    for axis in axes[-1]:
        axis.set_xlabel("angle of $w_k$ in degrees")
    letter(axes[0], _MOMENTS, size=10)
    return figure


def directions_over_loss(films: Sequence[Film]) -> Figure:
    """Draw the number of distinct directions of neurons against the loss, which falls to the right."""
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 3.8))
    for place, film in enumerate(films):
        axis.plot([loss / film.losses[0] for loss in film.losses], film.directions, color=CATEGORIES[place],
                  marker=MARKERS[place], markersize=3, label=rf"$\gamma = {film.gamma:g}$")  # fmt: skip
    axis.set(xscale="log", xlabel="loss / first loss (training runs to the right)", ylabel="distinct directions")
    axis.invert_xaxis()
    axis.set_ylim(bottom=0)
    axis.legend()
    return figure
