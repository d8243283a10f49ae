"""Perturbation stability P (Definition 1): exact, sampled, root mean square, at finite ε, relative to the output."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.balls import uniform_in_ball
from lib.estimators.expected_norm import ball_factor, expected_gaussian_norm
from lib.estimators.spectrum import check_points, jacobian, jacobian_spectrum, outputs
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_DIRECTIONS_AT_ONCE = 1024


def perturbation_stability(network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float = 1.0) -> Float[Tensor, "R n"]:
    """Return P(f, ε) at each point, exactly: E‖J(x) δ‖₂ over δ uniform in the ball of radius ε.

    With λ_i the eigenvalues of J Jᵀ this is ε · [d/(d+1)]/E[χ_d] · E√(Σ λ_i z_i²), z ~ N(0, I): one integral instead
    of sampling. Definition 1's P is its mean over points (and over weights: the replicas).

    The result is in float64 whatever the network's type: only the derivative itself is taken in that.

    Args:
        network: an `FCN` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1); measured in eval mode.
        x: n points of d numbers each.
        epsilon: ε > 0, in the units of x. P is linear in it.

    Raises:
        ValueError: ε is not positive, x is empty, or the network does not map (n, ...) to (n, o).

    Source: Zhu et al. 2022, Definition 1, Eq. (1). Used by: chapters 02 to 12.
    """
    _check_epsilon(epsilon)
    return stability_of_spectrum(jacobian_spectrum(network, x), x[0].numel(), epsilon)


def stability_of_spectrum(
    eigenvalues: Float[Tensor, "... k"], features: int, epsilon: float = 1.0
) -> Float[Tensor, ...]:
    """Return P from eigenvalues of J Jᵀ that are already there and the number of inputs d."""
    return epsilon * ball_factor(features) * expected_gaussian_norm(eigenvalues)


def rms_stability(network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float = 1.0) -> Float[Tensor, "R n"]:
    """Return the root mean square √E‖J(x) δ‖² = ε ‖J(x)‖_F / √(d+2) at each point; it is never below P.

    Arguments and errors are those of `perturbation_stability`. Used by: chapters 02 and 03.
    """
    _check_epsilon(epsilon)
    squared = jacobian_spectrum(network, x).sum(dim=-1)
    return epsilon * torch.sqrt(squared / (x[0].numel() + 2))


def relative_stability(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, " R"]:
    """Return mean_i P_i / mean_i(‖f(x_i)‖/‖x_i‖), with ε = 1: P freed from the scale of the output.

    It is a ratio of means: with one output the mean of ratios has infinite expectation. A network whose outputs are
    all zero gives NaN.

    Raises:
        ValueError: a point is zero, x is empty, or the network does not map (n, ...) to (n, o).

    Source: this book, chapter 02. Used by: chapters 02 to 12.
    """
    return relative_to_output(perturbation_stability(network, x), outputs(network, x), x)


def relative_to_output(
    stability: Float[Tensor, "R n"], f: Float[Tensor, "R n o"], x: Float[Tensor, "n ..."]
) -> Float[Tensor, " R"]:
    """Return the relative stability from a P and outputs that are already there (see `relative_stability`)."""
    norms = torch.linalg.vector_norm(x.flatten(1), dim=1)
    if not bool((norms > 0).all()):
        raise ValueError("x must hold no zero point: ‖f(x)‖/‖x‖ is undefined there.")
    return stability.mean(dim=1) / (torch.linalg.vector_norm(f.double(), dim=-1) / norms).mean(dim=1)


def monte_carlo_stability(
    network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float = 1.0, samples: int = 1000, seed: int = 0
) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"]]:
    """Return Definition 1 by sampling: the mean of ‖J(x) δ‖ over draws of δ, and its standard error.

    The draws are shared by all points and replicas, so errors of different points are correlated.

    Args:
        network, x, epsilon: as in `perturbation_stability`.
        samples: draws of δ, at least 2.
        seed: seed of the draws.

    Raises:
        ValueError: samples < 2, or as `perturbation_stability`.

    Source: Zhu et al. 2022, Eq. (1), taken literally. Used by: chapter 02.
    """
    _check_epsilon(epsilon)
    check_points(x)
    rows = jacobian(network, x)
    return _sample(lambda delta: torch.linalg.vector_norm(rows @ delta.T, dim=-2), x, epsilon, samples, seed)


def finite_stability(
    network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float, samples: int = 1000, seed: int = 0
) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"]]:
    """Return the change itself, without linearisation: the mean of ‖f(x+δ) − f(x)‖ and its standard error.

    Arguments, draws and errors are those of `monte_carlo_stability`; with the same seed both use the same draws.
    For ε → 0 the two agree; where they part, the "small perturbation" of Definition 1 ends. Used by: chapter 02.
    """
    _check_epsilon(epsilon)
    start = outputs(network, x)

    def change(delta: Tensor) -> Tensor:
        norms = []
        for point, f in zip(x, start.unbind(1), strict=True):
            moved = outputs(network, point + delta.view(-1, *x.shape[1:]))
            norms.append(torch.linalg.vector_norm(moved - f.unsqueeze(1), dim=-1))
        return torch.stack(norms, dim=1)

    return _sample(change, x, epsilon, samples, seed)


def _sample(
    norm: Callable[[Tensor], Tensor], x: Tensor, epsilon: float, samples: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Average norm(δ), of shape (R, n, draws), over δ uniform in the ball of radius ε."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 2:
        raise ValueError(f"samples must be an integer of at least 2, got {samples!r}.")
    stream, features = generator(seed, "perturbations"), x[0].numel()
    count, mean, spread = 0, 0.0, 0.0
    while count < samples:
        draws = min(_DIRECTIONS_AT_ONCE, samples - count)
        delta = epsilon * uniform_in_ball(draws, features, stream)
        norms = norm(delta.to(x)).double()
        # Chan's update of mean and spread: no draw is kept, and nothing cancels.
        shift = norms.mean(dim=-1) - mean
        spread = spread + norms.var(dim=-1, correction=0) * draws + shift.square() * count * draws / (count + draws)
        mean = mean + shift * draws / (count + draws)
        count += draws
    return mean, torch.sqrt(spread / (samples - 1) / samples)


def _check_epsilon(epsilon: float) -> None:
    if not 0 < epsilon < math.inf:
        raise ValueError(f"epsilon must be positive and finite, got {epsilon!r}.")
