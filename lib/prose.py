"""Numbers in the prose: from values and intervals to the text that a chapter glues."""

from __future__ import annotations

import math
from collections.abc import Callable

from lib.trends import Interval

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def gluer(prefix: str) -> Callable[[str, str], None]:
    """Return `put(name, text)`, which glues a text for the prose as prefix_name (every chapter's set-up cell)."""
    from myst_nb import glue  # only a chapter needs it

    def put(name: str, text: str) -> None:
        glue(f"{prefix}_{name}", text, display=False)

    return put


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
        return (f"{float(plain):,.0f}" if 1000 <= size < 1e6 else plain).replace("-", "−")
    return ("−" if value < 0 else "") + scientific(size, digits - 1)


def with_interval(interval: Interval, spec: str = ".2f") -> str:
    """Write a mean over seeds with its interval: "1.20 [1.10, 1.31]"."""
    mean, low, high = (format(value, spec) for value in interval[:3])
    return f"{mean} [{low}, {high}]".replace("-", "−")


def change_with_interval(factor: Interval) -> str:
    """Write a factor over seeds as a change in per cent with its interval: "+4.6% [+0.6%, +8.8%]"."""
    return with_interval(Interval(*(value - 1 for value in factor[:3]), factor.seeds), "+.1%")
