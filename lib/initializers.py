"""Gaussian initializations: the standard deviations β_1, β, β_L of Table 1, by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from lib import checks

Law = Callable[[int, int, int], tuple[float, float, float]]


@dataclass(frozen=True)
class Initializer:
    """A Gaussian initialization of the bias-free network of Eq. (2): entries of W_l are N(0, β_l²).

    Attributes:
        name: what the initialization is called in tables and rows.
        law: (width m, in_features d, out_features o) -> (β_1, β, β_L), the standard deviations of the first layer,
            of layers 2..L-1 and of the last layer.

    Source: Zhu et al. 2022, §3.1 and Table 1.
    """

    name: str
    law: Law

    def betas(self, width: int, depth: int, in_features: int, out_features: int) -> tuple[float, ...]:
        """Return β_1..β_L, one standard deviation a layer (length L = depth).

        Raises:
            ValueError: a size is not a positive integer, or depth < 2.
        """
        check_sizes(width, depth, in_features, out_features)
        first, hidden, last = self.law(width, in_features, out_features)
        return (first, *[hidden] * (depth - 2), last)


def check_sizes(width: int, depth: int, in_features: int, out_features: int) -> None:
    """Raise ValueError unless the four sizes describe a network of Eq. (2): integers, L ≥ 2 and the others ≥ 1."""
    checks.integers(width=width, in_features=in_features, out_features=out_features)
    checks.integers(least=2, depth=depth)


def _lecun(m: int, d: int, o: int) -> tuple[float, float, float]:
    return math.sqrt(1 / d), math.sqrt(1 / m), math.sqrt(1 / m)


def _he(m: int, d: int, o: int) -> tuple[float, float, float]:
    return math.sqrt(2 / d), math.sqrt(2 / m), math.sqrt(2 / m)


# The paper's Table 1 and the talk's slides differ in β_L (erratum 1), so both forms have a name.
def _ntk(m: int, d: int, o: int) -> tuple[float, float, float]:
    return math.sqrt(2 / m), math.sqrt(2 / m), math.sqrt(1 / o)


def _ntk_slides(m: int, d: int, o: int) -> tuple[float, float, float]:
    return math.sqrt(2 / m), math.sqrt(2 / m), 1.0


# Classes, not closures: equal initializers are equal, and travel to another process.
@dataclass(frozen=True)
class _Power:
    c: float

    def __call__(self, m: int, d: int, o: int) -> tuple[float, float, float]:
        return (m**-self.c,) * 3


@dataclass(frozen=True)
class _Gamma:
    gamma: float

    def __call__(self, m: int, d: int, o: int) -> tuple[float, float, float]:
        first, hidden, last = _he(m, d, o)
        return first, self.gamma * hidden, last


_NAMED: dict[str, Law] = {"lecun": _lecun, "he": _he, "ntk": _ntk, "ntk-slides": _ntk_slides}
_PATTERN = re.compile(r"(power|gamma)-(\d+(?:\.\d+)?)")
NAMES = (*_NAMED, "power-<c>", "gamma-<γ>")


def get(initializer: str | Initializer) -> Initializer:
    """Return the initialization with a name; an Initializer is returned as it is.

    Names: "lecun" (β_1 = √(1/d), β = β_L = √(1/m)), "he" (√(2/d), √(2/m), √(2/m)), "ntk" (√(2/m), √(2/m), √(1/o)),
    "ntk-slides" (the same with β_L = 1), "power-<c>" (all m^-c; "power-2" is the paper's non-lazy one) and
    "gamma-<γ>" (He with β = γ√(2/m) in layers 2..L-1).

    Raises:
        ValueError: no initialization has that name.

    Source: Zhu et al. 2022, Table 1 and §5.1; the talk's slides.
    """
    if isinstance(initializer, Initializer):
        return initializer
    if isinstance(initializer, str) and initializer in _NAMED:
        return Initializer(initializer, _NAMED[initializer])
    match = _PATTERN.fullmatch(initializer) if isinstance(initializer, str) else None
    if match and float(match[2]) > 0:
        value = float(match[2])
        name = f"{match[1]}-{value:g}"  # "power-2" and "power-2.0" are one initialization and have one name
        if match[1] == "power":
            return Initializer(name, _Power(value))
        return Initializer(name, _Gamma(value))
    near = get_close_matches(str(initializer), _NAMED, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"initializer must be one of {', '.join(NAMES)} (c, γ > 0), got {initializer!r}.{hint}")
