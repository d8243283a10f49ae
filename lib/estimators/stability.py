"""Perturbation stability P (Definition 1): exact, sampled, root mean square, at finite ε, relative to the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib import checks
from lib.balls import uniform_in_ball
from lib.estimators.expected_norm import ball_factor, expected_gaussian_norm
from lib.estimators.measuring import measured
from lib.estimators.spectrum import jacobian_spectrum, outputs
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.estimators.subject import Subject

_DIRECTIONS_AT_ONCE = 1024


def perturbation_stability(network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float = 1.0) -> Float[Tensor, "R n"]:
    """Return P(f, ε) at each point, exactly: E‖J(x) δ‖₂ over δ uniform in the ball of radius ε.

    With λ_i the eigenvalues of J Jᵀ this is ε · [d/(d+1)]/E[χ_d] · E√(Σ λ_i z_i²), z ~ N(0, I): one integral instead
    of sampling. Definition 1's P is its mean over points (and over weights: the replicas).

    The result is in float64 whatever the network's type: only the derivative itself is taken in that.

    At a kink P is that of the derivative which autograd defines, by the convention relu'(0) = 0: under a convolution
    without biases a patch that is exactly black adds nothing to P, although every step away from black changes f.

    Args:
        network: a `Stack` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1); measured in eval mode and
            left as it was.
        x: n points of d floating numbers each; P is NaN at one that is not finite, and at x = 0 where that is a kink.
        epsilon: ε > 0, in the units of x. P is linear in it.

    Raises:
        ValueError: ε is not positive, x is empty or has no derivatives, or the network does not map (n, ...) to
            (n, o), lets the points of a batch interact, or computes what autograd cannot follow.

    Source: Zhu et al. 2022, Definition 1, Eq. (1).
    """
    epsilon = checks.positive(epsilon=epsilon)
    return stability_of_spectrum(jacobian_spectrum(network, x), x[0].numel(), epsilon)


def stability_of_spectrum(
    eigenvalues: Float[Tensor, "... k"], features: int, epsilon: float = 1.0
) -> Float[Tensor, ...]:
    """Return P from eigenvalues of J Jᵀ that are already there and the number of inputs d."""
    return epsilon * ball_factor(features) * expected_gaussian_norm(eigenvalues)


def rms_stability(network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float = 1.0) -> Float[Tensor, "R n"]:
    """Return the root mean square √E‖J(x) δ‖² = ε ‖J(x)‖_F / √(d+2) at each point; it is never below P.

    Arguments and errors are those of `perturbation_stability`.
    """
    epsilon = checks.positive(epsilon=epsilon)
    squared = jacobian_spectrum(network, x).sum(dim=-1)
    return epsilon * torch.sqrt(squared / (x[0].numel() + 2))


def relative_stability(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, " R"]:
    """Return mean_i P_i / mean_i(‖f(x_i)‖/‖x_i‖), with ε = 1: P freed from the scale of the output.

    It is a ratio of means: with one output the mean of ratios has infinite expectation. A network whose outputs are
    all zero gives NaN.

    Raises:
        ValueError: a point is zero, x is empty, or the network does not map (n, ...) to (n, o).

    Source: this book, chapter 02.
    """
    return relative_to_output(perturbation_stability(network, x), outputs(network, x), x)


def relative_to_output(
    stability: Float[Tensor, "R n"], f: Float[Tensor, "R n o"], x: Float[Tensor, "n ..."]
) -> Float[Tensor, " R"]:
    """Return the relative stability from a P and outputs that are already there (see `relative_stability`)."""
    norms = torch.linalg.vector_norm(x.detach().flatten(1).double(), dim=1)
    if not bool((norms > 0).all()):
        raise ValueError("x must hold no zero point: ‖f(x)‖/‖x‖ is undefined there.")
    return stability.mean(dim=1) / (torch.linalg.vector_norm(f.double(), dim=-1) / norms).mean(dim=1)


# A change of so many roundings of f is off by less than one per cent because of them.
_CLEAR = 32


def monte_carlo_stability(
    network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float = 1.0, samples: int = 1000, seed: int = 0
) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"]]:
    """Return Definition 1 by sampling: the mean of ‖J(x) δ‖ over draws of δ, and its standard error.

    The draws are shared by all points and replicas, so errors of different points are correlated.

    Args:
        network: as in `perturbation_stability`.
        x: as there.
        epsilon: as there.
        samples: draws of δ, at least 2.
        seed: seed of the draws.

    Raises:
        ValueError: samples < 2, or as `perturbation_stability`.

    Source: Zhu et al. 2022, Eq. (1), taken literally.
    """
    epsilon = checks.positive(epsilon=epsilon)
    checks.integers(least=2, samples=samples)
    with measured(network, x) as subject:
        parts = [_sample(_linear_change(rows), x, samples, seed) for rows in subject.jacobians(x.detach())]
    # It is linear in ε, which need not fit into the type of the network.
    means, errors = (epsilon * torch.cat(values, dim=1) for values in zip(*parts, strict=True))
    return means, errors


def finite_stability(
    network: nn.Module, x: Float[Tensor, "n ..."], epsilon: float, samples: int = 1000, seed: int = 0
) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n"]]:
    """Return the change itself, without linearisation: the mean of ‖f(x+δ) − f(x)‖ and its standard error.

    Arguments and draws are those of `monte_carlo_stability`; with the same seed both use the same draws. For ε → 0 the
    two agree where f is differentiable; where they part, the "small perturbation" of Definition 1 ends. At a kink they
    differ for every ε: this one counts what f does on all sides of it.

    Where the change is not clear of the rounding of f, it is computed in float64.

    Raises:
        ValueError: as `monte_carlo_stability` (but a derivative is not needed), or ε is so small that x + δ is not
            told from x in the type of x, or f(x + δ) from f(x) in a network that cannot be turned to float64, or so
            large that x + δ leaves the type of x.
    """
    epsilon = checks.positive(epsilon=epsilon)
    checks.integers(least=2, samples=samples)
    with measured(network, x) as subject:
        points = x.detach()
        subject.check(points)

        def sampled(points: Tensor) -> tuple[Tensor, Tensor]:
            def change(directions: Tensor) -> Tensor:
                delta = epsilon * directions.view(-1, *points.shape[1:])
                return torch.stack([_change(subject, point, delta) for point in points], dim=1)

            return _sample(change, points, samples, seed)

        mean, error = sampled(points)
        f = subject.values(points)
        clear = mean >= _CLEAR * torch.finfo(f.dtype).eps * torch.linalg.vector_norm(f.double(), dim=-1)
        if bool(clear.all()) or f.dtype == torch.float64:
            return mean, error
        if subject.in_float64(points):
            return sampled(points.double())
        if bool((clear | (mean == 0)).all()):
            return mean, error
        raise ValueError(
            f"epsilon must be large enough to change f in its type, {f.dtype}: f(x + δ) − f(x) is not clear of f's "
            "rounding; take a larger one, or network and points in float64."
        )


def _linear_change(rows: Float[Tensor, "R n o d"]) -> Callable[[Float[Tensor, "draws d"]], Float[Tensor, "R n draws"]]:
    """Return δ -> ‖Jδ‖, with products of J at the size 1 and norms in float64: squares leave the networks' types."""
    rows = rows.float() if rows.dtype.itemsize < 4 else rows
    size = rows.abs().amax(dim=(-2, -1), keepdim=True)
    rows = rows / torch.where(size > 0, size, 1)

    def change(delta: Tensor) -> Tensor:
        along = rows @ delta.to(rows).T
        return torch.linalg.vector_norm(along, dim=-2, dtype=torch.float64) * size.squeeze(-2).double()

    return change


