"""Lazy or not: Luo et al.'s plane (γ, γ') of two-layer networks, and the sufficient condition of Theorem 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lib import checks
from lib.initializers import Initializer, check_sizes, get
from lib.theory.logspace import exp, log

# Two widths between which an initialization's powers of m are read off; power laws do not depend on the choice.
_NARROW, _WIDE = 2**10, 2**20
# S_w as Luo et al. 2021 print it, by γ at γ' = 0.
PRINTED_SLOPES = {0.5: -0.506, 1.0: 0.007, 1.75: 0.372}


class Scales(NamedTuple):
    """Where an initialization lies in the plane of Luo et al.

    Attributes:
        gamma: γ = −lim log κ / log m with κ = β_out β_in / α, how fast the output's prefactor vanishes.
        gamma_prime: γ' = −lim log κ' / log m with κ' = β_out/β_in, how much smaller the output weights start.
    """

    gamma: float
    gamma_prime: float


def scales(initializer: str | Initializer, in_features: int, alpha_power: float = 0.0) -> Scales:
    """Return (γ, γ') of the two-layer network f(x) = (1/α) Σ_k a_k relu(w_k·x) with α = m^alpha_power.

    a_k ~ N(0, β_out²) and w_k ~ N(0, β_in² I). The powers of m are read off between two widths, which is exact for
    every initialization of Table 1. Luo et al. call β_out β_1 and β_in β_2, the reverse of Zhu et al.

    Args:
        initializer: a name known to `lib.initializers.get`, or an Initializer.
        in_features: d ≥ 1.
        alpha_power: the power of m in α; 0 is α = 1, and 1 with β_out, β_in free of m is the mean-field scaling.

    Raises:
        ValueError: the initializer is unknown, in_features is no positive integer, or alpha_power is not finite.

    Source: Luo et al. 2021, Definitions of κ, κ', γ, γ'.
    """
    checks.finite(alpha_power=alpha_power)
    law = get(initializer)
    (inward, outward), (inward_wide, outward_wide) = (
        [log(beta) for beta in law.betas(width, 2, in_features, 1)] for width in (_NARROW, _WIDE)
    )
    length = math.log(_WIDE / _NARROW)
    change_in, change_out = (inward_wide - inward) / length, (outward_wide - outward) / length
    return Scales(gamma=alpha_power - change_in - change_out, gamma_prime=change_in - change_out)


def scaled_initializer(gamma: float, gamma_prime: float) -> Initializer:
    """Return the initialization of α = 1 that lies at (γ, γ'): β_in = m^{-(γ−γ')/2}, β_out = m^{-(γ+γ')/2}.

    Gradient flow moves every weight, in units of its β and after a change of the time's unit, in a way that depends
    on α, β_in and β_out through κ and κ' alone, so one representative of each point is enough. Layers between the
    first and the last, which Luo et al. do not have, get m^{-γ/2}: with γ' = 0 all β are m^{-γ/2}, Zhu et al.'s
    m^{-c} with c = γ/2.

    Raises:
        ValueError: γ is not positive and finite, or γ' is not finite.

    Source: Luo et al. 2021, §3.1.
    """
    _check_gammas(gamma, gamma_prime)
    powers = (gamma - gamma_prime) / 2, gamma / 2, (gamma + gamma_prime) / 2
    return Initializer(f"scales({gamma:g}, {gamma_prime:g})", lambda m, d, o: tuple(m**-power for power in powers))


def boundary(gamma_prime: float) -> float:
    """Return the γ that parts the linear from the condensed regime at γ': 1 + max(0, γ').

    Raises:
        ValueError: γ' is not finite.

    Source: Luo et al. 2021, Theorems 1 and 2.
    """
    checks.finite(gamma_prime=gamma_prime)
    return 1 + max(0.0, gamma_prime)


def regime(gamma: float, gamma_prime: float) -> str:
    """Return "linear", "critical" or "condensed", the limit m → ∞ of sup_t RD(θ_w): 0, of order one, or ∞.

    Linear: γ < 1 or γ' > γ − 1. Condensed: γ > 1 and γ' < γ − 1, where the risk falls to 1/(32n). Critical: between.

    Raises:
        ValueError: γ is not positive and finite, or γ' is not finite.

    Source: Luo et al. 2021, Theorems 1 and 2.
    """
    _check_gammas(gamma, gamma_prime)
    distance = gamma - boundary(gamma_prime)
    if math.isclose(distance, 0, abs_tol=1e-9):
        return "critical"
    return "linear" if distance < 0 else "condensed"


def width_slope(gamma: float, gamma_prime: float) -> float:
    """Return the power S_w of m in RD(θ_w) at a small risk, from a count of powers (a heuristic, not a theorem).

    The m neurons have to add up to a function of order one. The layer whose partner is larger learns faster and sets
    the time. With w_k of size β_in, a_k of size β_out and α = 1 this gives

    - γ' ≤ 0 (the input layer leads):  |Δw| = 1/(m β_out), so S_w = γ − 1, as long as |Δw| ≤ β_out;
    - beyond that both layers grow to m^{-1/2}, so S_w = (γ − γ' − 1)/2;
    - γ' > 0 (the output layer leads): |Δa| = 1/(m β_in) after the time 1/(m β_in²), so |Δw| is that time times
      max(β_out, |Δa|) and S_w = γ − 1 − 2γ' for γ ≤ 1, 2(γ − γ' − 1) up to γ = 1 + γ', then (γ − γ' − 1)/2.

    It vanishes exactly on `boundary` and is −1/2, 0 and 3/8 at γ = 1/2, 1 and 7/4, γ' = 0.

    Raises:
        ValueError: γ is not positive and finite, or γ' is not finite.

    Source: derived in chapter 06 from the scalings of Luo et al. 2021.
    """
    _check_gammas(gamma, gamma_prime)
    grown = (gamma - gamma_prime - 1) / 2
    if gamma_prime <= 0:
        return gamma - 1 if gamma + gamma_prime <= 1 or gamma <= 1 else grown
    if gamma <= 1:
        return gamma - 1 - 2 * gamma_prime
    return 2 * (gamma - gamma_prime - 1) if gamma <= 1 + gamma_prime else grown


def theorem2_ratio(
    width: int,
    depth: int,
    in_features: int,
    initializer: str | Initializer,
    alpha: float = 1.0,
) -> float:
    """Return (m^{3/2} Σ_l β_l)^L / α, which Theorem 2 asks to be far below 1 for training to be non-lazy.

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.
        in_features: d ≥ 1; the theorem has o = 1 output.
        initializer: a name known to `lib.initializers.get`, or an Initializer.
        alpha: α > 0, the scaling factor of Eq. (2).

    Returns:
        The ratio; inf where it exceeds the largest float.

    Raises:
        ValueError: a size or α is out of range, or the initializer is unknown.

    Source: Zhu et al. 2022, Theorem 2.
    """
    checks.positive(alpha=alpha)
    betas = get(initializer).betas(width, depth, in_features, 1)
    return exp(depth * (1.5 * math.log(width) + log(math.fsum(betas))) - math.log(alpha))


def theorem2_width(depth: int, c: float, ratio: float = 0.1) -> float:
    """Return the width from which β_l = m^{-c}, α = 1 has a `theorem2_ratio` of at most `ratio`.

    (L m^{3/2−c})^L ≤ r means m ≥ (L r^{-1/L})^{1/(c−3/2)}; no width does for c ≤ 3/2, where inf is returned.

    Args:
        depth: L ≥ 2.
        c: c > 0.
        ratio: what counts as far below 1, in (0, 1).

    Raises:
        ValueError: an argument is out of its range.

    Source: Zhu et al. 2022, Theorem 2 and its remark (m ≫ L² at c = 2).
    """
    check_sizes(width=1, depth=depth, in_features=1, out_features=1)
    checks.positive(c=c)
    checks.within("(0, 1)", ratio=ratio)
    if c <= 1.5:
        return math.inf
    return exp((math.log(depth) - math.log(ratio) / depth) / (c - 1.5))


def layer_change_bound(norms: Sequence[float], output: float, alpha: float = 1.0) -> list[float]:
    """Return a lower bound on every layer's RD once some |f(x)| with ‖x‖ ≤ 1 has reached an output.

    Gradient flow conserves ‖W_l‖_F² − ‖W_k‖_F² of every two layers, and |f(x)| ≤ Π_l ‖W_l‖_F / α. So the largest
    layer has ‖W‖_F ≥ (α|f|)^{1/L}, and with n_l = ‖W_l(0)‖_F every layer has
    RD_l ≥ √((α|f|)^{2/L} − max_k n_k² + n_l²)/n_l − 1.

    Args:
        norms: n_1..n_L > 0, at least two.
        output: |f| ≥ 0.
        alpha: α > 0, the scaling factor of Eq. (2).

    Returns:
        One bound a layer; 0 where the argument says nothing.

    Raises:
        ValueError: an argument is out of its range.

    Source: derived in chapter 06; the conservation law is Du, Hu and Lee 2018, Corollary 2.1.
    """
    if len(norms) < 2 or not all(0 < norm < math.inf for norm in norms):
        raise ValueError(f"norms must be at least two, positive and finite, got {norms!r}.")
    checks.non_negative(output=output)
    checks.positive(alpha=alpha)
    largest = (alpha * output) ** (2 / len(norms)) - max(norms) ** 2
    return [max(0.0, math.sqrt(max(0.0, largest + norm**2)) / norm - 1) for norm in norms]


def _check_gammas(gamma: float, gamma_prime: float) -> None:
    checks.positive(gamma=gamma)
    checks.finite(gamma_prime=gamma_prime)
