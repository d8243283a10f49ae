"""Numbers as text: what a reader sees must be what was computed."""

from __future__ import annotations

import ast
import html
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from lib.prose import (
    change_with_interval,
    extent,
    formula,
    gluer,
    in_digits,
    p_text,
    percent,
    plain_table,
    plus_minus,
    scientific,
    seeds_a_cell,
    significant,
    typeset,
    with_interval,
)
from lib.trends import Interval


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.00012, 0, "1 · 10⁻⁴"), (8.5e14, 1, "8.5 · 10¹⁴"), (9.97, 0, "1 · 10¹"), (9.97, 1, "1.0 · 10¹"), (0, 2, "0")],
)
def test_scientific(value, digits, text):
    assert scientific(value, digits).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"), (0.012, "0.0120"), (12, "12.0"), (102.3, "102"), (-0.5, "−0.500"),
        (999.7, "1,000"), (1437.2, "1,440"), (-123456, "−123,000"),
        (999_900, "1.00 · 10⁶"), (-1.234e7, "−1.23 · 10⁷"), (9.876e-6, "9.88 · 10⁻⁶"), (0, "0"), (float("nan"), "nan"),
        (float("-inf"), "−inf"),
    ],
)  # fmt: skip
def test_significant(value, text):
    assert significant(value).replace("\u00a0", " ") == text


CHAPTERS = Path(__file__).parents[2] / "chapters"


def test_significant_digits_as_many_as_asked():
    assert (significant(1234.5, 2), significant(0.98765, 1)) == ("1,200", "1")
    assert (significant(101.7, 2), significant(98.4, 2), significant(98.4, 1)) == ("100", "98", "100")


def test_intervals():
    assert with_interval(Interval(1.234, 1.1, 1.3, 5)) == "1.23 [1.10, 1.30]"
    assert with_interval(Interval(-1.0, -2.0, 0.5, 5), ".1f") == "−1.0 [−2.0, 0.5]"
    assert in_digits(Interval(101.7, 98.91, 1053.2, 5)) == "102 [98.9, 1,050]"
    assert change_with_interval(Interval(1.046, 1.006, 0.9, 5)) == "+4.6% [+0.6%, −10.0%]"


def test_a_factor_in_per_cent():
    factor = Interval(1.046, 1.006, 0.9, 5)
    assert percent(factor) == "+4.6 [+0.6, −10.0]"
    assert percent(factor, "+.0f") == "+5 [+1, −10]"


@pytest.mark.parametrize(
    ("mean", "high", "text"),
    [
        (0.537, 0.567, "0.54 ± 0.03"),
        (-1.2, -0.7, "−1.20 ± 0.50"),
        (-0.001, 0.1, "0.00 ± 0.10"),
        (math.nan, math.nan, ""),
    ],
)
def test_half_widths(mean, high, text):
    assert plus_minus(Interval(mean, math.nan, high, 5)).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0342, "0.034"), (1.0, "1"), (1e-4, "0.0001"), (9.9e-5, "< 0.0001"), (0, "< 0.0001")]
)
def test_p_values(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("where m <= L³ and x >= -0.506", "where m ≤ L³ and x ≥ −0.506"),
        ("like m^-(c-0.5) or m^-1.5, by γ^(L-2)", "like m<sup>−(c−0.5)</sup> or m<sup>−1.5</sup>, by γ<sup>L−2</sup>"),
        ("at least 1 - n e^(-n/2) - 3/n", "at least 1 − n e<sup>−n/2</sup> − 3/n"),
        ("Lip and P fall - so Wu et al.'s P_rms", "Lip and P fall – so Wu et al.’s P<sub>rms</sub>"),
        ("β_1 = m^-c", "β<sub>1</sub> = m<sup>−c</sup>"),
        ("γ' = γ - 1 <b>", "γ′ = γ − 1 &lt;b&gt;"),
        ("two-layer, Eq. (4)", "two-layer, Eq. (4)"),
    ],
)
def test_what_is_typed_is_printed(typed, printed):
    assert typeset(typed) == printed


def test_counts_are_one_number_or_a_range():
    assert (extent([5, 5]), extent(n for n in (5, 3, 4)), extent([2.5, 1])) == ("5", "3 to 5", "1 to 2.5")
    frame = pd.DataFrame({"depth": [2, 2, 2, 4], "width": 16, "seed": [3, 4, 4, 3]})
    assert seeds_a_cell(frame, ["depth", "width"]) == "1 to 2"
    assert seeds_a_cell(frame, "width") == "2"


