"""Laws of robustness: fitting noise with few parameters costs Lipschitz, as lower bounds on Lip(f).

All of them are about x ~ N(0, I/d), so that ‖x‖ ≈ 1, with labels ±1 that x says nothing about.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from lib import checks

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def bubeck_sellke(samples: int, in_features: int, parameters: int, gap: float = 1.0) -> float:
    """Return ε √(nd/p), the universal law with its constant and its logarithm set to 1.

    A network with p parameters whose mean squared error on n noisy labels is ε below the noise level σ² has
    Lip(f) ≥ c ε √(nd / (p log(60 W J/ε) + log(4/δ))) with probability 1 − δ, where c = 2^-9 for x ~ N(0, I/d). This
    drops c and the logarithm.

    Args:
        samples: n ≥ 1.
        in_features: d ≥ 1.
        parameters: p ≥ 1.
        gap: ε in (0, 1], in the units of the squared labels.

    Raises:
        ValueError: a size or the gap is out of range.

    Source: Bubeck and Sellke 2021, Theorem 3.
    """
    checks.integers(samples=samples, in_features=in_features, parameters=parameters)
    checks.within("(0, 1]", gap=gap)
    return gap * math.sqrt(samples / parameters * in_features)


def bubeck_li_nagaraj(samples: int, width: int) -> float:
    """Return √(n/k), the conjectured law for two layers, with its constant set to 1.

    A two-layer network with k neurons that fits n generic points with random labels has Lip(f) ≥ c √(n/k). With
    p = k(d+1) weights `bubeck_sellke` is this times √(d/(d+1)).

    Args:
        samples: n ≥ 1.
        width: k ≥ 1.

    Raises:
        ValueError: a size is out of range.

    Source: Bubeck, Li and Nagaraj 2021, Conjecture 1.
    """
    checks.integers(samples=samples, width=width)
    return math.sqrt(samples / width)


def samples_needed(gap: float, delta: float = 0.5) -> float:
    """Return 8^4 log(8/δ)/ε², the number of samples from which on the theorem behind `bubeck_sellke` speaks.

    Args:
        gap: ε in (0, 1].
        delta: δ in (0, 1), the probability of its failure.

    Raises:
        ValueError: the gap or δ is out of range.

    Source: Bubeck and Sellke 2021, Theorem 3, assumption 2 with one component.
    """
    checks.within("(0, 1]", gap=gap)
    checks.within("(0, 1)", delta=delta)
    return 8**4 * math.log(8 / delta) / gap**2


def counting_bound(
    samples: int,
    in_features: int,
    parameters: int,
    gap: float = 1.0,
    bits: int = 32,
    delta: float = 0.01,
    mean_label: float = 0.0,
) -> float:
    """Return (1 − √(1−ε) − |ȳ|) √(nd / (2 (b p log 2 + log(1/δ)))), a bound on Lip(f) with all its constants.

    p parameters of b bits make at most N = 2^(bp) functions. With probability 1 − δ over n points x ~ N(0, I/d), every
    one of them whose mean squared error is at most 1 − ε is at least as steep as this, whatever labels ±1 were chosen
    beforehand.

    Args:
        samples: n ≥ 1.
        in_features: d ≥ 1.
        parameters: p ≥ 1.
        gap: ε in (0, 1].
        bits: b ≥ 1, of one stored parameter.
        delta: δ in (0, 1).
        mean_label: ȳ in [-1, 1], the mean of the labels.

    Returns:
        The bound, in units of the output per input; 0 where a constant function fits as well.

    Raises:
        ValueError: an argument is out of range.

    Source: derived for this book (chapter 14) after Bubeck and Sellke 2021, Theorem 2.
    """
    checks.integers(samples=samples, in_features=in_features, parameters=parameters, bits=bits)
    checks.within("(0, 1]", gap=gap)
    checks.within("(0, 1)", delta=delta)
    if not -1 <= mean_label <= 1:
        raise ValueError(f"mean_label must be in [-1, 1], got {mean_label!r}.")
    log_functions = bits * parameters * math.log(2) + math.log(1 / delta)
    correlation = 1 - math.sqrt(1 - gap)
    return max(correlation - abs(mean_label), 0) * math.sqrt(samples / log_functions * in_features / 2)


def smallest_lipschitz(x: Float[Tensor, "n d"], y: Float[Tensor, " n"]) -> float:
    """Return max |y_i − y_j| / ‖x_i − x_j‖₂, the smallest Lipschitz constant of a function that fits all labels.

    Such a function is min_i (y_i + Λ‖x − x_i‖), with Λ this number. It is 0 for equal labels and infinity where equal
    points have different ones.

    Args:
        x: n ≥ 2 points.
        y: their n labels.

    Raises:
        ValueError: there are fewer than two points, the shapes do not fit, or a value is not finite.

    Source: McShane 1934, Theorem 1.
    """
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    if x.ndim != 2 or y.shape != x.shape[:1] or len(x) < 2:
        raise ValueError(
            f"x and y must have shapes (n, d) and (n,) with n ≥ 2, got {tuple(x.shape)} and {tuple(y.shape)}."
        )
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("x and y must be finite, got a NaN or an infinity.")
    apart = torch.pdist(y[:, None].double())
    return float((apart / torch.pdist(x.double()))[apart > 0].max()) if bool((apart > 0).any()) else 0.0
