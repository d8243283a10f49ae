"""Perturbed points: random and worst-case ones in an ℓ2 ball, and the accuracy that is left on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lib.balls import project_onto_ball
from lib.estimators.spectrum import evaluating
from lib.networks import at_own_points, replicas_of
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


def noise_accuracy(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], radius: float, seed: int = 0
) -> Float[Tensor, " R"]:
    """Return the accuracy on x + δ with one δ a point, uniform on the sphere ‖δ‖₂ = radius.

    Every replica sees the same δ, which the seed gives.

    Raises:
        ValueError: the radius is not positive.

    Used by: chapters 08 to 12 (claims 22, 58).
    """
    _check_radius(radius)
    direction = torch.randn(len(x), x[0].numel(), generator=generator(seed, "noise"), dtype=torch.float64)
    delta = radius * functional.normalize(direction, dim=1).view(x.shape)
    return _accuracy(network, _stacked(network, x + delta.to(x)), y)


def pgd_accuracy(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], radius: float, steps: int = 10
) -> Float[Tensor, " R"]:
    """Return the accuracy on the points that `pgd` finds in the ℓ2 ball (chapters 08 to 12; claims 22, 58, 60)."""
    return _accuracy(network, pgd(network, x, y, radius, steps), y)


def pgd(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], radius: float, steps: int = 10
) -> Float[Tensor, "R n ..."]:
    """Maximise the cross-entropy over ‖x̂ − x‖₂ ≤ radius by projected gradient ascent, from x, for every replica.

    A step moves each point by 2.5·radius/steps along its normalised gradient and projects onto the ball. The ball is
    not cut by the range of the pixels: it is the set over which Definition 1 averages.

    Raises:
        ValueError: the radius is not positive.

    Source: Madry et al. 2018, §2.1. Used by: chapters 08 to 12.
    """
    _check_radius(radius)
    start = _stacked(network, x)
    point = start.clone()
    with evaluating(network):
        for _ in range(steps):
            point.requires_grad_()
            f = at_own_points(network, point)
            loss = functional.cross_entropy(f.flatten(0, 1), y.repeat(len(f)), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, point)
            move = functional.normalize(gradient.flatten(2), dim=2).view_as(point)
            shift = (point.detach() + 2.5 * radius / steps * move - start).flatten(2)
            point = start + project_onto_ball(shift, radius).view_as(start)
    return point


def _stacked(network: nn.Module, x: Tensor) -> Tensor:
    return x.detach().expand(replicas_of(network), *x.shape)


def _accuracy(network: nn.Module, points: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad(), evaluating(network):
        return (at_own_points(network, points).argmax(dim=-1) == y).double().mean(dim=1)


def _check_radius(radius: float) -> None:
    if not 0 < radius < math.inf:
        raise ValueError(f"radius must be positive and finite, got {radius!r}.")
