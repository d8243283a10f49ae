"""What lower precision changes: each cell's change of four quantities, with the margins in which it counts as none."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.curves import letter
from lib.figures.style import initialization_look

_TITLES = {"P": "P", "kappa": "κ", "train_loss": "training loss", "test_accuracy": "accuracy"}


def changes(found: pd.DataFrame, margins: Mapping[str, float]) -> Figure:
    """Draw a panel a quantity: one point a cell with its 90 % interval, filled where it is equal; grey: the margin.

    Args:
        found: as from `lib.verdicts.precision.equivalence`.
        margins: by quantity.
    """
    cells = list(dict.fromkeys(zip(found["initializer"], found["depth"], found["width"], strict=True)))
    figure, axes = plt.subplots(1, 4, figsize=(8.4, 1.3 + 0.3 * max(len(cells), 3)), sharey=True)
    letter(axes, _TITLES.values())
    for axis, (quantity, margin) in zip(axes, margins.items(), strict=True):
        axis.axvspan(-100 * margin, 100 * margin, color="0.92")
        axis.axvline(0, color="black", linewidth=0.8)
        shift = 0.0 if quantity == "test_accuracy" else 1.0
        for line in found[found["quantity"] == quantity].itertuples():
            mean, low, high = (100 * (value - shift) for value in (line.mean, line.low, line.high))
            look = initialization_look(line.initializer)
            place = cells.index((line.initializer, line.depth, line.width))
            face = look.colour if line.outcome == "equal" else "white"
            axis.errorbar(
                mean, place, xerr=[[mean - low], [high - mean]], color=look.colour, marker=look.marker,
                markerfacecolor=face, capsize=2,
            )  # fmt: skip
        axis.set_xlabel("points" if quantity == "test_accuracy" else "change, %")
    names = [f"{initialization_look(name).label}, L = {depth}, m = {width}" for name, depth, width in cells]
    axes[0].set_yticks(range(len(cells)), names)
    axes[0].set_ylim(max(len(cells), 1) - 0.5, -0.5)
    return figure
