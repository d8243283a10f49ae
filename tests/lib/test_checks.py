"""Every check lets through what is allowed, NumPy's numbers too, and names what is not."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lib import checks


@pytest.mark.parametrize("value", [1, np.int64(7), np.uint8(3)])
def test_integers_of_any_library_are_integers(value):
    checks.integers(count=value)
    checks.integers(least=1, most=7, count=value)


@pytest.mark.parametrize("value", [True, np.bool_(True), 0, -3, 1.0, np.float64(2), "3", None, [1], math.nan])
def test_what_is_no_such_integer_is_named(value):
    with pytest.raises(ValueError, match=r"^count must be an integer of at least 1, got "):
        checks.integers(count=value)
    with pytest.raises(ValueError, match=r"^count must be an integer from 1 to 9, got 10\.$"):
        checks.integers(most=9, other=1, count=10)


@pytest.mark.parametrize(
    ("check", "inside", "outside"),
    [
        (checks.positive, [1, 1e-300, np.float32(2), Fraction(1, 3)], [0, -1, math.inf, math.nan, True, "1", None, 1j]),
        (checks.non_negative, [0, 2.5], [-1e-9, math.inf, math.nan, False, "0"]),
        (checks.finite, [0, -2.5, np.int8(-1)], [math.inf, -math.inf, math.nan, True, "a", None]),
        (lambda value: checks.within("[0, 1)", value=value), [0, 0.9, np.float64(0.5)], [1, -0.1, math.nan, "a", True]),
        (lambda value: checks.within("(0, 1]", value=value), [1, 0.1], [0, 1.1]),
        (lambda value: checks.within("(0, inf)", value=value), [1e9], [0, math.inf]),
    ],
)
def test_numbers_are_let_through_or_named(check, inside, outside):
    call = check if check.__name__ == "<lambda>" else lambda value: check(value=value)
    for value in inside:
        assert type(call(value)) is float and call(value) == float(value)
    for value in outside:
        with pytest.raises(ValueError, match=r"^value must be "):
            call(value)


@pytest.mark.parametrize("value", [10**400, 10**5000, Fraction(1, 10**400)], ids=["large", "huge", "tiny"])
def test_what_leaves_the_floats_is_named_in_few_characters(value):
    with pytest.raises(ValueError, match=r"^epsilon must be positive and finite, got .{1,90}\.$"):
        checks.positive(epsilon=value)
    with pytest.raises(ValueError, match=r"^count must be an integer from 1 to 9, got .{1,90}\.$"):
        checks.integers(most=9, count=value)


@pytest.mark.parametrize("value", ["b ", 1.0, True, None, ["a"], np.array([1, 2])])
def test_what_is_not_among_the_choices_is_named(value):
    checks.one_of(("a", 1), value="a", other=1)
    with pytest.raises(ValueError, match=r"^value must be one of a, 1, got "):
        checks.one_of(("a", 1), value=value)
