"""Networks of one's own (chapter 17): draws and worst case beside the exact P, and what ways to J cost."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lib.figures.curves import letter
from lib.figures.style import CATEGORIES, MARKERS, PAGE_WIDTH, log_axis


def sampled_and_worst(examples: pd.DataFrame) -> Figure:
    """Draw the sampled over the exact P, and the local Lipschitz constant over the exact P, at each example.

    Args:
        examples: one line an example: model, point, exact, sampled, standard_error, lipschitz (NaN where not sought).
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.9))
    for number, (model, part) in enumerate(examples.groupby("model", sort=False)):
        look = {"color": CATEGORIES[number], "marker": MARKERS[number], "linestyle": "none", "label": model}
        ratio, error = part["sampled"] / part["exact"], 2 * part["standard_error"] / part["exact"]
        left.errorbar(part["exact"], ratio, yerr=error, elinewidth=0.8, **look)
        right.plot(part["exact"], part["lipschitz"], **look)
    left.axhline(1, color="black", linewidth=0.8)
    left.set(xlabel=r"exact $\mathcal{P}$", ylabel=r"sampled / exact $\mathcal{P}$")
    right.set(xlabel=r"exact $\mathcal{P}$")
    log_axis(right, "local Lipschitz constant, at least")
    left.legend()
    letter((left, right), ("draws and integral", "average and worst"))
    return figure


def prices(costs: pd.DataFrame, ways: Sequence[str]) -> Figure:
    """Draw seconds an example and memory of several ways to one number, models side by side.

    Args:
        costs: one line a model and way: model, way, seconds (an example), mib (NaN where the system does not tell).
        ways: from top to bottom.
    """
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.2), sharey=True)
    for number, (model, part) in enumerate(costs.groupby("model", sort=False)):
        part = part.set_index("way").reindex(ways)
        place = np.arange(len(ways)) + 0.16 * (number - 1)
        for axis, quantity in zip(axes, ("seconds", "mib"), strict=True):
            axis.plot(part[quantity].clip(lower=1e-6), place, MARKERS[number], color=CATEGORIES[number], label=model)
    axes[0].set(xscale="log", xlabel="seconds an example", yticks=range(len(ways)), yticklabels=ways)
    axes[1].set(xscale="symlog", xlabel="memory, MiB", xlim=(0, 2 * max(1.0, costs["mib"].max(skipna=True))))
    axes[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].invert_yaxis()
    axes[0].legend(loc="best")
    letter(axes, ("time", "memory"))
    return figure
