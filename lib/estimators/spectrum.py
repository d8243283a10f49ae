"""The Jacobian of a network at each point, and the eigenvalues of J Jᵀ from which every norm of J follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.networks import FCN, replicas_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# Numbers of one chunk: 2^24 float32 numbers are 64 MiB, small beside any device and large beside a cache.
_CHUNK_NUMBERS = 2**24


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode and give every submodule its own mode back afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def outputs(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o"]:
    """Return f(x) with a leading axis of replicas (R = 1 for a module that is not an `FCN`)."""
    check_points(x)
    with torch.no_grad(), evaluating(network):
        y = network(x)
    y = y if isinstance(network, FCN) else y.unsqueeze(0)
    if y.ndim != 3 or y.shape[1] != len(x):
        raise ValueError(f"network must map (n, ...) to (n, o); for n = {len(x)} it returned {tuple(y.shape[1:])}.")
    return y


def jacobian(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o d"]:
    """Return J(x) = ∂f/∂x at every point, with the input flattened to d (chapter 02).

    Raises:
        ValueError: x is empty or the network does not map (n, ...) to (n, o).
    """
    check_points(x)
    if isinstance(network, FCN):
        with torch.no_grad():
            return network.jacobian(x)
    with evaluating(network):
        y, pull_back = torch.func.vjp(network, x)
        if y.ndim != 2 or len(y) != len(x):
            raise ValueError(f"network must map (n, ...) to (n, o); for n = {len(x)} it returned {tuple(y.shape)}.")
        # One cotangent an output: row k of every point's Jacobian at once (in eval mode points do not interact).
        rows = torch.eye(y.shape[1], dtype=y.dtype, device=y.device).unsqueeze(1).expand(-1, len(x), -1)
        (jacobians,) = torch.func.vmap(pull_back)(rows)
    return jacobians.detach().flatten(2).movedim(0, 1).unsqueeze(0)


def jacobian_gram(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n k k"]:
    """Return J Jᵀ at every point (k = o), or Jᵀ J where that is smaller (k = d < o), in float64 and bounded memory.

    Its diagonal holds the squared gradient norms of the outputs, its eigenvalues every norm of J.

    Raises:
        ValueError: x is empty or the network does not map (n, ...) to (n, o).
    """
    out_features = outputs(network, x[:1]).shape[-1]
    features = max(x[0].numel(), network.width if isinstance(network, FCN) else 0)
    chunk = max(1, _CHUNK_NUMBERS // (replicas_of(network) * out_features * features))
    return torch.cat([_gram(network, part) for part in x.split(chunk)], dim=1)


def jacobian_spectrum(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n k"]:
    """Return the k = min(o, d) largest eigenvalues of J(x) J(x)ᵀ, ascending and not negative, at every point.

    ‖J‖_F² is their sum, ‖J‖₂² the last one, and P a one-dimensional integral over them. They are NaN where J is not
    finite.

    Raises:
        ValueError: x is empty or the network does not map (n, ...) to (n, o).

    Used by: chapters 02 to 12, through the estimators.
    """
    return spectrum_of_gram(jacobian_gram(network, x))


def spectrum_of_gram(gram: Float[Tensor, "R n k k"]) -> Float[Tensor, "R n k"]:
    """Return the eigenvalues of J Jᵀ that is already there (see `jacobian_spectrum`)."""
    if gram.shape[-1] == 1:
        return gram[..., 0].clamp_min(0)
    # LAPACK refuses NaN and infinity: a diverged network has an undefined P, not a crash.
    finite = gram.isfinite().all(dim=(-2, -1))
    eigenvalues = torch.linalg.eigvalsh(torch.where(finite[..., None, None], gram, 0))
    return torch.where(finite[..., None], eigenvalues.clamp_min(0), torch.nan)


def _gram(network: nn.Module, x: Tensor) -> Tensor:
    if isinstance(network, FCN) and network.out_features <= network.in_features:
        with torch.no_grad():
            return network.jacobian_gram(x)
    full = jacobian(network, x)
    full = full if full.shape[-2] <= full.shape[-1] else full.mT
    return full.double() @ full.double().mT


def check_points(x: Tensor) -> None:
    """Raise ValueError unless x holds at least one point of at least one feature."""
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(f"x must have shape (n, ...) with at least one point, got {tuple(x.shape)}.")
