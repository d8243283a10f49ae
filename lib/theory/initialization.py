"""The exact law of perturbation stability at initialization, and draws from it that cost O(1) a layer.

A hidden layer sees (w·h, w·g), a centred Gaussian pair, and w -> -w swaps the gate of the ReLU. Hence
E[1{w·h ≥ 0}(w·g)²] = ½E(w·g)² for every width, and the mean square of J(x)u is a product over layers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lib import checks
from lib.initializers import Initializer, check_sizes, get
from lib.theory.gaussian_norms import mean_chi
from lib.theory.logspace import exp, log

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def mean_square_gain(
    width: int, depth: int, in_features: int, out_features: int, initializer: str | Initializer
) -> float:
    """Return E‖J(x)u‖² over the weights, for any x ≠ 0 and any unit direction u.

    E‖Ju‖² = (mβ_1²/2) · Π_{l=2..L-1} (mβ_l²/2) · oβ_L², exact for every m, L, d and o; dead layers are part of the
    expectation. The same number is E‖f(x)‖²/‖x‖², because f(x) = J(x)x.

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.
        initializer: a name known to `lib.initializers.get`, or an Initializer.

    Returns:
        The gain (output per input, squared); inf where it exceeds the largest float.

    Raises:
        ValueError: a size is out of range, or the initializer is unknown.

    Source: Hanin and Nica 2018 (arXiv:1812.05994) for the symmetry.
    """
    return exp(_log_gain(width, depth, in_features, out_features, initializer))


def rms_stability(width: int, depth: int, in_features: int, out_features: int, initializer: str | Initializer) -> float:
    """Return the exact root-mean-square perturbation stability P_rms/ε at initialization.

    P_rms/ε = √(E‖J(x)δ‖²) for δ uniform in the unit ball = √(d/(d+2)) · √(m·o·β_1²β_L²/2) · γ^{L-2}, γ = β/√(2/m):
    the second term of Eq. (3) over √2. Jensen's inequality gives P ≤ P_rms. He: √(2o/(d+2)), free of m and L.

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.
        initializer: a name known to `lib.initializers.get`, or an Initializer.

    Returns:
        P_rms at ε = 1, in units of the output; inf where it exceeds the largest float.

    Raises:
        ValueError: a size is out of range, or the initializer is unknown.

    Source: Zhu et al. 2022, Definition 1, with the identity of `mean_square_gain`.
    """
    log_gain = _log_gain(width, depth, in_features, out_features, initializer)
    return math.sqrt(in_features / (in_features + 2)) * exp(log_gain / 2)


def mean_stability(
    width: int, depth: int, in_features: int, out_features: int, initializer: str | Initializer
) -> float:
    """Return the exact perturbation stability P/ε at initialization, the mean itself.

    ‖J(x)u‖ has the law of Π_l β_l · χ_{N_1} ⋯ χ_{N_{L-1}} · χ_o with independent N_l ~ Binomial(m, ½), the number of
    open gates of layer l. Hence P/ε = d/(d+1) · (Π_l β_l) · (E χ_N)^{L-1} · E χ_o, for every m, L, d and o.

    Arguments and errors are those of `rms_stability`, which is never below it.

    Source: derived in chapter 03 from Definition 1.
    """
    betas = get(initializer).betas(width, depth, in_features, out_features)
    gates = np.arange(width + 1)
    open_gates = float(_open_gates(gates, width) @ mean_chi(gates))
    logs = sum(log(beta) for beta in betas) + (depth - 1) * log(open_gates) + log(float(mean_chi(out_features)))
    return in_features / (in_features + 1) * exp(logs)


class InitialNorms(NamedTuple):
    """Draws of the two norms that decide stability at initialization, one entry a draw of the weights.

    Attributes:
        derivative: ‖J(x)u‖, u uniform on the unit sphere. P/ε = d/(d+1) · E(derivative), because the length of a
            uniform point of the ball is independent of its direction and has mean d/(d+1).
        output: ‖f(x)‖ of the same network at ‖x‖ = 1.
    """

    derivative: Float[np.ndarray, " draws"]
    output: Float[np.ndarray, " draws"]


def sample_directional_derivative(
    width: int,
    depth: int,
    in_features: int,
    out_features: int,
    initializer: str | Initializer,
    draws: int,
    seed: int = 0,
) -> InitialNorms:
    """Draw (‖J(x)u‖, ‖f(x)‖) of freshly initialized networks, exactly in law, without drawing their weights.

    The law: x is fixed with ‖x‖ = 1, u is uniform on the unit sphere (a new one each draw), W has the initializer's
    law. By rotation invariance only u·x matters; it has the law of the first coordinate of u.

    Given (h, g = J_{l-1}u) of one layer, the m pairs (w·h, w·g) of the next are i.i.d. centred Gaussians with
    covariance β_l² [[‖h‖², h·g], [h·g, ‖g‖²]]. So the 2×2 triangular factor R of [h g] = Q R is all that has to be
    carried. N ~ Binomial(m, ½) neurons fire whatever R is, and the factor of the N×2 standard Gaussians that are left
    is Bartlett's [[χ_N, z], [0, χ_{N-1}]], with z ~ N(0,1) and all three independent (the sign of the first column,
    which the gate fixes, is independent of them). One layer is therefore R <- β_l · Bartlett(N) · R; the linear last
    layer has N = o. At the end ‖f‖ = R_11 and ‖Ju‖ = √(R_12² + R_22²).

    Args:
        width: m ≥ 1.
        depth: L ≥ 2.
        in_features: d ≥ 1.
        out_features: o ≥ 1.
        initializer: a name known to `lib.initializers.get`, or an Initializer.
        draws: number of independent networks, at least 1.
        seed: a non-negative integer. Draws of different sizes are independent; two initializers with the same sizes
            and seed share their Gaussians, so their draws differ by the exact factor Π β_l/β'_l.

    Returns:
        Both norms in float64, shape (draws,).

    Raises:
        ValueError: a size is out of range, the initializer is unknown, or draws or seed is not such an integer.

    Source: Bartlett's decomposition of a Wishart matrix, applied to Eq. (2).
    """
    betas = get(initializer).betas(width, depth, in_features, out_features)
    checks.integers(draws=draws)
    checks.integers(least=0, seed=seed)
    generator = np.random.default_rng([seed, width, depth, in_features, out_features])

    # [x u] = Q R with ‖x‖ = ‖u‖ = 1: a Gaussian vector of R^d, seen along x and across it, then normalized.
    along, across = generator.standard_normal(draws), _chi(generator, np.full(draws, in_features - 1))
    length = np.hypot(along, across)
    r11, r12, r22 = np.ones(draws), along / length, across / length
    for layer, beta in enumerate(betas, start=1):
        rows = np.full(draws, out_features) if layer == depth else generator.binomial(width, 0.5, draws)
        first = beta * _chi(generator, rows)
        # A dead layer (no row) has no column space at all, so z is absent too.
        mixed = beta * generator.standard_normal(draws) * (rows > 0)
        second = beta * _chi(generator, np.maximum(rows - 1, 0))
        r11, r12, r22 = first * r11, first * r12 + mixed * r22, second * r22
    return InitialNorms(derivative=np.hypot(r12, r22), output=r11)


def lower_bound_constant(in_features: int) -> float:
    """Return c_d, the constant of P/ε ≥ c_d · E[‖f(x)‖/‖x‖], which holds at any time of training.

    c_d = Γ(d/2+1) / (√π Γ((d+3)/2)) = E|δ·v| for δ uniform in the unit ball of R^d and a unit vector v: a bias-free
    ReLU network has f(x) = J(x)x. For o = 1, P/ε = c_d E‖∇f‖.

    Args:
        in_features: d ≥ 1.

    Raises:
        ValueError: d is not a positive integer.

    Source: Zhu et al. 2022, Definition 1, for bias-free networks.
    """
    check_sizes(width=1, depth=2, in_features=in_features, out_features=1)
    return math.exp(math.lgamma(in_features / 2 + 1) - math.lgamma((in_features + 3) / 2)) / math.sqrt(math.pi)


def log_chi_constant(width: int) -> float:
    """Return m · Var(log χ_N² | N > 0) with N ~ Binomial(m, ½), which tends to 5 for wide layers.

    It is what a hidden layer that is not dead adds, times m, to the variance of log ‖Ju‖².

    Raises:
        ValueError: the width is no positive integer.

    Source: Hanin and Nica 2020, for the limit; the finite value is derived in chapter 03.
    """
    from scipy import special  # takes a quarter of a second to import, and nothing else here needs it

    check_sizes(width=width, depth=2, in_features=1, out_features=1)
    gates = np.arange(1, width + 1)
    share = _open_gates(gates, width) / (1 - 0.5**width)
    digamma = special.polygamma(0, gates / 2)
    of_means = share @ digamma**2 - (share @ digamma) ** 2
    return float(width * (share @ special.polygamma(1, gates / 2) + of_means))


def _log_gain(width: int, depth: int, in_features: int, out_features: int, initializer: str | Initializer) -> float:
    """Return log E‖J(x)u‖²."""
    betas = get(initializer).betas(width, depth, in_features, out_features)
    return 2 * math.fsum(map(log, betas)) + (depth - 1) * math.log(width / 2) + math.log(out_features)


def _chi(generator: np.random.Generator, degrees: np.ndarray) -> np.ndarray:
    """Draw χ variables with the given degrees of freedom; 0 degrees give exactly 0."""
    return np.sqrt(2 * generator.standard_gamma(degrees / 2))


def _open_gates(gates: Int[np.ndarray, " counts"], width: int) -> Float[np.ndarray, " counts"]:
    """Return the probabilities that so many of m gates are open, of Binomial(m, ½)."""
    from scipy import stats  # takes a second to import, and nothing else here needs it

    return stats.binom.pmf(gates, width, 0.5)
