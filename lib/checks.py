"""Refuse what is out of range, in one sentence that names the argument, what is allowed and what was given."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from numbers import Integral, Real
from typing import Any

_SHOWN = 80  # characters of what was given


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
            raise ValueError(f"{name} must be an integer {allowed}, got {_shown(value)}.")


def positive(**value: Any) -> float:
    """Return the value as a float; raise ValueError unless it is a number > 0 and finite.

    >>> positive(epsilon=1)
    1.0
    """
    return _number("positive and finite", lambda number: 0 < number < math.inf, value)


def non_negative(**value: Any) -> float:
    """Return the value as a float; raise ValueError unless it is a number ≥ 0 and finite."""
    return _number("at least 0 and finite", lambda number: 0 <= number < math.inf, value)


def finite(**value: Any) -> float:
    """Return the value as a float; raise ValueError unless it is a finite number."""
    return _number("a finite number", math.isfinite, value)


def within(interval: str, **value: Any) -> float:
    """Return the value as a float; raise ValueError unless it is in an interval, written as in mathematics.

    >>> within("[0, 1)", momentum=0.9)
    0.9
    >>> within("[0, 1)", momentum=1)
    Traceback (most recent call last):
    ValueError: momentum must be in [0, 1), got 1.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))

    def inside(number: float) -> bool:
        above = number >= low if interval[0] == "[" else number > low
        return above and (number <= high if interval[-1] == "]" else number < high)

    return _number(f"in {interval}", inside, value)


def one_of(allowed: Collection[Any], **values: Any) -> None:
    """Raise ValueError unless every value is one of those that are allowed."""
    for name, value in values.items():
        # By comparison: what has no hash, such as a list, is not allowed either.
        if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in allowed):
            raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}.")


def _number(allowed: str, fits: Callable[[float], bool], value: dict[str, Any]) -> float:
    """Return the one value that has a name, as a float: in types of few digits the caller's arithmetic would round."""
    ((name, given),) = value.items()
    try:
        number = math.nan if isinstance(given, bool) or not isinstance(given, Real) else float(given)
    except OverflowError:  # an integer or a fraction beyond the floats
        number = math.nan
    if not fits(number):
        raise ValueError(f"{name} must be {allowed}, got {_shown(given)}.")
    return number


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return "an integer of very many digits"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
