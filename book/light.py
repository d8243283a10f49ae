"""Leave out of a built site what its pages load and do not use: a third of a page's weight.

The theme has 1,900 rules for icons that `book.icons` draws, a font of all icons of which its own rules need thirty, and
on every page the search's index, which the page of results alone asks, and the style of cards, which one page has.
Drawings lose what no eye sees, and a figure's rows are packed.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
from pathlib import Path

_STYLES = ("pydata-sphinx-theme.css", "sphinx-book-theme.css")
_FONT = "vendor/fontawesome/webfonts/fa-solid-900.ttf"
_PACKED = re.compile(
    r'url\([^)]*/fa-solid-900\.woff2\) format\("woff2"\),'
)  # of all icons, and first in the theme's list
_ICON = re.compile(r'[^{}/]*\.fa-[\w-]+:before\{content:"[^"]*"\}')
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_SEARCH = re.compile(r'\s*<script src="(?:[^"]*/)?(?:searchtools|language_data|searchindex)\.js"></script>')
_DESIGN = re.compile(r"\s*<link [^>]*/sphinx-design\.min\.css[^>]*>|\s*<script [^>]*/design-tabs\.js[^>]*></script>")
_DESIGNED = re.compile(r'class="(?:[^"]* )?sd-')
_ROWS = re.compile(r'download="(?P<name>[^"]+\.csv)" href="data:text/csv;base64,(?P<rows>[\w+/=]+)"')
_UNSEEN = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)
_NAMED = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(?:href="#|url\(#)([^")]+)')
_PLACED = re.compile(r'(\s(?:d|x|y)=")([^"]*)"')
_STYLED = re.compile(r'(\sstyle=")([^"]*)"')
_MOVED = re.compile(r"translate\([^)]*\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")


def lighten(html: Path) -> None:
    """Take out of a built site what its pages do not use."""
    static = html / "_static"
    kept = ""
    for name in _STYLES:
        sheet = static / "styles" / name
        text = _PACKED.sub("", _ICON.sub("", sheet.read_text(encoding="utf-8")))
        sheet.write_text(text, encoding="utf-8")
        kept += text
    font = static / _FONT
    font.write_bytes(subset(font.read_bytes(), "".join(sorted(set(_PRIVATE.findall(kept))))))
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        light = text if page.name == "search.html" else _SEARCH.sub("", text)
        light = light if _DESIGNED.search(text) else _DESIGN.sub("", light)
        if light != text:
            page.write_text(light, encoding="utf-8")


def subset(font: bytes, letters: str) -> bytes:
    """Return a font with those of these letters alone that it has; brands have a font of their own."""
    from fontTools import subset as subsetting  # comes with matplotlib
    from fontTools.ttLib import TTFont

    with TTFont(io.BytesIO(font), recalcTimestamp=False) as whole:
        chosen = subsetting.Subsetter()
        chosen.populate(text=letters)
        chosen.subset(whole)
        stream = io.BytesIO()
        whole.save(stream)
    return stream.getvalue()


def light_drawing(svg: str) -> str:
    """Return a drawing of Matplotlib's without comments, unused names and digits below a hundredth of a point."""
    used = set(_USED.findall(svg))
    svg = _NAMED.sub(lambda found: found[0] if found[1] in used else "", _UNSEEN.sub("", svg))
    svg = _PLACED.sub(lambda found: f'{found[1]}{_LONG.sub(_rounded, _close(found[2]))}"', svg)
    svg = _STYLED.sub(lambda found: found[1] + re.sub(r"\s*([:;])\s*", r"\1", found[2]) + '"', svg)
    svg = _MOVED.sub(lambda found: _LONG.sub(_rounded, found[0]), svg)
    return re.sub(r"\s+", " ", re.sub(r">\s+<", "><", svg)).strip()


def _close(path: str) -> str:
    """Return the text of a path without the blanks that its letters make needless."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(path.split()))


def light_rows(html: str) -> str:
    """Return HTML whose links to a figure's rows hold them packed; `figures.js` unpacks them for who asks."""
    return _ROWS.sub(_packed, html)


def _packed(found: re.Match[str]) -> str:
    rows = gzip.compress(base64.b64decode(found["rows"]), 9, mtime=0)
    return f'download="{found["name"]}.gz" href="data:application/gzip;base64,{base64.b64encode(rows).decode()}"'


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
