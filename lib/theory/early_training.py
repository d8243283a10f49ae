"""Early training of two-layer networks from small initializations: Theorem 3, its readings, and what can be proved.

Throughout L = 2, o = 1, α = 1, ‖x_i‖ = 1, β_1 = β_2 = m^-c, loss (1/2n)Σ(f(x_i) − y_i)², full-batch gradient descent.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from lib.theory.initialization import lower_bound_constant
from lib.theory.logspace import exp


class Theorem3Terms(NamedTuple):
    """The two terms of Eq. (4), each with the common factor (√(n log m) + n)/m^{c-1}; the bound is their sum.

    Attributes:
        first: the factor times 1/√(n³m). For n ≥ log m of the order n^{-1/2} m^{-(c-0.5)}.
        second: the factor times 1/m^{c-0.5}. For n ≥ log m of the order n m^{-(2c-1.5)}.
    """

    first: float
    second: float


def theorem3_terms(width: int, samples: int, c: float) -> Theorem3Terms:
    """Return the two terms of Theorem 3 on P/ε, with the constant of Θ set to 1.

    P/ε ≤ Θ( (√(n log m) + n)/m^{c-1} · ( 1/√(n³m) + 1/m^{c-0.5} ) ), early in training. The theorem assumes c ≥ 1.5,
    m ≫ n² and a training time below a constant of n, m and λ_0; Eq. (4) is evaluated for every c > 0.

    Args:
        width, samples: m ≥ 1 and n ≥ 1.
        c: exponent of the initialization β = m^-c, positive and finite.

    Raises:
        ValueError: an argument is out of range.

    Source: Zhu et al. 2022, Theorem 3, Eq. (4). Used by: chapter 07.
    """
    first, second = _log_terms(width, samples, c)
    return Theorem3Terms(first=exp(first), second=exp(second))


def theorem3(width: int, samples: int, c: float) -> float:
    """Return the bound of Theorem 3 on P/ε with the constant of Θ set to 1, the sum of `theorem3_terms`.

    Args:
        width, samples: m ≥ 1 and n ≥ 1.
        c: exponent of the initialization β = m^-c, positive and finite.

    Raises:
        ValueError: an argument is out of range.

    Source: Zhu et al. 2022, Theorem 3, Eq. (4). Used by: chapter 07.
    """
    return sum(theorem3_terms(width, samples, c))


def crossover_width(samples: int, c: float) -> float:
    """Return the width n^{1.5/(c-1)} from which on the first term of Eq. (4) is the larger one.

    first/second = m^{c-1}/n^{1.5}. With m ≥ n² the first is the larger for every c ≥ 1.75.

    Args:
        samples: n ≥ 1.
        c: exponent of the initialization, positive and finite.

    Returns:
        That width; inf for c ≤ 1, where the second term is the larger at every width (n ≥ 2).

    Raises:
        ValueError: an argument is out of range.

    Source: derived from Zhu et al. 2022, Eq. (4). Used by: chapter 07.
    """
    _check_integers(samples=samples)
    _check_positive(c=c)
    return exp(1.5 * math.log(samples) / (c - 1)) if c > 1 else math.inf


class DecayExponents(NamedTuple):
    """Exponents a of P ∝ m^-a, at fixed n, as different sources give them.

    Attributes:
        first: c − 0.5, the first term of Eq. (4).
        second: 2c − 1.5, its second term; for c = 2 and 3 these are the exponents of the remark after Theorem 3.
        slides: c + 1.5, the talk's bound Õ(n/m^{c+1.5}).
        initialization: 2c − 0.5, the exact law of `lib.theory.initialization.rms_stability` at t = 0.
        plateau: 2c − 1, at a fixed time t > 0 (`growth_bound`, and the mean of the neurons' independent flows).
    """

    first: float
    second: float
    slides: float
    initialization: float
    plateau: float


def decay_exponents(c: float) -> DecayExponents:
    """Return the exponents with which P falls in m according to each source (see `DecayExponents`).

    The bound (4) falls like the smaller of its two exponents: c − 0.5 for every c > 1.

    Args:
        c: exponent of the initialization, positive and finite.

    Raises:
        ValueError: c is out of range.

    Source: Zhu et al. 2022, Theorem 3, its remark, the talk's slides; derived in chapters 03 and 07.
    Used by: chapter 07.
    """
    _check_positive(c=c)
    return DecayExponents(
        first=c - 0.5, second=2 * c - 1.5, slides=c + 1.5, initialization=2 * c - 0.5, plateau=2 * c - 1
    )


def stated_probability(samples: int) -> float:
    """Return the probability 1 − n e^{-n/2} − 3/n with which Theorem 3 holds at least; not positive means no statement.

    Args:
        samples: n ≥ 1.

    Raises:
        ValueError: n is out of range.

    Source: Zhu et al. 2022, Theorem 3. Used by: chapter 07.
    """
    _check_integers(samples=samples)
    return 1 - samples * math.exp(-samples / 2) - 3 / samples


def growth_bound(width: int, in_features: int, c: float, time: float, rate: float = 1.0) -> float:
    """Return a proved bound on P/ε at a time of training, ½ c_d (d+1) m^{1-2c} e^{2ρt}.

    By homogeneity ‖∇f‖ ≤ Σ|a_k|‖w_k‖ ≤ ½‖θ‖². A step multiplies ‖θ‖ by at most 1 + lr·(1/n)Σ|y_i − f(x_i)|, hence by
    at most e^{ρ lr} with ρ the root mean square residual, which is largest at the start as long as the loss does not
    rise above its initial value. ‖θ_0‖² is replaced by its mean m^{1-2c}(d+1).

    Args:
        width, in_features: m ≥ 1 and d ≥ 1.
        c: exponent of the initialization β = m^-c, positive and finite.
        time: t = lr · steps ≥ 0.
        rate: ρ = √(2 · initial loss) > 0; 1 for targets ±1 and small c-independent outputs.

    Raises:
        ValueError: an argument is out of range.

    Source: derived in chapter 07 from Zhu et al. 2022, Eq. (2) and Definition 1. Used by: chapter 07.
    """
    _check_positive(rate=rate)
    if isinstance(time, bool) or not isinstance(time, Real) or not 0 <= time < math.inf:
        raise ValueError(f"time must be at least 0 and finite, got {time!r}.")
    return exp(_log_start(width, in_features, c) + 2 * rate * time)


def guaranteed_time(width: int, samples: int, in_features: int, c: float, rate: float = 1.0) -> float:
    """Return the time up to which `growth_bound` proves Eq. (4) with the constant 1; 0 where it proves nothing.

    t = log( theorem3 / growth_bound at t = 0 ) / (2ρ): about (c − ½) log m / (2ρ) where the first term dominates. It
    needs neither m ≫ n² nor λ_0.

    Args:
        width, samples, in_features: m ≥ 1, n ≥ 1 and d ≥ 1.
        c: exponent of the initialization, positive and finite.
        rate: ρ as in `growth_bound`.

    Raises:
        ValueError: an argument is out of range.

    Source: derived in chapter 07. Used by: chapter 07.
    """
    _check_positive(rate=rate)
    log_bound = np.logaddexp(*_log_terms(width, samples, c))
    return max(0.0, float(log_bound) - _log_start(width, in_features, c)) / (2 * rate)


def _log_terms(width: int, samples: int, c: float) -> tuple[float, float]:
    """Return the logarithms of the two terms of Eq. (4)."""
    _check_integers(width=width, samples=samples)
    _check_positive(c=c)
    common = math.log(math.sqrt(samples * math.log(width)) + samples) - (c - 1) * math.log(width)
    return common - (3 * math.log(samples) + math.log(width)) / 2, common - (c - 0.5) * math.log(width)


def _log_start(width: int, in_features: int, c: float) -> float:
    """Return the logarithm of ½ c_d (d+1) m^{1-2c}, the growth bound at t = 0."""
    _check_integers(width=width, in_features=in_features)
    _check_positive(c=c)
    return math.log(lower_bound_constant(in_features) * (in_features + 1) / 2) + (1 - 2 * c) * math.log(width)


def _check_integers(**values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, got {value!r}.")
