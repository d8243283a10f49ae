"""A figure on a page: glued under its name, with its rows, image and code to take away, and the rows behind a point."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby
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


class Shown(NamedTuple):
    """A figure on a page: its id there, and the lines of its CSV."""

    target: str
    lines: pd.DataFrame

    def _ipython_display_(self) -> None:
        """Show nothing: a cell may end by showing a figure."""

    def rows(self, **which: object) -> str:
        """Return the attributes of an element that stands for some of the figure's rows (read by book/figures.js).

        Args:
            which: by column a value or a list of values, as `width=[16, 1024], moment="end"`.

        Raises:
            ValueError: no row has them.
        """
        chosen = pd.Series(True, index=self.lines.index)
        for column, values in which.items():
            chosen &= self.lines[column].isin(values if isinstance(values, list) else [values])
        places = chosen.to_numpy().nonzero()[0].tolist()
        if not places:
            raise ValueError(f"which must name rows of {self.target}, got {which!r}.")
        return f'data-figure="{escape(self.target)}" data-rows="{" ".join(_runs(places))}"'


def _runs(places: Iterable[int]) -> Iterable[str]:
    """Write ascending numbers as runs: "3-7", "9-9"."""
    for _, pairs in groupby(enumerate(places), lambda pair: pair[1] - pair[0]):
        run = [place for _, place in pairs]
        yield f"{run[0]}-{run[-1]}"


def figure_gluer(prefix: str) -> Callable[[str, Figure, pd.DataFrame, list[str]], Shown]:
    """Return `show(name, figure, rows, quantities)`, which glues a figure for the page and downloads for its caption.

    The figure is glued as prefix_fig_name and the downloads as prefix_rows_name: a CSV of the rows behind the figure
    (what identifies a row, and the quantities drawn), the notebook's code up to the cell that draws it, both inside the
    page, so that they work without a server, the SVG, and a button that tells the rows behind each point. What `show`
    returns names the rows behind a number of the prose (`lib.prose.gluer`).
    """
    from IPython import get_ipython
    from IPython.display import HTML
    from myst_nb import glue  # only a chapter needs them

    def show(name: str, figure: Figure, rows: pd.DataFrame, quantities: list[str]) -> Shown:
        target = f"fig-{prefix.removeprefix('s')}-{name.replace('_', '-')}"
        code = "\n\n".join(cell.strip() for cell in get_ipython().user_ns["In"] if cell.strip())
        lines = lines_of(rows, quantities)
        links = downloads(target, lines, code, points(figure))
        glue(f"{prefix}_fig_{name}", figure, display=False)
        plt.close(figure)
        glue(f"{prefix}_rows_{name}", HTML(links), display=False)
        return Shown(target, lines)

    return show


def lines_of(rows: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Return what a figure's CSV tells of its rows, one line a measurement: what names it, and the columns drawn."""
    columns = [name for name in dict.fromkeys([*_ROW, *quantities]) if name in rows]
    lines = rows.loc[~rows[columns].astype(str).duplicated(), columns]
    return lines.assign(date=lines["date"].astype(str).str.slice(0, 10)) if "date" in lines else lines


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


def downloads(target: str, lines: pd.DataFrame, code: str = "", marks: Sequence[Point] = ()) -> str:
    """Return links to a figure's rows, its image and its code; the figure has the id `target` on the page.

    Args:
        target: the figure's id.
        lines: what `lines_of` gives of its rows.
        code: Python that draws it, from nothing; no link where it is empty.
        marks: its points, for the script of the site that tells which rows are behind them.
    """
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
