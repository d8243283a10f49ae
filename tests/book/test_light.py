"""What a page loads and does not use is left out, and what it uses stays."""

from __future__ import annotations

import base64
import gzip
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from book.light import light_drawing, light_rows, lighten, subset

FONT = Path("vendor/fontawesome/webfonts/fa-solid-900.ttf")
BELL, BOOK = "\uf0f3", "\uf02d"
SVG = "{http://www.w3.org/2000/svg}"
SHEET = (
    '.fa-bell:before,.fa-ring:before{content:"\\f0f3"}.fa-lg{font-size:1.25em}@font-face{'
    'src:url(../x/fa-solid-900.woff2) format("woff2"),'
    f'url(../x/fa-solid-900.ttf) format("truetype")}}html{{--pst-icon-bell:"{BELL}"}}'
)
PAGE = """<head><script src="../_static/searchtools.js"></script>
<script src="../_static/language_data.js"></script>
<script src="../searchindex.js"></script><script src="../_static/doctools.js"></script></head>"""
CARDS = """<head><link rel="stylesheet" href="../_static/sphinx-design.min.css?v=1" />
<script data-x="" src="../_static/design-tabs.js?v=f"></script></head><p class='x'><b class="a sd-card">"""


@pytest.fixture
def drawing() -> str:
    figure, (left, right) = plt.subplots(1, 2, figsize=(4, 2))
    left.fill_between(np.arange(5), np.arange(5) / 3, np.arange(5), alpha=0.3)
    left.plot(np.arange(5), np.arange(5) / 7, marker="o")
    right.set_title("P over m")
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    plt.close(figure)
    return stream.getvalue()


@pytest.fixture
def theme() -> Path:
    import pydata_sphinx_theme

    return Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"


def test_a_drawing_keeps_its_shapes_places_and_references(drawing):
    light = light_drawing(drawing)
    assert len(light) < 0.9 * len(drawing)
    before, after = ElementTree.fromstring(drawing), ElementTree.fromstring(light)
    for kind in ("path", "use", "g", "clipPath", "defs"):
        assert len(list(after.iter(SVG + kind))) == len(list(before.iter(SVG + kind)))
    names = set(re.findall(r' id="([^"]+)"', light))
    assert names == set(re.findall(r'(?:href="#|url\(#)([^")]+)', light))
    for old, new in zip(before.iter(f"{SVG}path"), after.iter(f"{SVG}path"), strict=True):
        assert old.get("transform") == new.get("transform")
        places = [[float(n) for n in re.findall(r"-?\d+\.?\d*", each.get("d", ""))] for each in (old, new)]
        assert len(places[0]) == len(places[1])
        assert np.allclose(*places, atol=0.00501, rtol=0)
    assert light_drawing(light) == light


def test_the_rows_of_a_figure_are_packed_under_their_name_and_other_links_stay():
    table = "key,P\n" + "".join(f"{n},0.5\n" for n in range(500))
    link = (
        f'<a class="rows" download="fig-x.csv" href="data:text/csv;base64,{base64.b64encode(table.encode()).decode()}">'
    )
    other = '<a download="fig-x.py" href="data:text/x-python;base64,cHJpbnQoKQ==">'
    light = light_rows(link + other)
    assert light.endswith(other) and len(light) < len(link) / 2
    name, rows = re.match(
        r'<a class="rows" download="([^"]+)" href="data:application/gzip;base64,([^"]+)">', light
    ).groups()
    assert name == "fig-x.csv.gz" and gzip.decompress(base64.b64decode(rows)).decode() == table
    assert light_rows(light) == light


def test_a_font_keeps_the_letters_that_it_is_asked_for_and_has(theme):
    whole = (theme / FONT).read_bytes()
    small = subset(whole, BELL + "\uf09b")  # the second is a brand's
    assert len(small) < len(whole) / 50
    with TTFont(io.BytesIO(small)) as font:
        assert set(font.getBestCmap()) == {ord(BELL)}
    assert subset(whole, BELL + "\uf09b") == small


def test_a_site_loses_rules_letters_and_the_search_s_index_where_nobody_asks_it(tmp_path, theme):
    static = tmp_path / "_static"
    (static / "styles").mkdir(parents=True)
    (static / FONT).parent.mkdir(parents=True)
    (static / FONT).write_bytes((theme / FONT).read_bytes())
    (static / "styles/pydata-sphinx-theme.css").write_text(SHEET, encoding="utf-8")
    (static / "styles/sphinx-book-theme.css").write_text(f'a:before{{content:"{BOOK}"}}', encoding="utf-8")
    (tmp_path / "search.html").write_text(PAGE)
    (tmp_path / "status.html").write_text(PAGE.replace("../", ""))
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/a.html").write_text(PAGE)
    (tmp_path / "chapters/cards.html").write_text(CARDS)
    (tmp_path / "chapters/none.html").write_text(CARDS.replace("sd-card", "not-sd-card"))
    lighten(tmp_path)
    assert (tmp_path / "search.html").read_text() == PAGE
    assert (tmp_path / "chapters/a.html").read_text() == '<head><script src="../_static/doctools.js"></script></head>'
    assert (tmp_path / "status.html").read_text() == '<head><script src="_static/doctools.js"></script></head>'
    assert (tmp_path / "chapters/cards.html").read_text() == CARDS
    none = (tmp_path / "chapters/none.html").read_text()
    assert none == "<head></head><p class='x'><b class=\"a not-sd-card\">"
    assert (static / "styles/pydata-sphinx-theme.css").read_text(encoding="utf-8") == (
        f'.fa-lg{{font-size:1.25em}}@font-face{{src:url(../x/fa-solid-900.ttf) format("truetype")}}'
        f'html{{--pst-icon-bell:"{BELL}"}}'
    )
    with TTFont(static / FONT) as font:
        assert set(font.getBestCmap()) == {ord(BELL), ord(BOOK)}
