"""Convolutional networks: the law at initialization over the depth, and networks drawn from it (chapter 11)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.curves import letter
from lib.figures.style import PAGE_WIDTH, depth_look, initialization_look, log_axis, width_axis


def law_and_networks(cells: pd.DataFrame, connected: float) -> Figure:
    """Draw the exact P_rms over the depth with networks drawn, and their ratio to it over the width.

    Args:
        cells: as from `lib.experiments.convolutional_law.drawn_beside_law`.
        connected: the exact P_rms of a fully connected He network of as many inputs and outputs.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.9))
    left.axhline(connected, color="black", linewidth=0.8, linestyle=":")
    left.annotate("fully connected, He", (1, connected), xycoords=("axes fraction", "data"), xytext=(-2, 4),
                  textcoords="offset points", ha="right", fontsize=9)  # fmt: skip
    for name, part in cells.groupby("initializer", sort=False):
        look = initialization_look(name)
        line = part.drop_duplicates("depth").sort_values("depth")
        left.plot(line["depth"], line["exact"], color=look.colour, linewidth=1, alpha=0.7)
        left.plot(part["depth"], part["measured"], look.marker, color=look.colour, label=look.label, markersize=5)
    left.set(xlabel="depth $L$", xticks=sorted(cells["depth"].unique()))
    log_axis(left, "$P_{rms}$ at initialization")
    left.legend(fontsize=9)
    places = [(name, depth) for name in cells["initializer"].unique() for depth in sorted(cells["depth"].unique())]
    for place, (name, depth) in enumerate(places):
        part = cells[(cells["initializer"] == name) & (cells["depth"] == depth)]
        look, mark = initialization_look(name), depth_look(depth)
        # Side by side around their width.
        at = part["width"] * 2 ** (0.12 * (place - (len(places) - 1) / 2))
        bars = np.abs(part[["low", "high"]].to_numpy().T - part["ratio"].to_numpy())
        right.errorbar(at, part["ratio"], yerr=bars, fmt=mark.marker, color=look.colour, markersize=4, elinewidth=1,
                       label=f"{look.label}, {mark.label}")  # fmt: skip
    right.axhline(1, color="black", linewidth=0.8)
    width_axis(right, cells["width"].unique())
    right.set(xlabel="channels $m$", ylabel="mean square over networks / exact")
    right.legend(fontsize=9, ncols=2)
    letter((left, right), ("over the depth", "networks over the law"))
    return figure
