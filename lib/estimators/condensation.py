"""Do the neurons of a two-layer network share few directions? Directions, amplitudes, effective numbers and a null."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib import checks
from lib.estimators.measuring import fully_connected
from lib.estimators.spectrum import spectrum_of_gram
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.networks import FCN

# Neurons compared with all others at once: 2^24 float64 numbers of one block of cosines are 128 MiB.
_CHUNK_NUMBERS = 2**24


def neurons(network: nn.Module) -> tuple[Float[Tensor, "R m d"], Float[Tensor, "R m"]]:
    """Return the direction w_k/‖w_k‖ and the amplitude ‖a_k‖ ‖w_k‖ / α of every neuron of a two-layer network.

    By homogeneity f(x) = (1/α) Σ_k a_k relu(w_k·x) depends on neuron k through these two (and the direction of a_k
    where there is more than one output) alone; their product with relu is its share of the function. In float64; a
    neuron with w_k = 0 has the direction 0 and the amplitude 0.

    Args:
        network: an `FCN` of depth 2, or its plain `nn.Sequential` (R = 1).

    Raises:
        ValueError: the network is no bias-free two-layer ReLU network.

    Source: Luo et al. 2021, who draw neurons by orientation and amplitude.
    """
    first, last, alpha = two_layers(network)
    sizes = torch.linalg.vector_norm(first, dim=1)
    directions = first.mT / torch.where(sizes > 0, sizes, 1).unsqueeze(-1)
    return directions, sizes * torch.linalg.vector_norm(last, dim=2) / alpha


def direction_similarity(network: nn.Module) -> Float[Tensor, "R m m"]:
    """Return √(p_k p_l) cos(w_k, w_l), the cosines of all pairs of neurons weighted by p_k = amplitude_k / Σ amplitude.

    Its trace is 1 and its eigenvalues other than 0 are those of `similarity_spectrum`. It holds R m² numbers.
    Arguments and errors are those of `neurons`; NaN where every amplitude is 0.

    Source: Zhu et al. 2022, §4.3 (condensation).
    """
    weighted = _weighted(*neurons(network))
    return weighted @ weighted.mT


def similarity_spectrum(network: nn.Module) -> Float[Tensor, "R k"]:
    """Return the k = min(m, d) largest eigenvalues of `direction_similarity`, ascending; their sum is 1.

    They are the eigenvalues of the amplitude-weighted covariance Σ_k p_k ŵ_k ŵ_kᵀ: one eigenvalue of 1 means that all
    neurons lie on one line through the origin, equal ones that no line is preferred. Arguments and errors are those
    of `neurons`; NaN where every amplitude is 0.

    Source: Zhu et al. 2022, §4.3 (condensation).
    """
    weighted = _weighted(*neurons(network))
    tall = weighted.shape[1] >= weighted.shape[2]
    return spectrum_of_gram(weighted.mT @ weighted if tall else weighted @ weighted.mT)


def effective_directions(network: nn.Module) -> Float[Tensor, " R"]:
    """Return 1 / Σ_i λ_i² of the similarity spectrum (λ sums to 1): how many lines the neurons effectively span.

    It equals 1 / Σ_kl p_k p_l cos²(w_k, w_l), lies in [1, min(m, d)], and is k where equal amplitudes lie on k
    orthogonal lines. Opposite directions are one line; in the plane it cannot exceed 2, and `distinct_directions`
    sees more. Arguments and errors are those of `neurons`; NaN where every amplitude is 0.

    Source: the participation ratio of the spectrum; claim 46 of this book.
    """
    return 1 / similarity_spectrum(network).square().sum(dim=-1)


def distinct_directions(network: nn.Module, degrees: float = 10.0) -> Float[Tensor, " R"]:
    """Return 1 / Σ_kl p_k p_l 1{angle(w_k, w_l) ≤ degrees}: how many directions are apart, opposite ones too.

    It lies in [1, 1/Σ p_k²] ⊂ [1, m], is k for k narrow bundles of equal amplitude further apart than the
    resolution, and 180/degrees for directions spread evenly over the circle. It is the diversity of order 2 with
    respect to similarity. Neurons with w_k = 0 do not count; NaN where every amplitude is 0.

    Args:
        network: as in `neurons`. In the plane neurons are sorted; for d > 2 all m² pairs are compared, in blocks.
        degrees: the resolution, 0 < degrees < 90.

    Raises:
        ValueError: degrees is out of range, or as `neurons`.

    Source: Leinster and Cobbold 2012 (q = 2).
    """
    checks.within("(0, 90)", degrees=degrees)
    directions, amplitudes = neurons(network)
    shares = _shares(amplitudes)
    near = _near_in_plane if directions.shape[2] == 2 else _near
    return 1 / (shares * near(directions, shares, math.radians(degrees))).sum(dim=1)


def isotropic(network: nn.Module, seed: int = 0) -> FCN:
    """Return a copy of a two-layer network with every w_k turned into an independent, uniformly random direction.

    The norms ‖w_k‖ and the a_k stay, so the amplitudes do: this is the null hypothesis that neurons have grown, but
    not turned towards each other. Gaussian initial weights have these directions exactly. Replicas get independent
    ones. Errors are those of `neurons`, or the seed is no integer of at least 0.

    Source: claim 46 of this book.
    """
    return _turned(network, generator(seed, "directions"))


def null_distribution(
    network: nn.Module, statistic: Callable[[FCN], Float[Tensor, " R"]], draws: int = 200, seed: int = 0
) -> Float[Tensor, "R draws"]:
    """Return a statistic of the network with isotropic directions and its own amplitudes, drawn again and again.

    A condensed network's `effective_directions` or `distinct_directions` lie below their null distribution. With s
    of the draws not above the measured value, (1 + s)/(1 + draws) is the p-value of one network (not of a claim: a
    claim's replicates are seeds).

    Args:
        network: as in `neurons`.
        statistic: what is measured on each draw, for instance `effective_directions`.
        draws: number of draws, at least 1.
        seed: seed of the directions.

    Raises:
        ValueError: draws < 1, the seed is no integer of at least 0, or as `neurons`.

    Source: claim 46 of this book.
    """
    checks.integers(draws=draws)
    stream = generator(seed, "directions")
    return torch.stack([statistic(_turned(network, stream)) for _ in range(draws)], dim=-1)


def two_layers(network: nn.Module) -> tuple[Float[Tensor, "R d m"], Float[Tensor, "R m o"], float]:
    """Return W_1, W_2 (in float64) and α of a two-layer network; errors are those of `neurons`."""
    stack = _stack(network)
    first, last = (weight.detach().double() for weight in stack.weights)
    return first, last, stack.alpha


def _stack(network: nn.Module) -> FCN:
    stack = fully_connected(network)
    if stack is None or stack.depth != 2:
        got = type(network).__name__ if stack is None else f"depth {stack.depth}"
        raise ValueError(f"network must be an FCN of depth 2, or its plain nn.Sequential, got {got}.")
    return stack


def _near(directions: Float[Tensor, "R m d"], shares: Float[Tensor, "R m"], angle: float) -> Float[Tensor, "R m"]:
    """Return the share of all neurons within an angle of each."""
    block = max(1, _CHUNK_NUMBERS // shares.numel())
    alike = (some @ directions.mT >= math.cos(angle) for some in directions.split(block, dim=1))
    return torch.cat([(part.to(shares) @ shares.unsqueeze(2)).squeeze(2) for part in alike], dim=1)


def _near_in_plane(directions: Float[Tensor, "R m 2"], shares: Float[Tensor, "R m"], angle: float) -> Tensor:
    """Return the same in m log m operations: neurons sorted round the circle, once more on either side."""
    angles, order = torch.atan2(directions[..., 1], directions[..., 0]).sort(dim=1)
    turns = torch.cat([angles - 2 * math.pi, angles, angles + 2 * math.pi], dim=1)
    below = nn.functional.pad(shares.gather(1, order).repeat(1, 3).cumsum(dim=1), (1, 0))
    first = torch.searchsorted(turns, angles - angle)
    last = torch.searchsorted(turns, angles + angle, right=True)
    return (below.gather(1, last) - below.gather(1, first)).gather(1, order.argsort(dim=1))


def _turned(network: nn.Module, stream: torch.Generator) -> FCN:
    turned = copy.deepcopy(_stack(network))
    with torch.no_grad():
        first = turned.weights[0]
        sizes = torch.linalg.vector_norm(first.double(), dim=1, keepdim=True)
        random = torch.randn(first.shape, generator=stream, device="cpu", dtype=torch.float64).to(first.device)
        first.copy_(sizes * random / torch.linalg.vector_norm(random, dim=1, keepdim=True))
    return turned


def _shares(amplitudes: Float[Tensor, "R m"]) -> Float[Tensor, "R m"]:
    return amplitudes / amplitudes.sum(dim=1, keepdim=True)


def _weighted(directions: Float[Tensor, "R m d"], amplitudes: Float[Tensor, "R m"]) -> Float[Tensor, "R m d"]:
    """Return √p_k ŵ_k; its two Gram matrices are the similarity and the covariance of directions."""
    return directions * _shares(amplitudes).sqrt().unsqueeze(-1)
