"""The icons that pages use, as a style sheet: the theme would send 1.5 MB of script that holds all there are.

The template `static/webpack-macros.html` links the sheet instead of the script. It is made of the theme's own copy of
the icons when all pages are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from book.errors import BookError

_ELEMENT = re.compile(r'<(?:i|span) class="(?P<classes>[^"]*\bfa-[^"]*)"')
_SIZES = {"lg": "font-size: 1.25em; vertical-align: -0.075em"}
# The theme's script holds its sets of icons one after the other; each ends by giving itself its names.
_SETS = {"fab": "fab", "fa-brands": "fab", "far": "far", "fa-regular": "far", "fas": "fas", "fa-solid": "fas"}
_SHEET = """\
:is(i, span):is(.fas, .far, .fab, .fa-solid, .fa-regular, .fa-brands) {{
  background: currentColor;
  display: inline-block;
  height: 1em;
  mask: var(--icon) center / contain no-repeat;
  vertical-align: -0.125em;
  width: var(--wide);
}}
@media (forced-colors: active) {{
  :is(i, span):is(.fas, .far, .fab, .fa-solid, .fa-regular, .fa-brands) {{
    background: CanvasText;
  }}
}}
{rules}
"""


def icons_in(pages: Iterable[str]) -> set[tuple[str, str]]:
    """Return the icons of pages of HTML as pairs of set and name, such as ("fas", "bars")."""
    found = set()
    for page in pages:
        for element in _ELEMENT.finditer(page):
            classes = element["classes"].split()
            family = next((_SETS[name] for name in classes if name in _SETS), "fas")
            names = [name.removeprefix("fa-") for name in classes if name.startswith("fa-") and name not in _SETS]
            found |= {(family, name) for name in names if name not in _SIZES}
    return found


def style_sheet(icons: Iterable[tuple[str, str]], script: str) -> str:
    """Return a style sheet that draws `icons` in the colour of the text, from the theme's script that holds them all.

    Raises:
        BookError: the script has no such icon.
    """
    rules = [f":is(i, span).fa-{size} {{ {rule}; }}" for size, rule in _SIZES.items()]
    for family, name in sorted(icons):
        end = script.find(f'd("{family}",')
        known = [("fab", "far", "fas")[at] for at in range(("fab", "far", "fas").index(family))]
        start = max([script.find(f'd("{other}",') for other in known], default=0)
        drawn = re.compile(
            rf'(?<![\w-])"?{re.escape(name)}"?:\[(?P<wide>\d+),(?P<high>\d+),\[[^\]]*\],"\w+","(?P<path>[^"]+)"\]'
        ).search(script, start, end)
        if drawn is None:
            raise BookError(f"the theme has no icon {name} in its set {family}, which a page shows.")
        wide, high = int(drawn["wide"]), int(drawn["high"])
        path = f"%3Cpath d='{drawn['path']}'/%3E"
        image = f"%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {wide} {high}'%3E{path}%3C/svg%3E"
        classes = f":is(.{family}, .{next(long for long, short in _SETS.items() if short == family and '-' in long)})"
        drawing = f'--icon: url("data:image/svg+xml,{image}"); --wide: {wide / high:.4g}em;'
        rules.append(f":is(i, span).fa-{name}{classes} {{ {drawing} }}")
    return _SHEET.format(rules="\n".join(rules))


def replace_icons(html: Path) -> None:
    """Write the style sheet of a built site's icons, and remove the theme's script and the maps of its sources."""
    scripts = html / "_static" / "scripts"
    script = scripts / "fontawesome.js"
    pages = [page.read_text(encoding="utf-8") for page in html.rglob("*.html")]
    sheet = style_sheet(icons_in(pages), script.read_text(encoding="utf-8"))
    (html / "_static" / "icons.css").write_text(sheet, encoding="utf-8")
    for file in {*scripts.glob("fontawesome.js*"), *(html / "_static").rglob("*.map")}:
        file.unlink()
