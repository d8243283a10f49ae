"""Curves over any axis with bands over seeds: published rows filled, a live run dashed and open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.style import PAGE_WIDTH, Look, depth_look, initialization_look, log_axis, width_axis
from lib.trends import summarise

STABILITY = r"stability $P$ at $\varepsilon = 1$"

LOOKS: dict[str, Callable[[Any], Look]] = {"initializer": initialization_look, "depth": depth_look}


def curves(
    axis: Axes,
    frame: pd.DataFrame,
    x: str,
    quantity: str,
    by: str = "initializer",
    look: Callable[[Any], Look] | None = None,
    log: bool = True,
    live: bool = False,
    **line: Any,
) -> None:
    """Draw a quantity over x, one curve for each value of a column: mean over seeds with its 95 % Student t band.

    Where the rows say whether they are `trained`, a cell with a seed that is not has an open marker. A level that a
    curve lacks interrupts it; a seed whose logarithm does not exist (a dead network) is left out.

    Args:
        axis: where to draw.
        frame: one line a seed.
        x: the column of the abscissa.
        quantity: the column of the ordinate.
        by: the column whose values are the curves.
        look: label, colour and marker of a value; None is the book's for initializations and depths.
        log: intervals of the logarithm.
        live: dashed with large open markers and "(live)" behind the label, for a run beside published rows.
        line: further properties of the lines.
    """
    look = look or LOOKS[by]
    usable = frame[frame[quantity] > 0] if log else frame.dropna(subset=[quantity])
    levels = sorted(frame[x].unique())
    for value, part in usable.groupby(by, sort=pd.api.types.is_numeric_dtype(usable[by])):
        table = summarise(part, quantity, [x], log=log).set_index(x).reindex(levels)
        label, colour, marker = look(value)
        style = {"linestyle": "--", "linewidth": 1.2, "markersize": 7, "markerfacecolor": "none"} if live else {}
        style |= {"color": colour, "marker": marker, "label": f"{label} (live)" if live else label} | line
        (drawn,) = axis.plot(levels, table["mean"], **style)
        if not live and "key" in part:
            # For whoever clicks on a point: the rows behind it (lib.figures.publishing).
            drawn.rows_behind = {at: (f"{x} {at:g}", keys) for at, keys in part.groupby(x)["key"].unique().items()}
        if not live and "trained" in part:
            trained = part.groupby(x)["trained"].all()
            at = list(trained.index[~trained])
            axis.plot(at, table["mean"].reindex(at), linestyle="", marker=marker, color=colour, markerfacecolor="white")
        axis.fill_between(levels, table["low"], table["high"], color=colour, alpha=0.18, linewidth=0)


def letter(axes: Sequence[Axes], titles: Sequence[str], size: float = 11) -> None:
    """Write "a", "b", ... and a short title over the panels of a figure."""
    for axis, name, title in zip(axes, "abcdefghijklmnop", titles, strict=False):
        axis.set_title(rf"$\bf{{{name}}}$  {title}", loc="left", fontsize=size)


@contextmanager
def stability_and_accuracy(
    names: Sequence[str], ncols: int, height: float = 5.8, ratio: float = 1.6
) -> Iterator[tuple[Figure, np.ndarray]]:
    """Yield a figure and its axes, P above the test accuracy and a column an initialization; label it once it is drawn.

    Args:
        names: of the initializations.
        ncols: columns of the legend.
        height: of the figure, in inches.
        ratio: of the height of the upper row to that of the lower one.
    """
    figure, axes = plt.subplots(
        2, len(names), figsize=(PAGE_WIDTH, height), sharex=True, sharey="row", squeeze=False, height_ratios=(ratio, 1)
    )
    yield figure, axes
    log_axis(axes[0, 0], STABILITY)
    axes[1, 0].set(ylabel="test accuracy", ylim=(0, 1))
    letter(axes[0], [initialization_look(name).label for name in names])
    handles: dict[str, object] = {}
    for axis in axes[0]:
        handles |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=ncols)


def over_width(axis: Axes, frame: pd.DataFrame, quantity: str, label: str, log: bool = True, **options: Any) -> None:
    """Draw `curves` of a quantity over the width, with the book's axes."""
    curves(axis, frame, "width", quantity, log=log, **options)
    width_axis(axis, frame["width"].unique())
    _ordinate(axis, label, log)


def over_depth(axis: Axes, frame: pd.DataFrame, quantity: str, label: str, log: bool = True, **options: Any) -> None:
    """Draw `curves` of a quantity over the depth, with the book's axes."""
    curves(axis, frame, "depth", quantity, log=log, **options)
    axis.set(xlabel="depth $L$", xticks=sorted(frame["depth"].unique()))
    _ordinate(axis, label, log)


def _ordinate(axis: Axes, label: str, log: bool) -> None:
    if log:
        log_axis(axis, label)
    else:
        axis.set_ylabel(label)
