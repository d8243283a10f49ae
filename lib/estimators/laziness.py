"""How far the weights have moved from their initialization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.networks import FCN

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Initial = Mapping[str, "Tensor"] | Sequence["Tensor"]


def lazy_training_ratio(network: nn.Module, initial: Initial) -> Float[Tensor, " R"]:
    """Return κ = Σ_l ‖W_l(t) − W_l(0)‖_F / Σ_l ‖W_l(0)‖_F of every replica.

    Args:
        network: the network at time t.
        initial: a *copy* of its `state_dict()` at time 0 (`copy.deepcopy`), or of an `FCN`'s `weights`.

    Raises:
        ValueError: the initial weights do not fit the network, or share its memory and so moved with it.

    Source: Zhu et al. 2022, §5.2 (the index is garbled there; the talk gives the sum over layers).
    Used by: chapters 06, 08 and 09.
    """
    change, size = _norms(network, initial)
    return change.sum(dim=1) / size.sum(dim=1)


def relative_change(network: nn.Module, initial: Initial) -> Float[Tensor, "R L"]:
    """Return ‖W_l(t) − W_l(0)‖_F / ‖W_l(0)‖_F of every replica and layer: Theorem 2's quantity.

    Arguments and errors are those of `lazy_training_ratio`.

    Source: Zhu et al. 2022, Theorem 2; Luo et al. 2021 (there RD). Used by: chapters 06 and 08.
    """
    change, size = _norms(network, initial)
    return change / size


def at_start(initial: Initial, named: Sequence[tuple[str, Tensor]]) -> list[Tensor]:
    """Return the tensors at time 0 that belong to some of a network's parameters, in their type and on their device.

    Args:
        initial: a copy of the network's `state_dict()` at time 0, or its tensors at time 0 in the order of `named`.
        named: names and present values of the parameters.

    Raises:
        ValueError: the initial tensors do not fit the parameters, or share their memory and so moved with them.

    Used by: the estimators of laziness and linearisation.
    """
    if isinstance(initial, Mapping):
        missing = [name for name, _ in named if name not in initial]
        if missing:
            raise ValueError(f"initial must be a state_dict of this network; it lacks {', '.join(missing)}.")
        start = [initial[name] for name, _ in named]
    else:
        start = [weight.detach() for weight in initial]
    if len(start) != len(named) or any(s.shape != w.shape for s, (_, w) in zip(start, named, strict=False)):
        raise ValueError("initial must hold one tensor a weight of this network, of the same shapes and order.")
    if any(s.data_ptr() == w.data_ptr() for s, (_, w) in zip(start, named, strict=True)):
        raise ValueError("initial shares its memory with the network; pass copy.deepcopy(network.state_dict()).")
    return [s.to(w) for s, (_, w) in zip(start, named, strict=True)]


def _norms(network: nn.Module, initial: Initial) -> tuple[Tensor, Tensor]:
    """Return ‖W_l(t) − W_l(0)‖_F and ‖W_l(0)‖_F, both (R, L), over the weight matrices and kernels (not biases)."""
    named = [(name, weight.detach()) for name, weight in network.named_parameters() if weight.ndim >= 2]
    axis = 1 if isinstance(network, FCN) else 0
    pairs = list(zip(at_start(initial, named), [weight for _, weight in named], strict=True))
    change = [torch.linalg.vector_norm((w - s).flatten(axis), dim=-1) for s, w in pairs]
    size = [torch.linalg.vector_norm(s.flatten(axis), dim=-1) for s, _ in pairs]
    change, size = torch.stack(change, dim=-1), torch.stack(size, dim=-1)
    return (change, size) if axis else (change.unsqueeze(0), size.unsqueeze(0))
