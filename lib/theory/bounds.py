"""The bounds on perturbation stability that the papers prove, with every unstated constant set to 1."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.special import lambertw

from lib.initializers import Initializer, check_sizes, get
from lib.theory.logspace import exp, log


class Theorem1Terms(NamedTuple):
    """The two terms of Eq. (3), each with its factor γ^{L-2}; the bound is their sum.

    Attributes:
        transition: √(L³m²β_1²β_L²) e^{-m/L³} γ^{L-2}, the term that rises up to m = L³/2 and then vanishes.
        plateau: √(m·o·β_1²β_L²) γ^{L-2}, the term that is left for m -> ∞: √2 · √((d+2)/d) times the exact P_rms/ε
            at initialization.
    """

    transition: float
    plateau: float


def theorem1_terms(
    width: int, depth: int, in_features: int, out_features: int, initializer: str | Initializer
) -> Theorem1Terms:
    """Return the two terms of Theorem 1 at α = 1.

    P/ε ≲ ( √(L³m²β_1²β_L²) e^{-m/L³} + √(m·o·β_1²β_L²) ) γ^{L-2}, γ = β/√(2/m); for L = 2 no layer has β and
    γ^0 = 1.

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.
        initializer: a name known to `lib.initializers.get`, or an Initializer.

    Returns:
        Both terms, in units of the output per input; 0 or inf where they leave the range of a float.

    Raises:
        ValueError: a size is out of range, o > m, the initializer is unknown, or layers 2..L-1 do not share one β.

    Source: Zhu et al. 2022, Theorem 1, Eq. (3).
    """
    initializer = get(initializer)
    first, *hidden, last = initializer.betas(width, depth, in_features, out_features)
    if out_features > width:
        raise ValueError(
            f"out_features must be at most the width {width}, got {out_features!r}: Theorem 1 is about wide layers."
        )
    if len(set(hidden)) > 1:
        raise ValueError(
            f"Eq. (3) needs the same β in layers 2..L-1, but initializer {initializer.name!r} has {len(set(hidden))} "
            "values there; use one with a single hidden β."
        )
    log_gamma = log(hidden[0]) - math.log(2 / width) / 2 if hidden else 0.0
    common = math.log(width) / 2 + log(first) + log(last) + len(hidden) * log_gamma
    transition = common + (3 * math.log(depth) + math.log(width)) / 2 - width / depth**3
    return Theorem1Terms(transition=exp(transition), plateau=exp(common + math.log(out_features) / 2))


def theorem1(width: int, depth: int, in_features: int, out_features: int, initializer: str | Initializer) -> float:
    """Return the bound of Theorem 1 on P/ε with all constants 1, the sum of `theorem1_terms`.

    Substituting an initialization gives its line of Table 1 times a constant free of m, L, d and o: 2 for He, √2 for
    NTK, 1 for LeCun.

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.
        initializer: a name known to `lib.initializers.get`, or an Initializer.

    Raises:
        ValueError: a size is out of range, o > m, the initializer is unknown, or layers 2..L-1 do not share one β.

    Source: Zhu et al. 2022, Theorem 1, Eq. (3), and Table 1.
    """
    return sum(theorem1_terms(width, depth, in_features, out_features, initializer))


def critical_width(depth: int) -> float:
    """Return m* = L³/2, where the transition term of Eq. (3) peaks in m.

    With mβ_1²β_L² and γ free of m (LeCun, He, NTK) that term is proportional to √m e^{-m/L³}.

    Args:
        depth: L ≥ 2.

    Raises:
        ValueError: the depth is not an integer of at least 2.

    Source: derived from Zhu et al. 2022, Eq. (3).
    """
    check_sizes(width=1, depth=depth, in_features=1, out_features=1)
    return depth**3 / 2


def peak_over_plateau(depth: int, out_features: int) -> float:
    """Return the bound at m* = L³/2 over its limit for m → ∞, 1 + L³/√(2eo).

    Eq. (3) over its second term is 1 + √(L³m/o) e^{-m/L³}, the same for every initialization and γ; m = L³/2 makes it
    largest. The value is that of a real m*, which is half an integer where L is odd.

    Args:
        depth: L ≥ 2.
        out_features: o ≥ 1.

    Raises:
        ValueError: the depth or the number of outputs is out of range.

    Source: derived from Zhu et al. 2022, Eq. (3).
    """
    check_sizes(width=1, depth=depth, in_features=1, out_features=out_features)
    return 1 + depth**3 / math.sqrt(2 * math.e * out_features)


def wu2021(width: int, depth: int) -> float:
    """Return the bound of Wu et al. in Zhu et al.'s notation, L² m^{1/3} √(log m) + √(mL), all constants 1.

    Args:
        width: m ≥ 1, under the NTK initialization.
        depth: L ≥ 2.

    Raises:
        ValueError: the width or the depth is out of range.

    Source: Zhu et al. 2022, Table 2, for Wu et al. 2021.
    """
    check_sizes(width, depth, in_features=1, out_features=1)
    return depth**2 * math.cbrt(width) * math.sqrt(math.log(width)) + math.sqrt(width * depth)


def wu2021_applies(width: int, depth: int) -> bool:
    """Return whether m/(log m)^6 ≥ L^12, under which Wu et al.'s bound reduces to √(mL).

    The condition speaks of wide networks. At m = 1, where log m = 0 makes it hold by division, it is False.

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.

    Raises:
        ValueError: the width or the depth is out of range.

    Source: Zhu et al. 2022, Table 2, for Wu et al. 2021.
    """
    check_sizes(width, depth, in_features=1, out_features=1)
    return width > 1 and math.log(width) - 6 * math.log(math.log(width)) >= 12 * math.log(depth)


def wu2021_log_width(depth: int) -> float:
    """Return log m of the width from which on m/(log m)^6 ≥ L^12 holds.

    With y = log m the condition is y e^{-y/6} ≤ L^{-2}, so its border is y = -6 W_{-1}(-1/(6L²)), W_{-1} the lower
    branch of Lambert's function. No m from 2 up to there meets it.

    Args:
        depth: L ≥ 2.

    Returns:
        The natural logarithm: the width itself is above 10^12 at every depth.

    Raises:
        ValueError: the depth is not an integer of at least 2.

    Source: derived from Zhu et al. 2022, Table 2.
    """
    check_sizes(width=1, depth=depth, in_features=1, out_features=1)
    return -6 * float(lambertw(-1 / (6 * depth**2), k=-1).real)


def wu2021_crossing_log_width(depth: int) -> float:
    """Return log m of the width from which on the first term of Wu et al.'s bound is the smaller one, for m ≥ 3.

    L² m^{1/3} √(log m) ≤ √(mL) says m/(log m)³ ≥ L^9, which `wu2021_log_width`'s condition implies; the border is
    -3 W_{-1}(-1/(3L³)).

    Raises:
        ValueError: the depth is not an integer of at least 2.

    Source: derived from Zhu et al. 2022, Table 2.
    """
    check_sizes(width=1, depth=depth, in_features=1, out_features=1)
    return -3 * float(lambertw(-1 / (3 * depth**3), k=-1).real)


def huang2021(width: int, depth: int) -> float:
    """Return the bound of Huang et al. in Zhu et al.'s notation, 2^{(3L-5)/2} √m, all constants 1.

    The slides of Zhu et al. print √L in its place (erratum 2); this is the form of the paper.

    Args:
        width: m ≥ 1, under the NTK initialization.
        depth: L ≥ 2.

    Returns:
        The bound; inf where it exceeds the largest float.

    Raises:
        ValueError: the width or the depth is out of range.

    Source: Zhu et al. 2022, Table 2, for Huang et al. 2021.
    """
    check_sizes(width, depth, in_features=1, out_features=1)
    return exp((3 * depth - 5) / 2 * math.log(2) + math.log(width) / 2)
