"""Numbers in the prose: from values and intervals to the text that a chapter glues."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pandas as pd

from lib.trends import Interval

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler  # needs jinja2, which chapters have

_SUPERSCRIPTS = str.maketrans("-.0123456789", "⁻·⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWER = re.compile(r"\^(-?(?:\([^()]*\)|\w+(?:\.\d+)?))")
_INDEX = re.compile(r"(?<=\w)_([a-z]+|\d+)\b")
# Orders, primes, apostrophes, a minus between terms or before a number, and what is left: a dash between words.
_PRINTED = {
    "<=": "≤",
    ">=": "≥",
    r"(?<=[α-ω])'": "′",
    "'": "’",
    r" - (?=\d|\w\b)": " − ",
    r"(?<![\w^)])-(?=\d)": "−",
    " - ": " – ",
}
_MOST_INTERVALS = 3
# The whole part of a number, alone or before an interval; and the spaces that are as wide as its signs.
_NUMBER = re.compile(r"[+−]?\d[\d,]*(?=(?:\.\d+)?(?:[\s%]|$))")
_BLANK = {ord(sign): "\u2007" for sign in "+−0123456789"} | {ord(","): "\u2008"}
# "[+10, +20]", "0.98 ± 0.01"
_INTERVAL = re.compile(r"\[[^\[\],]+, [^\[\],]+\]|\S+ ± \S+")
_INITIALIZATIONS = {"he": "He", "lecun": "LeCun", "ntk": "NTK", "ntk-slides": "NTK (slides)"}


def gluer(prefix: str) -> Callable[..., None]:
    """Return `put(name, text, rows="")`, which glues a text for the prose as prefix_name (every chapter's set-up cell).

    With `rows`, what `lib.figures.Shown.rows` gives, the text is HTML from which the site opens them ({glue:}`name` in
    place of {glue:text}`name`).
    """
    from IPython.display import HTML
    from myst_nb import glue  # only a chapter needs them

    def put(name: str, text: str, rows: str = "") -> None:
        glue(f"{prefix}_{name}", HTML(f"<span {rows}>{html.escape(text)}</span>") if rows else text, display=False)

    return put


def _together(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep an interval on one line, in a table that has room for it: not where a line holds many of them."""

    def joined(value: object) -> object:
        return _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), value) if isinstance(value, str) else value

    whole = frame.map(joined)
    return whole if (whole.map(str) != frame.map(str)).any().sum() <= _MOST_INTERVALS else frame


def _aligned(column: pd.Series) -> pd.Series:
    """Put the points of a column's first numbers below each other, by spaces as wide as what they stand for."""
    found = [_NUMBER.match(value) if isinstance(value, str) else None for value in column]
    if any(one is None and value not in ("", "–") for one, value in zip(found, column, strict=True)):
        return column
    longest = max((one[0] for one in found if one), key=len, default="")
    padding = longest.translate(_BLANK)
    return column.where(
        [one is None for one in found],
        [
            padding[: len(longest) - len(one[0])] + value if one else value
            for one, value in zip(found, column, strict=True)
        ],
    )


def plain_table(frame: pd.DataFrame, uuid: str, precision: int | None = None) -> Styler:
    """Show a table without its index, its texts as texts: what a row brought, such as a reason, is escaped in HTML."""
    labels = {label: html.escape(label) for label in frame.columns if isinstance(label, str)}
    styler = _together(frame).apply(_aligned).rename(columns=labels).style.hide(axis="index").set_uuid(uuid)
    return styler.format(precision=precision, escape="html")


def typeset(text: str) -> str:
    """Write a plain text as HTML, with the powers, indices and signs typed in it as printed ones: "m^-1.5 <= P_rms"."""

    def power(found: re.Match[str]) -> str:
        exponent = found[1]
        if exponent.startswith("("):
            exponent = exponent[1:-1]
        return f"<sup>{exponent.replace('-', '−')}</sup>"

    for typed, printed in _PRINTED.items():
        text = re.sub(typed, printed, text)
    return _INDEX.sub(r"<sub>\1</sub>", _POWER.sub(power, html.escape(text, quote=False)))


