"""The Jacobian of a network at each point, and the eigenvalues of J Jᵀ from which every norm of J follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.measuring import measured

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def outputs(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o"]:
    """Return f(x) with a leading axis of replicas (R = 1 for a module that is no `Stack`).

    Raises:
        ValueError: as `jacobian`.
    """
    with measured(network, x) as subject:
        return subject.outputs(x.detach())


def jacobian(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o d"]:
    """Return J(x) = ∂f/∂x at every point, with the input flattened to d.

    It is NaN at points that are not finite or where f is not, and at x = 0 where that is a kink.

    Args:
        network: a `Stack` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1); measured in eval mode and
            left as it was.
        x: n points of floating numbers.

    Raises:
        ValueError: x is empty or has no derivatives, or the network does not map (n, ...) to (n, o), lets the points
            of a batch interact, or computes what autograd cannot follow.
    """
    with measured(network, x) as subject:
        return torch.cat(list(subject.jacobians(x.detach())), dim=1)


def jacobian_gram(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n k k"]:
    """Return J Jᵀ at every point (k = o), or Jᵀ J where that is smaller (k = d < o), in float64 and bounded memory.

    Its diagonal holds the squared gradient norms of the outputs, its eigenvalues every norm of J.

    Raises:
        ValueError: as `jacobian`.
    """
    with measured(network, x) as subject:
        return torch.cat(list(subject.grams(x.detach())), dim=1)


def jacobian_spectrum(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n k"]:
    """Return the k = min(o, d) largest eigenvalues of J(x) J(x)ᵀ, ascending and not negative, at every point.

    ‖J‖_F² is their sum, ‖J‖₂² the last one, and P a one-dimensional integral over them. They are NaN where J is not
    finite.

    Raises:
        ValueError: as `jacobian`.
    """
    with measured(network, x) as subject:
        return torch.cat([spectrum_of_gram(gram) for gram in subject.grams(x.detach())], dim=1)


def spectrum_of_gram(gram: Float[Tensor, "*points k k"]) -> Float[Tensor, "*points k"]:
    """Return the eigenvalues of J Jᵀ that is already there (see `jacobian_spectrum`)."""
    if gram.shape[-1] == 1:
        return gram[..., 0].clamp_min(0)
    # LAPACK refuses NaN and infinity: a diverged network has an undefined P, not a crash.
    finite = gram.isfinite().all(dim=(-2, -1))
    eigenvalues = torch.linalg.eigvalsh(torch.where(finite[..., None, None], gram, 0))
    return torch.where(finite[..., None], eigenvalues.clamp_min(0), torch.nan)