def _change(subject: Subject, point: Float[Tensor, " ..."], delta: Float[Tensor, "draws ..."]) -> Tensor:
    """Return ‖f(x + δ) − f(x)‖ at one point, f(x) from the batch of its neighbours: what rounds, rounds alike."""
    moved = (point.double() + delta).to(point.dtype)
    real = torch.linalg.vector_norm((moved.double() - point.double() - delta).flatten(1), dim=1)
    if bool((real > 1e-2 * torch.linalg.vector_norm(delta.flatten(1), dim=1)).any()):
        size, remedy = ("small", "smaller") if bool(moved.isinf().any()) else ("large", "larger")
        raise ValueError(
            f"epsilon must be {size} enough to move x in its type, {point.dtype}: x + δ is rounded by more than 1 % of "
            f"δ; take a {remedy} one, or network and points in float64."
        )
    f = subject.values(torch.cat([point[None], moved])).double()
    return torch.linalg.vector_norm(f[:, 1:] - f[:, :1], dim=-1)


def _sample(
    norm: Callable[[Float[Tensor, "draws d"]], Float[Tensor, "R b draws"]],
    x: Float[Tensor, "n ..."],
    samples: int,
    seed: int,
) -> tuple[Float[Tensor, "R b"], Float[Tensor, "R b"]]:
    """Average norm(δ) over δ uniform in the unit ball."""
    stream, features = generator(seed, "perturbations"), x[0].numel()
    count, mean, spread = 0, 0.0, 0.0
    while count < samples:
        draws = min(_DIRECTIONS_AT_ONCE, samples - count)
        norms = norm(uniform_in_ball(draws, features, stream).to(x.device))
        # Chan's update of mean and spread: no draw is kept, and nothing cancels.
        shift = norms.mean(dim=-1) - mean
        spread = spread + norms.var(dim=-1, correction=0) * draws + shift.square() * count * draws / (count + draws)
        mean = mean + shift * draws / (count + draws)
        count += draws
    return mean, torch.sqrt(spread / (samples - 1) / samples)
