"""The verdicts of both rounds by both versions of the rules, as one divided bar each."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.style import PAGE_WIDTH

# The colours of the chips in book/book.css, and two greys.
_COLOURS = {
    "supported": "#17693a",
    "contradicted": "#a33400",
    "inconclusive": "#595959",
    "not testable": "#9a9a9a",
    "not judged yet": "#e4e4e4",
}
# A narrower part of a bar has no room for its number.
_LEGIBLE = 3


def rounds_figure(counts: pd.DataFrame) -> Figure:
    """Draw counts of verdicts, one bar a line: the columns round and rules, then one a verdict."""
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 2.3))
    places, left = np.arange(len(counts)), np.zeros(len(counts))
    for word, colour in _COLOURS.items():
        values = counts[word].to_numpy()
        axis.barh(places, values, left=left, color=colour, label=word, height=0.7)
        for place, start, value in zip(places, left, values, strict=True):
            if value >= _LEGIBLE:
                ink = "black" if word in ("not judged yet", "not testable") else "white"
                axis.text(start + value / 2, place, f"{value}", ha="center", va="center", color=ink, fontsize=10)
        left += values
    axis.set_yticks(places, [f"round {r}, rules {v}" for r, v in zip(counts["round"], counts["rules"], strict=True)])
    axis.invert_yaxis()
    axis.set_xlabel("claims")
    axis.grid(False)
    figure.legend(loc="outside upper center", ncols=5, fontsize=10)
    return figure
