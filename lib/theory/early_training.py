"""Early training of two-layer networks from small initializations: Theorem 3, its readings, and what can be proved.

Throughout L = 2, o = 1, α = 1, ‖x_i‖ = 1, β_1 = β_2 = m^-c, loss (1/2n)Σ(f(x_i) − y_i)², full-batch gradient descent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lib import checks
from lib.theory.initialization import lower_bound_constant
from lib.theory.logspace import exp

if TYPE_CHECKING:
    from jaxtyping import Float


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
        width: m ≥ 1.
        samples: n ≥ 1.
        c: exponent of the initialization β = m^-c, positive and finite.

    Raises:
        ValueError: an argument is out of range.

    Source: Zhu et al. 2022, Theorem 3, Eq. (4).
    """
    first, second = _log_terms(width, samples, c)
    return Theorem3Terms(first=exp(first), second=exp(second))


def theorem3(width: int, samples: int, c: float) -> float:
    """Return the bound of Theorem 3 on P/ε with the constant of Θ set to 1, the sum of `theorem3_terms`.

    Args:
        width: m ≥ 1.
        samples: n ≥ 1.
        c: exponent of the initialization β = m^-c, positive and finite.

    Raises:
        ValueError: an argument is out of range.

    Source: Zhu et al. 2022, Theorem 3, Eq. (4).
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

    Source: derived from Zhu et al. 2022, Eq. (4).
    """
    checks.integers(samples=samples)
    checks.positive(c=c)
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
    """
    checks.positive(c=c)
    return DecayExponents(
        first=c - 0.5, second=2 * c - 1.5, slides=c + 1.5, initialization=2 * c - 0.5, plateau=2 * c - 1
    )


def stated_probability(samples: int) -> float:
    """Return the probability 1 − n e^{-n/2} − 3/n with which Theorem 3 holds at least; not positive means no statement.

    Args:
        samples: n ≥ 1.

    Raises:
        ValueError: n is out of range.

    Source: Zhu et al. 2022, Theorem 3.
    """
    checks.integers(samples=samples)
    return 1 - samples * math.exp(-samples / 2) - 3 / samples


def growth_bound(width: int, in_features: int, c: float, time: float, rate: float = 1.0) -> float:
    """Return a proved bound on P/ε at a time of training, ½ c_d (d+1) m^{1-2c} e^{2ρt}.

    By homogeneity ‖∇f‖ ≤ Σ|a_k|‖w_k‖ ≤ ½‖θ‖². A step multiplies ‖θ‖ by at most 1 + lr·(1/n)Σ|y_i − f(x_i)|, hence by
    at most e^{ρ lr} with ρ the root mean square residual, which is largest at the start as long as the loss does not
    rise above its initial value. ‖θ_0‖² is replaced by its mean m^{1-2c}(d+1).

    Args:
        width: m ≥ 1.
        in_features: d ≥ 1.
        c: exponent of the initialization β = m^-c, positive and finite.
        time: t = lr · steps ≥ 0.
        rate: ρ = √(2 · initial loss) > 0; 1 for targets ±1 and small c-independent outputs.

    Raises:
        ValueError: an argument is out of range.

    Source: derived in chapter 07 from Zhu et al. 2022, Eq. (2) and Definition 1.
    """
    checks.positive(rate=rate)
    checks.non_negative(time=time)
    return exp(_log_start(width, in_features, c) + 2 * rate * time)


def guaranteed_time(width: int, samples: int, in_features: int, c: float, rate: float = 1.0) -> float:
    """Return the time up to which `growth_bound` proves Eq. (4) with the constant 1; 0 where it proves nothing.

    t = log( theorem3 / growth_bound at t = 0 ) / (2ρ): about (c − ½) log m / (2ρ) where the first term dominates. It
    needs neither m ≫ n² nor λ_0.

    Args:
        width: m ≥ 1.
        samples: n ≥ 1.
        in_features: d ≥ 1.
        c: exponent of the initialization, positive and finite.
        rate: ρ as in `growth_bound`.

    Raises:
        ValueError: an argument is out of range.

    Source: derived in chapter 07.
    """
    checks.positive(rate=rate)
    log_bound = np.logaddexp(*_log_terms(width, samples, c))
    return max(0.0, float(log_bound) - _log_start(width, in_features, c)) / (2 * rate)


def growth_rate(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], starts: int = 200, steps: int = 50, seed: int = 0
) -> float:
    """Return σ = max over unit u of |(1/n) Σ_i y_i max(0, u·x_i)|, the rate at which the best aligned neurons grow.

    At a maximum u is parallel to Σ_i y_i 1{u·x_i > 0} x_i; this is iterated from random starts, and the largest of
    the local maxima is kept, so that the result is a lower bound.

    Args:
        x: n points.
        y: their targets.
        starts: how many starts are iterated from.
        steps: iterations from each.
        seed: of the starts.

    Source: Luo et al. 2021, for the role of σ.
    """
    u = np.random.default_rng(seed).normal(size=(starts, x.shape[1]))
    best = 0.0
    for _ in range(steps):
        u /= np.linalg.norm(u, axis=1, keepdims=True) + 1e-300
        pull = ((u @ x.T > 0) * y) @ x / len(x)
        along = (pull * u).sum(axis=1, keepdims=True)
        best = max(best, float(np.abs(along).max()))
        u = np.sign(along) * pull
    return best


def _log_terms(width: int, samples: int, c: float) -> tuple[float, float]:
    """Return the logarithms of the two terms of Eq. (4)."""
    checks.integers(width=width, samples=samples)
    checks.positive(c=c)
    common = math.log(math.sqrt(samples * math.log(width)) + samples) - (c - 1) * math.log(width)
    return common - (3 * math.log(samples) + math.log(width)) / 2, common - (c - 0.5) * math.log(width)


def _log_start(width: int, in_features: int, c: float) -> float:
    """Return the logarithm of ½ c_d (d+1) m^{1-2c}, the growth bound at t = 0."""
    checks.integers(width=width, in_features=in_features)
    checks.positive(c=c)
    return math.log(lower_bound_constant(in_features) * (in_features + 1) / 2) + (1 - 2 * c) * math.log(width)