def scientific(value: float, digits: int = 0) -> str:
    """Write a positive number as a · 10^b, with so many digits of a behind the point; 0 stays 0."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(value))
    mantissa = f"{value / 10**exponent:.{digits}f}"
    if float(mantissa) == 10:  # 9.97 rounds up into the next power
        exponent, mantissa = exponent + 1, f"{1:.{digits}f}"
    return f"{mantissa}\u00a0·\u00a010{str(exponent).translate(_SUPERSCRIPTS)}"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits: "0.0120", "1,440", and "−1.23 · 10⁷" from a million on."""
    plain = f"{value:#.{digits}g}".removesuffix(".") if value else "0"
    size = abs(float(plain))
    if not 0 < size < math.inf or 1e-4 <= size < 1e6:
        return (f"{float(plain):,.0f}" if 10 ** min(digits, 3) <= size < 1e6 else plain).replace("-", "−")
    return ("−" if value < 0 else "") + scientific(size, digits - 1)


def signed(value: float, digits: int = 3) -> str:
    """Write a number with so many digits behind the point and a true minus; a rounded −0 is 0."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def with_interval(interval: Interval, spec: str = ".2f") -> str:
    """Write a mean over seeds with its interval: "1.20 [1.10, 1.31]"; one seed has no interval."""
    mean, low, high = (format(value, spec) for value in interval[:3])
    if interval.seeds == 1:
        return mean.replace("-", "−")
    return f"{mean} [{low}, {high}]".replace("-", "−")


def in_digits(interval: Interval, digits: int = 3) -> str:
    """Write a mean over seeds with its interval in so many significant digits: "102 [98.9, 105]"."""
    mean, low, high = (significant(value, digits) for value in interval[:3])
    return f"{mean} [{low}, {high}]"


def change_with_interval(factor: Interval) -> str:
    """Write a factor over seeds as a change in per cent with its interval: "+4.6% [+0.6%, +8.8%]"."""
    return with_interval(Interval(*(value - 1 for value in factor[:3]), factor.seeds), "+.1%")


def percent(factor: Interval, spec: str = "+.1f") -> str:
    """Write a factor over seeds as a change, under a heading that says "in per cent": "+4.6 [+0.6, +8.8]"."""
    return with_interval(Interval(*(100 * (value - 1) for value in factor[:3]), factor.seeds), spec)


def plus_minus(interval: Interval) -> str:
    """Write a mean over seeds with half the width of its symmetric interval: "0.54 ± 0.03"; nothing where it is NaN."""
    if math.isnan(interval.mean):
        return ""
    mean = round(interval.mean, 2) + 0.0  # turns a rounded −0 into 0
    return f"{mean:.2f}\u00a0±\u00a0{interval.high - interval.mean:.2f}".replace("-", "−")


def p_text(p: float) -> str:
    """Write a p value with two digits, "0.034", and "< 0.0001" below that."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def extent(values: Iterable[float]) -> str:
    """Write the range of some counts: "5" where all are equal, else "3 to 5"."""
    low, high = min(values := list(values)), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def seeds_a_cell(frame: pd.DataFrame, cell: str | list[str]) -> str:
    """Write how many seeds each group of the column(s) `cell` has: "5", or "3 to 5" where they differ."""
    return extent(frame.groupby(cell)["seed"].nunique())


def listed(words: Iterable[str]) -> str:
    """Write a list: "a", "a and b", "a, b and c"; nothing where there is none."""
    *head, last = list(words) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def formula(expression: object) -> str:
    """Write an expression of a computer algebra system in one line: "L^(3/2)·√m/√o" for "L**(3/2)*sqrt(m)/sqrt(o)"."""
    text = re.sub(r"sqrt\((\w+)\)", r"√\1", str(expression)).replace("sqrt", "√")
    text = re.sub(r"\*\*(\d)(?!\d)", lambda power: power[1].translate(_SUPERSCRIPTS), text)
    return text.replace("**", "^").replace("*", "·").replace("-", "−").replace("oo", "∞")


# What the architectures of attacked networks are called.
ARCHITECTURES = {"fcn": "fully connected", "cnn": "convolutional"}


def initialization_label(name: str) -> str:
    """Write the name of an initialization as the book does: "LeCun", "m⁻²", "γ = 1.2"."""
    family, _, value = name.partition("-")
    if family == "power":
        return "m" + f"-{value}".translate(_SUPERSCRIPTS)
    return f"γ = {value}" if family == "gamma" else _INITIALIZATIONS.get(name, name)
