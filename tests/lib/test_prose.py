"""Numbers as text: what a reader sees must be what was computed."""

from __future__ import annotations

import pytest

from lib.prose import change_with_interval, gluer, scientific, significant, with_interval
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


def test_significant_digits_as_many_as_asked():
    assert (significant(1234.5, 2), significant(0.98765, 1)) == ("1,200", "1")


def test_intervals():
    assert with_interval(Interval(1.234, 1.1, 1.3, 5)) == "1.23 [1.10, 1.30]"
    assert with_interval(Interval(-1.0, -2.0, 0.5, 5), ".1f") == "−1.0 [−2.0, 0.5]"
    assert change_with_interval(Interval(1.046, 1.006, 0.9, 5)) == "+4.6% [+0.6%, −10.0%]"


def test_glued_names_carry_the_chapter(monkeypatch):
    import myst_nb

    seen = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: seen.update({name: (value, display)}))
    gluer("s01")("answer", "42")
    assert seen == {"s01_answer": ("42", False)}
