"""The picture at the top of the README: the cards of the landing page, as it was last executed."""

from __future__ import annotations

import base64
import re
from html import escape, unescape
from pathlib import Path

from book.errors import BookError
from book.files import write_if_changed
from book.outputs import Outputs
from book.project import Project

PICTURE = "results/overview.svg"
_CARD = re.compile(r'<div class="claim-card">(.*?)</div>', re.DOTALL)
_LINE = re.compile(r"<p\b[^>]*>(.*?)</p>", re.DOTALL)
_DRAWING = re.compile(r'src="data:image/svg\+xml;base64,([^"]+)"')
_SVG = re.compile(r"<svg\b.*</svg>", re.DOTALL)
# Pixels: a card, its drawing, and the lines above and below it.
_WIDE, _HIGH, _GAP = 330, 300, 12
_LINES = ((24, 12.5, "bold"), (44, 12, "normal"), (64, 12, "normal"), (286, 12, "bold"))


def write_picture(project: Project, profile: str) -> Path:
    """Write the landing page's cards as one drawing, and return the file.

    Raises:
        BookError: the landing page was not executed, or has no cards.
    """
    first = project.chapter_names()[0]
    try:
        notebook = Outputs(project, profile).notebook(first)
    except FileNotFoundError:
        raise BookError(f"{first} was not executed with the profile {profile}; run `make book` first.") from None
    shown = [
        output.get("data", {}).get("text/html", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    cards = _CARD.findall("".join(shown))
    if not cards:
        raise BookError(f"{first} shows no cards; the README's picture is made of them.")
    path = project.root / PICTURE
    write_if_changed(path, _drawn(cards).encode())
    return path


def _drawn(cards: list[str]) -> str:
    width = len(cards) * (_WIDE + _GAP) + _GAP
    drawings = "\n".join(_card(card, number) for number, card in enumerate(cards))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {_HIGH + 2 * _GAP}" width="{width}" font-family="sans-serif">\n{drawings}\n</svg>\n'
    )


def _card(card: str, number: int) -> str:
    claim, verdict, effect, finding, *_ = (unescape(re.sub(r"<[^>]+>", "", line)) for line in _LINE.findall(card))
    drawing = _SVG.search(base64.b64decode(_DRAWING.search(card)[1]).decode())[0]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    # Drawings share a page now, so their names must differ.
    drawing = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>c{number}-", drawing)
    drawing = re.sub(r'(<svg\b[^>]*?) width="[^"]+" height="[^"]+"', r"\1", drawing, count=1)
    drawing = drawing.replace("<svg", f'<svg x="8" y="74" width="{_WIDE - 16}" height="196"', 1)
    lines = [
        f'<text x="{_WIDE / 2:g}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="middle">'
        f"{escape(words, quote=False)}</text>"
        for (y, size, weight), words in zip(_LINES, (claim, verdict, effect, finding), strict=True)
    ]
    frame = f'<rect width="{_WIDE}" height="{_HIGH}" rx="8" fill="white" stroke="#bbb"/>'
    left = _GAP + number * (_WIDE + _GAP)
    return f'<g transform="translate({left} {_GAP})">{frame}{"".join(lines)}\n{drawing}</g>'
