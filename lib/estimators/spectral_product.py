"""The product of the layers' spectral norms, the oldest bound on a network's Lipschitz constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.measuring import fully_connected

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def spectral_norm_product(network: nn.Module) -> Float[Tensor, " R"]:
    """Return (1/α) Π_l ‖W_l‖₂, which no ‖J(x)‖₂ exceeds, in float64; NaN where a weight is not finite.

    Args:
        network: an `FCN` of R replicas, or the plain `nn.Sequential` of one (R = 1).

    Returns:
        One product a replica, in units of the output per input.

    Raises:
        ValueError: the network is no bias-free fully connected ReLU network.

    Source: Szegedy et al. 2014, section 4.3.
    """
    stack = fully_connected(network)
    if stack is None:
        raise ValueError(f"network must be an FCN, or its plain nn.Sequential, got {type(network).__name__}.")
    return torch.stack([_norms(weight.detach().double()) for weight in stack.weights]).prod(dim=0) / stack.alpha


def _norms(weights: Float[Tensor, "R a b"]) -> Float[Tensor, " R"]:
    # The singular values of what is not finite raise, for all replicas at once.
    finite = weights.flatten(1).isfinite().all(dim=1)
    return torch.linalg.matrix_norm(weights.nan_to_num(0, 0, 0), 2).where(finite, torch.nan)
