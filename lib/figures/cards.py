"""The landing page's three cards: a claim, its verdict, one number, and a picture that is titled with its finding."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.curves import curves
from lib.figures.style import CATEGORIES, Look, depth_look, log_axis, width_axis

# Inches and points: a card shows the picture 190 px wide on a laptop, where 8.5 points become 11 px.
_SIZE, _POINTS = (2.05, 1.35), 8.5


class Card(NamedTuple):
    """One card: what the paper claims, what became of it, and where to read on.

    Attributes:
        title, claim: its name, and the claim in about eight words.
        chip: HTML of the verdict.
        number: one number with its interval.
        finding, figure, alt: the picture with its title and what it shows in words.
        page, link: where to read on, and the text of the link.
    """

    title: str
    claim: str
    chip: str
    number: str
    finding: str
    figure: Figure
    alt: str
    page: str
    link: str


def cards(these: Iterable[Card]) -> str:
    """Return the cards as HTML, side by side where the page is wide enough; their figures are closed."""
    return '<div class="claim-cards">' + "".join(map(_card, these)) + "</div>"


def _card(card: Card) -> str:
    file = io.BytesIO()
    card.figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(card.figure)
    image = base64.b64encode(file.getvalue()).decode()
    return (
        f'<div class="claim-card"><p class="claim-title"><strong>{escape(card.title)}</strong> {escape(card.claim)}</p>'
        f"<p>{card.chip}</p>"
        f'<p class="claim-number">{escape(card.number)}</p>'
        f"<p>{escape(card.finding)}</p>"
        f'<img alt="{escape(card.alt, quote=True)}" src="data:image/svg+xml;base64,{image}">'
        f'<p><a href="{escape(card.page)}.html">{escape(card.link)}</a></p></div>'
    )


def width_card(rows: pd.DataFrame) -> Figure:
    """Draw P over the width, one curve a depth; the shallowest and the deepest are named where they begin."""
    figure, axis = _small()
    ends = rows["depth"].min(), rows["depth"].max()

    def look(depth: int) -> Look:
        return depth_look(depth)._replace(label=f"L = {depth}" if depth in ends else "_")

    curves(axis, rows, "width", "P", by="depth", look=look)
    width_axis(axis, [m for m in (16, 64, 256, 1024) if m <= rows["width"].max()])
    _finish(axis, 8, begin=True)
    return figure


def depth_card(rows: pd.DataFrame, moments: dict[str, str]) -> Figure:
    """Draw P over the depth, one curve a moment, of one initialization and width, each with its name at its end."""
    figure, axis = _small()
    looks = (Look("", CATEGORIES[5], "o"), Look("", CATEGORIES[6], "^"))
    for (moment, label), look in zip(moments.items(), looks, strict=True):
        named = look._replace(label=label)
        curves(axis, rows[rows["moment"] == moment], "depth", "P", by="moment", look=lambda _, named=named: named)
    axis.set(xlabel="depth $L$", xticks=sorted(rows["depth"].unique()))
    _finish(axis, 1.6)
    return figure


def _small() -> tuple[Figure, Axes]:
    return plt.subplots(figsize=_SIZE)


def _finish(axis: Axes, room: float, begin: bool = False) -> None:
    """Name the curves at their ends, or where they begin, with `room` for it, in letters that a card can carry."""
    log_axis(axis, "$P$")
    axis.set_yticks([tick for tick in (0.01, 0.1, 0.2, 0.5, 1) if axis.get_ylim()[0] <= tick <= axis.get_ylim()[1]])
    for line in (line for line in axis.lines if not line.get_label().startswith("_")):
        place = line.get_xydata()[~pd.isna(line.get_ydata())][0 if begin else -1]
        shift, side = ((-4, 0), "right") if begin else ((4, 0), "left")
        axis.annotate(
            line.get_label(), place, xytext=shift, textcoords="offset points", va="center", ha=side, fontsize=_POINTS
        )
    for line in axis.lines:
        line.set_markersize(3)
    low, high = axis.get_xlim()
    if begin:
        axis.set_xlim(low / room, high)
        axis.set_ylim(axis.get_ylim()[0] / 1.3)  # so that a name does not sit on the axis
    else:
        axis.set_xlim(low, high + room * (high - low) / 4)
    axis.tick_params(labelsize=_POINTS)
    axis.xaxis.label.set_size(_POINTS)
    axis.yaxis.label.set_size(_POINTS)
