"""Refuse what is out of range, in one sentence that names the argument, what is allowed and what was given."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any


def integers(least: int = 1, most: int | None = None, **values: Any) -> None:
    """Raise ValueError unless every value is an integer (NumPy's count, True does not) of at least `least`.

    >>> integers(width=16, depth=2)
    >>> integers(least=2, samples=1.0)
    Traceback (most recent call last):
    ValueError: samples must be an integer of at least 2, got 1.0.
    """
    allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
    for name, value in values.items():
        fits = isinstance(value, Integral) and not isinstance(value, bool)
        if not (fits and value >= least and (most is None or value <= most)):
            raise ValueError(f"{name} must be an integer {allowed}, got {value!r}.")


def positive(**values: Any) -> None:
    """Raise ValueError unless every value is a number > 0 and finite."""
    _numbers("positive and finite", lambda value: 0 < value < math.inf, values)


def non_negative(**values: Any) -> None:
    """Raise ValueError unless every value is a number ≥ 0 and finite."""
    _numbers("at least 0 and finite", lambda value: 0 <= value < math.inf, values)


def finite(**values: Any) -> None:
    """Raise ValueError unless every value is a finite number."""
    _numbers("a finite number", math.isfinite, values)


def within(interval: str, **values: Any) -> None:
    """Raise ValueError unless every value is a number in an interval, written as in mathematics.

    >>> within("[0, 1)", momentum=0.9)
    >>> within("[0, 1)", momentum=1)
    Traceback (most recent call last):
    ValueError: momentum must be in [0, 1), got 1.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))

    def inside(value: Real) -> bool:
        above = value >= low if interval[0] == "[" else value > low
        return above and (value <= high if interval[-1] == "]" else value < high)

    _numbers(f"in {interval}", inside, values)


def one_of(allowed: Collection[Any], **values: Any) -> None:
    """Raise ValueError unless every value is one of those that are allowed."""
    for name, value in values.items():
        # By comparison: what has no hash, such as a list, is not allowed either.
        if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in allowed):
            raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}.")


def _numbers(allowed: str, fits: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not fits(value):
            raise ValueError(f"{name} must be {allowed}, got {value!r}.")