def test_glued_names_carry_the_chapter(monkeypatch):
    import myst_nb

    seen = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: seen.update({name: (value, display)}))
    put = gluer("s01")
    put("answer", "42")
    assert seen == {"s01_answer": ("42", False)}
    put("small", "< 1", 'data-rows="0-1"')
    assert seen["s01_small"][0].data == '<span data-rows="0-1">&lt; 1</span>'


def test_a_table_shows_texts_as_texts():
    frame = pd.DataFrame({"<b>x</b>": ["<script>alert(1)</script>", "m < 5 & $m^2$"], "P": [0.25, 1 / 3]})
    page = plain_table(frame, "here", precision=2).to_html()
    assert "<script" not in page and "<b>" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "m &lt; 5 &amp; $m^2$" in page and "0.33" in page and "0.333" not in page
    assert "0.333333" in plain_table(frame, "here").to_html()


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (["2.08", "30.3", "137"], ["  2.08", " 30.3", "137"]),
        (["+15 [+10, +20]", "–", "−5 [−9, −1]"], ["+15 [+10, +20]", "–", " −5 [−9, −1]"]),
        (["1,440", "", "12.5%"], ["1,440", "", "   12.5%"]),
        (["12 a", "x"], ["12 a", "x"]),
        (["2⁵", "2¹⁰"], ["2⁵", "2¹⁰"]),
    ],
)
def test_points_of_numbers_stand_below_each_other(column, shown):
    page = plain_table(pd.DataFrame({"x": column}), "here").to_html()
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert [html.unescape(cell).translate(dict.fromkeys((0xA0, 0x2007, 0x2008), " ")) for cell in cells] == shown


def test_an_interval_in_a_table_stays_on_one_line():
    page = plain_table(pd.DataFrame({"x": ["+15 [+10, +20] of a few", "0.98 ± 0.01"]}), "here").to_html()
    wide = plain_table(pd.DataFrame({k: ["1 [0, 2]"] for k in "abcde"}), "here").to_html()
    assert "1 [0, 2]" in wide
    assert "+15 [+10,\u00a0+20] of a few" in page and "0.98\u00a0±\u00a00.01" in page


def test_no_chapter_writes_html_from_values_by_other_ways():
    """A pandas Styler escapes nothing of itself, and IPython's HTML is for pages that lib wrote."""
    lib_pages = {"theorem1_explorer", "stability_picture", "cards", "verdict_chips", "asked", "behind"}
    for path in sorted(CHAPTERS.glob("*.md")):
        code = "\n".join(re.findall(r"^```\{code-cell\}.*?^```$", path.read_text(), re.DOTALL | re.MULTILINE))
        assert not re.findall(r"\.style\.|\.to_html\(|escape=False", code), path.name
        assert set(re.findall(r"\bHTML\((\w+)", code)) <= lib_pages, path.name


def test_expressions_are_written_in_one_line():
    sympy = pytest.importorskip("sympy")
    m, L = sympy.symbols("m L", positive=True)
    assert formula(sympy.sqrt(2)) == "√2" and formula(sympy.oo) == "∞"
    assert formula(L**3 - m) == "L³ − m" and formula(L / sympy.sqrt(m)) == "L/√m"
    assert formula(m ** sympy.Rational(3, 2)) == "m^(3/2)"


def test_no_chapter_drops_a_table():
    """A table that is neither a cell's last expression nor displayed is computed and seen by nobody."""
    dropped = []
    for path in sorted(CHAPTERS.glob("*.md")):
        for code in re.findall(r"```\{code-cell\} ipython3\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            tree = ast.parse(re.sub(r"\A(?:(?::\w+:[^\n]*\n)+|---\n.*?\n---\n)", "", code, flags=re.DOTALL))
            shown = tree.body[-1:]
            calls = [line for line in ast.walk(tree) if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)]
            names = [(line, getattr(line.value.func, "id", "")) for line in calls if line not in shown]
            dropped += [f"{path.name}: {name}" for _, name in names if name in ("plain_table", "claim_table", "HTML")]
    assert dropped == []
