"""The look of every figure in the book: one style, one colour a depth or an initialization, bands over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatterSciNotation, LogLocator, NullLocator

from lib.prose import initialization_label
from lib.trends import summarise

# One sequential map that colour-blind readers can order; its pale end is left out to stay legible on white.
_MAP = mpl.colormaps["viridis"]
_DEEPEST, _PALEST = 10, 0.88
# For the few things that are not depths (initializations, bounds): Okabe and Ito's palette.
CATEGORIES = sns.color_palette(["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"])
# Inches. A page shows a figure about 690 px wide: at this width 9 points become 11 px, and less cannot be read.
PAGE_WIDTH = 7.6
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


class Look(NamedTuple):
    """How an initialization or a depth is written and drawn, in every figure and table of the book."""

    label: str
    colour: tuple[float, ...]
    marker: str


INITIALIZATIONS = {
    name: Look(initialization_label(name), CATEGORIES[colour], MARKERS[colour])
    for colour, name in enumerate(("he", "lecun", "ntk", "power-2", "gamma-0.8", "gamma-1.2", "gamma-1.5"))
}
_FAMILIES = {"power": "power-2", "gamma": "gamma-1.2", "ntk": "ntk"}


def initialization_look(name: str) -> Look:
    """Return how an initialization is written and drawn; one beyond the book's takes its family's colour."""
    known = name if name in INITIALIZATIONS else _FAMILIES[name.partition("-")[0]]
    return INITIALIZATIONS[known]._replace(label=initialization_label(name))


def use_style() -> None:
    """Set the book's style for all figures of a notebook, as vectors."""
    sns.set_theme(context="notebook", style="ticks", font="DejaVu Sans", font_scale=0.95)
    mpl.rcParams.update(
        {
            "figure.figsize": (7.0, 4.2),
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "lines.markersize": 5,
            # Equal figures give equal bytes, so that an unchanged chapter leaves an unchanged page.
            "svg.hashsalt": "book",
        }
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # outside a notebook there is nothing to set
        return
    set_matplotlib_formats("svg", metadata={"Date": None})


def depth_colour(depth: int) -> tuple[float, float, float, float]:
    """Return the colour of a depth L in 2..10, the same in every figure of the book."""
    return _MAP(_PALEST * (min(depth, _DEEPEST) - 2) / (_DEEPEST - 2))


def depth_look(depth: int) -> Look:
    """Return how a depth L is written and drawn."""
    return Look(f"$L = {depth}$", depth_colour(depth), MARKERS[depth // 2 % len(MARKERS) - 1])


def width_axis(axis: Axes, widths: Iterable[int]) -> None:
    """Give an axis the widths m as powers of two on a logarithmic scale."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(sorted(set(widths)))
    axis.xaxis.set_major_formatter(FuncFormatter(_power_of_two))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("width $m$")


def _power_of_two(value: float, _position: int) -> str:
    exponent = np.log2(value)
    return f"$2^{{{exponent:.0f}}}$" if exponent == round(exponent) else f"{value:g}"


# First digits of the numbers on a logarithmic axis; the first that give three numbers are taken.
_DIGITS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), tuple(np.arange(1.0, 10.0, 0.5)))


def _first_digits(low: float, high: float) -> tuple[float, ...]:
    return next((digits for digits in _DIGITS if len(_numbers(low, high, digits)) > 2), _DIGITS[-1])


def _numbers(low: float, high: float, digits: tuple[float, ...]) -> np.ndarray:
    """Return the numbers of these first digits in a range."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    numbers = np.outer(powers, digits).ravel()
    return numbers[(low <= numbers) & (numbers <= high)]


def log_axis(axis: Axes, label: str) -> None:
    """Give an axis a logarithmic ordinate, labelled also where the data span less than a decade.

    Numbers are plain, and powers of ten where the axis leaves 10⁻⁵ to 10⁵.
    """
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=_first_digits(low, high)))
    plain = high <= 1e5 and low >= 1e-5
    formatter = FuncFormatter(lambda value, _: f"{value:g}") if plain else LogFormatterSciNotation()
    axis.yaxis.set_major_formatter(formatter)
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylabel(label)


def few_log_ticks(axis: Axes) -> None:
    """Give a logarithmic abscissa two to four numbers, however narrow it is: a small panel has room for no more."""
    low, high = axis.get_xlim()
    ticks = _numbers(low, high, _first_digits(low, high))
    axis.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 4)]))
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_major_formatter(plain if low >= 1e-3 else LogFormatterSciNotation())
    axis.xaxis.set_minor_locator(NullLocator())


def curves_over_width(axis: Axes, frame: pd.DataFrame, quantity: str, label: str, log: bool = True) -> None:
    """Draw a quantity against width, one colour a depth: mean over seeds with its 95 % Student t band.

    Args:
        axis: where to draw.
        frame: one line a seed with the columns width, depth, seed and the quantity.
        quantity: the column to draw; positive where `log`.
        label: the ordinate's label, with units.
        log: logarithmic ordinate and intervals of the logarithm.

    A width that a depth does not have interrupts its curve, so that gaps stay visible.
    """
    table = summarise(frame, quantity, ["depth", "width"], log=log)
    widths = sorted(table["width"].unique())
    for (depth, curve), marker in zip(table.groupby("depth"), cycle(MARKERS), strict=False):
        curve = curve.set_index("width").reindex(widths)
        colour = depth_colour(depth)
        axis.plot(widths, curve["mean"], color=colour, marker=marker, label=f"$L = {depth}$")
        axis.fill_between(widths, curve["low"], curve["high"], color=colour, alpha=0.18, linewidth=0)
    width_axis(axis, widths)
    if log:
        log_axis(axis, label)
    else:
        axis.set_ylabel(label)
