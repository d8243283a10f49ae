"""The bound of Theorem 1: its curves, the rare event behind it, trained networks beside it, and the tables of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from lib.experiments.over_bound import Shape
from lib.figures.curves import letter, over_width
from lib.figures.style import (
    CATEGORIES,
    PAGE_WIDTH,
    depth_colour,
    depth_look,
    initialization_look,
    log_axis,
    width_axis,
)
from lib.prose import p_text, plus_minus
from lib.theory.bounds import critical_width, peak_over_plateau, theorem1, theorem1_terms
from lib.theory.initialization import mean_stability
from lib.verdicts.profile_likelihood import TwoTerms

_OVER = "$m/L^3$"
# Beyond this m/L³ nothing is left to see.
_FARTHEST = 60
# Shares whose statistic stays below this lie in the 95 % interval.
_ADMITTED = stats.chi2.ppf(0.95, 1)
_QUANTITIES = {"bound": "bound", "exact": "exact law"}
_PREDICTIONS = {"bound": "bound", "T2": "plateau alone"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _fine(widths: Sequence[int]) -> list[int]:
    return sorted({round(m) for m in np.geomspace(min(widths), max(widths), 120)})


def bound_over_width(
    initializers: Sequence[str], widths: Sequence[int], depths: Sequence[int], in_features: int, out_features: int
) -> Figure:
    """Draw the bound with its peak marked (solid) and the exact P before training (dashed), by initialization."""
    figure, axes = plt.subplots(1, len(initializers), figsize=(PAGE_WIDTH, 3.8), sharey=True, squeeze=False)
    fine = _fine(widths)
    for axis, name in zip(axes[0], initializers, strict=True):

        def of(law, name: str = name) -> dict[int, list[float]]:
            return {L: [law(m, L, in_features, out_features, name) for m in fine] for L in depths}

        exact = of(mean_stability)
        for depth, bound in of(theorem1).items():
            label, colour, marker = depth_look(depth)
            axis.plot(fine, bound, color=colour, label=label)
            axis.plot(fine, exact[depth], color=colour, linestyle="--", linewidth=1.1)
            if fine[0] <= (peak := round(critical_width(depth))) <= fine[-1]:
                axis.plot(peak, theorem1(peak, depth, in_features, out_features, name), marker, color=colour)
        width_axis(axis, widths[:: max(1, len(widths) // 4)])
    log_axis(axes[0, 0], r"$P/\varepsilon$ and its bound")
    letter(axes[0], [initialization_look(name).label for name in initializers])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(depths))
    return figure


def rare_event(cells: pd.DataFrame, draws: int) -> Figure:
    """Draw how often a length leaves 1 ± 1/L, and what that event carries of P, over m/L³.

    Args:
        cells: one line a depth and width: leaves, its probability; share, of E‖Jδ‖; over, the transition term over
            the plateau term.
        draws: networks drawn a cell, the floor of what can be seen.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.9), sharex=True)
    scaled = cells["width"] / cells["depth"] ** 3
    ends = max(scaled.min(), 1e-2), min(scaled.max(), _FARTHEST)
    for depth, line in cells.groupby("depth"):
        label, colour, marker = depth_look(depth)
        style = {"color": colour, "marker": marker}
        left.plot(scaled[line.index], line["leaves"].where(line["leaves"] > 0), label=label, **style)
        right.plot(scaled[line.index], line["share"].where(line["share"] > 0), **style)
        right.plot(scaled[line.index], line["over"], color=colour, linestyle="--", linewidth=1.1)
    fine = np.geomspace(*ends, 100)
    walk = np.minimum(1, 4 * stats.norm.sf(np.sqrt(0.8 * fine)))
    left.plot(fine, walk, color="black", linewidth=1, label="random walk")
    for axis in (left, right):
        axis.set(xscale="log", xlabel=_OVER, yscale="log", xlim=ends)
    left.set(ylabel="probability of $A$", ylim=(0.5 / draws, 2))
    right.set(ylabel="in units of the plateau", ylim=(0.5 / draws, 3 * max(1, cells["over"].max())))
    left.legend(fontsize=9)
    letter((left, right), ("how often", "what it carries"))
    return figure


