"""A figure on a page: glued under its name, with its rows, image and code to take away, and the rows behind a point."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_ROW = (
    "key",
    "dataset",
    "scaling",
    "momentum",
    "initializer",
    "depth",
    "width",
    "samples",
    "seed",
    "moment",
    "epoch",
    "date",
)


class Point(NamedTuple):
    """A point of a drawn curve: where it is in the image, from the left and the top in shares, and its rows' keys."""

    left: float
    top: float
    label: str
    keys: tuple[str, ...]


def figure_gluer(prefix: str) -> Callable[[str, Figure, pd.DataFrame, list[str]], None]:
    """Return `show(name, figure, rows, quantities)`, which glues a figure for the page and downloads for its caption.

    The figure is glued as prefix_fig_name and the downloads as prefix_rows_name: a CSV of the rows behind the figure
    (what identifies a row, and the quantities drawn), the notebook's code up to the cell that draws it, both inside the
    page, so that they work without a server, the SVG, and a button that tells the rows behind each point.
    """
    from IPython import get_ipython
    from IPython.display import HTML
    from myst_nb import glue  # only a chapter needs them

    def show(name: str, figure: Figure, rows: pd.DataFrame, quantities: list[str]) -> None:
        target = f"fig-{prefix.removeprefix('s')}-{name.replace('_', '-')}"
        code = "\n\n".join(cell.strip() for cell in get_ipython().user_ns["In"] if cell.strip())
        links = downloads(target, rows, quantities, code, points(figure))
        glue(f"{prefix}_fig_{name}", figure, display=False)
        plt.close(figure)
        glue(f"{prefix}_rows_{name}", HTML(links), display=False)

    return show


def points(figure: Figure) -> list[Point]:
    """Return the points of a figure that know their rows, where the notebook's image has them.

    A curve or a cloud of points knows them by its attribute `rows_behind`: abscissa -> words for the point, and keys.

    The image is cut to what is drawn, with matplotlib's usual rim, as notebooks do.
    """
    figure.draw_without_rendering()
    box = figure.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])
    found = []
    for axis in figure.axes:
        for drawn in (*axis.lines, *axis.collections):
            behind = getattr(drawn, "rows_behind", None)
            if behind is None:
                continue
            label = str(drawn.get_label()).replace("$", "")
            places = zip(*drawn.get_data(), strict=True) if isinstance(drawn, Line2D) else drawn.get_offsets().tolist()
            for x, y in places:
                if x not in behind or pd.isna(y):
                    continue
                words, keys = behind[x]
                across, up = axis.transData.transform((x, y)) / figure.dpi
                named = words if label.startswith("_") or not label else f"{label}, {words}"
                found.append(
                    Point((across - box.x0) / box.width, (box.y1 - up) / box.height, named, tuple(map(str, keys)))
                )
    return found


def downloads(
    target: str, rows: pd.DataFrame, quantities: list[str], code: str = "", marks: Sequence[Point] = ()
) -> str:
    """Return links to a figure's rows, its image and its code; the figure has the id `target` on the page.

    Args:
        target: the figure's id.
        rows: what is drawn, one line a measurement.
        quantities: the columns that are drawn.
        code: Python that draws it, from nothing; no link where it is empty.
        marks: its points, for the script of the site that tells which rows are behind them.
    """
    columns = [name for name in dict.fromkeys([*_ROW, *quantities]) if name in rows]
    lines = rows.loc[~rows[columns].astype(str).duplicated(), columns]
    if "date" in lines:
        lines = lines.assign(date=lines["date"].astype(str).str.slice(0, 10))
    table = lines.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    # The image is the one of this figure, whatever name the builder gives to its file.
    image = "this.href=this.closest('figure').querySelector('img').src"
    target = escape(target)
    links = [
        f'<a class="rows" download="{target}.csv" href="{_inline("text/csv", table)}">rows (CSV)</a>',
        f'<a download="{target}.svg" href="#{target}" onclick="{image}">image (SVG)</a>',
    ]
    if code:
        links.append(f'<a download="{target}.py" href="{_inline("text/x-python", code)}">code</a>')
    if marks and "key" in lines:
        keys = {key: at for at, key in enumerate(dict.fromkeys(lines["key"]))}
        data = [
            [round(mark.left, 4), round(mark.top, 4), mark.label, [keys[key] for key in mark.keys if key in keys]]
            for mark in marks
        ]
        text = escape(json.dumps(data, ensure_ascii=False, separators=(",", ":")), quote=True)
        links.append(f'<button type="button" class="points" data-points="{text}" hidden>points</button>')
    return f'<span class="downloads">{" · ".join(links)}</span>'


def _inline(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"