def ratio_over_width(trained: Mapping[str, pd.DataFrame], widths: Sequence[int], depths: Sequence[int]) -> Figure:
    """Draw P over the bound: exact before training, and of trained networks, a panel an initialization.

    Args:
        trained: rows of one epoch with `bound_ratio`, by initialization; MNIST's d and o.
        widths: of the exact curves.
        depths: one exact curve each.
    """
    figure, axes = plt.subplots(1, 1 + len(trained), figsize=(PAGE_WIDTH, 4), sharey=True, squeeze=False)
    first, fine = axes[0, 0], _fine(widths)
    for depth in depths:
        ratio = [mean_stability(m, depth, 784, 10, "he") / theorem1(m, depth, 784, 10, "he") for m in fine]
        first.plot(fine, ratio, color=depth_colour(depth), label=depth_look(depth).label)
    width_axis(first, widths[:: max(1, len(widths) // 4)])
    for axis, rows in zip(axes[0, 1:], trained.values(), strict=True):
        over_width(axis, rows, "bound_ratio", "", by="depth")
        width_axis(axis, sorted(rows["width"].unique())[::2])
        axis.axhline(1, color="black", linewidth=0.8)
    log_axis(first, r"$P/\varepsilon$ over the bound")
    letter(axes[0], ["untrained", *(initialization_look(name).label for name in trained)])
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(depths))
    return figure


def profiles(fits: Mapping[tuple[str, int, str], TwoTerms]) -> Figure:
    """Draw the profile likelihood of the transition term's share, a panel an initialization, dashed before training.

    Args:
        fits: by initialization, epoch and the kind of fit.
    """
    names, kinds = (list(dict.fromkeys(key[place] for key in fits)) for place in (0, 2))
    figure, axes = plt.subplots(1, max(1, len(names)), figsize=(PAGE_WIDTH, 4.2), sharey=True, squeeze=False)
    shares = np.concatenate([np.linspace(0, 1e-3, 40), np.geomspace(1e-3, 2, 200)[1:]])
    for (name, epoch, kind), fit in fits.items():
        axis, colour = axes[0, names.index(name)], CATEGORIES[kinds.index(kind)]
        line, label = "-" if epoch else "--", f"{kind}, {f'epoch {epoch}' if epoch else 'untrained'}"
        axis.plot(shares, [fit.deviance(share) for share in shares], line, color=colour, label=label)
    for axis in axes[0]:
        axis.axhline(_ADMITTED, color="black", linewidth=0.8)
        axis.axvline(1, color="black", linewidth=0.8, linestyle=":")
        axis.set_xscale("symlog", linthresh=1e-3)
        axis.set(xlabel="share $a/b$", ylim=(0, 30), xlim=(0, 2), xticks=[0, 1e-3, 1e-1])
    axes[0, 0].set_ylabel("likelihood ratio statistic")
    letter(axes[0], [initialization_look(name).label for name in names])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def peak_table(bounds: pd.DataFrame, in_features: int, out_features: int) -> pd.DataFrame:
    """Return one line a depth, of one initialization: where the bound peaks, and how far over its plateau.

    Args:
        bounds: columns initializer, depth, width, bound.
        in_features: d.
        out_features: o.
    """
    (name,) = bounds["initializer"].unique()
    largest = bounds.groupby("depth")["bound"].max()
    plateaus = {L: theorem1_terms(out_features, L, in_features, out_features, name).plateau for L in largest.index}
    return pd.DataFrame(
        {
            "L": largest.index,
            "m* = L³/2": [f"{critical_width(L):.3g}" for L in largest.index],
            "peak / plateau": [f"{peak_over_plateau(L, out_features):.3g}" for L in largest.index],
            "largest on the grid / plateau": [f"{most / plateaus[L]:.3g}" for L, most in largest.items()],
        }
    )


def arrows(table: pd.DataFrame, flat: float) -> pd.DataFrame:
    """Return the arrow from each column of positive values to the next; a change of at most the share `flat` is "→"."""
    steps = np.log(table).diff(axis="columns").iloc[:, 1:]
    return steps.map(lambda change: "→" if abs(change) <= np.log1p(flat) else "↗" if change > 0 else "↘")


def arrows_over_width(bounds: pd.DataFrame, flat: float) -> pd.DataFrame:
    """Return one line a quantity ("bound", "exact") and depth with the arrows over the width, of one initialization."""
    tables = {q: arrows(bounds.pivot(index="depth", columns="width", values=q), flat) for q in _QUANTITIES}
    return pd.DataFrame(
        [
            {"curve of": _QUANTITIES[q], "L": depth, **{f"to {short_width(m)}": line[m] for m in table}}
            for q, table in tables.items()
            for depth, line in table.iterrows()
        ]
    )


def arrows_over_depth(bounds: pd.DataFrame, flat: float) -> pd.DataFrame:
    """Return one line a quantity and depth with the arrows over the depth; initializations with the same share them."""
    alike: dict[str, tuple[list[str], dict[str, pd.DataFrame]]] = {}
    for name, part in bounds.groupby("initializer", sort=False):
        tables = {q: arrows(part.pivot(index="width", columns="depth", values=q), flat).T for q in _QUANTITIES}
        key = str([table.to_numpy().tolist() for table in tables.values()])
        alike.setdefault(key, ([], tables))[0].append(initialization_look(name).label)
    return pd.DataFrame(
        [
            {
                "initialization": ", ".join(names),
                "curve of": _QUANTITIES[q],
                "step to L": depth,
                **{short_width(m): line[m] for m in table},
            }
            for names, tables in alike.values()
            for q, table in tables.items()
            for depth, line in table.iterrows()
        ]
    )


def short_width(width: int) -> str:
    """Write a width as a power of two where it is one, "2⁵", so that tables of many widths fit their column."""
    power = width.bit_length() - 1
    return f"2{str(power).translate(_SUPERSCRIPTS)}" if width == 2**power else str(width)


def share_text(fit: TwoTerms) -> str:
    """Write the share a/b of the transition term with its 95 % interval."""
    return f"{fit.ratio:.2g} [{fit.low:.2g}, {f'{fit.high:.2g}' if np.isfinite(fit.high) else '∞'}]"


def shape_table(shapes: Mapping[tuple[str, int, str], Shape]) -> pd.DataFrame:
    """Return one line an initialization, epoch and prediction ("bound" or "T2") with how P goes beside it."""
    return pd.DataFrame(
        [
            {
                "initialization": initialization_look(name).label,
                "epoch": epoch,
                "P divided by": _PREDICTIONS[prediction],
                "constant": f"{found.constant:.3g}",
                "factor left": f"{found.left:.2f}",
                "slope in log m": plus_minus(found.on_width),
                "slope in L": plus_minus(found.on_depth),
            }
            for (name, epoch, prediction), found in shapes.items()
        ]
    )


def fit_table(fits: Mapping[tuple[str, int, str], TwoTerms]) -> pd.DataFrame:
    """Return one line an initialization, epoch and kind of fit with the share of the transition term."""
    return pd.DataFrame(
        [
            {
                "initialization": initialization_look(name).label,
                "epoch": epoch,
                "fit": kind,
                "a/b, 95%": share_text(fit),
                "p": p_text(fit.p),
                "likelihood ratio": f"{fit.deviance(1):.0f}",
                "factor left": f"{math.exp(fit.misfit):.2f}",
            }
            for (name, epoch, kind), fit in fits.items()
        ]
    )
