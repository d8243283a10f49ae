"""How far the weights have moved from their initialization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.measuring import weights_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Initial = Mapping[str, "Tensor"] | Sequence["Tensor"]


def lazy_training_ratio(network: nn.Module, initial: Initial) -> Float[Tensor, " R"]:
    """Return κ = Σ_l ‖W_l(t) − W_l(0)‖_F / Σ_l ‖W_l(0)‖_F of every replica.

    In float64, whatever the network's type.

    Args:
        network: the network at time t, a `Stack` or any module; weights are its parameters of two or more axes.
        initial: a *copy* of its `state_dict()` at time 0 (`copy.deepcopy`), or of a stack's `weights`.

    Raises:
        ValueError: the network has no weights (yet), or the initial weights do not fit the network, or share its
            memory and so moved with it.

    Source: Zhu et al. 2022, §5.2 (the index is garbled there; the talk gives the sum over layers).
    """
    change, size = _norms(network, initial)
    return change.sum(dim=1) / size.sum(dim=1)


def relative_change(network: nn.Module, initial: Initial) -> Float[Tensor, "R L"]:
    """Return ‖W_l(t) − W_l(0)‖_F / ‖W_l(0)‖_F of every replica and layer: Theorem 2's quantity.

    Arguments and errors are those of `lazy_training_ratio`.

    Source: Zhu et al. 2022, Theorem 2; Luo et al. 2021 (there RD).
    """
    change, size = _norms(network, initial)
    return change / size


def at_start(initial: Initial, named: Sequence[tuple[str, Tensor]]) -> list[Tensor]:
    """Return the tensors at time 0 that belong to some of a network's parameters, in their own type, on their device.

    Args:
        initial: a copy of the network's `state_dict()` at time 0, or its tensors at time 0 in the order of `named`.
        named: names and present values of the parameters.

    Raises:
        ValueError: the initial tensors do not fit the parameters, or share their memory and so moved with them.
    """
    if isinstance(initial, Mapping):
        missing = [name for name, _ in named if name not in initial]
        if missing:
            raise ValueError(f"initial must be a state_dict of this network; it lacks {', '.join(missing)}.")
        start = [initial[name] for name, _ in named]
    elif isinstance(initial, Iterable):
        start = list(initial)
    else:
        raise ValueError(f"initial must be a state_dict of this network or its tensors, got {type(initial).__name__}.")
    for tensor in start:
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"initial must hold tensors, as a state_dict does, got {type(tensor).__name__}.")
        if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_quantized or tensor.is_meta:
            raise ValueError(f"initial must hold dense tensors with values, got {tensor.layout} on {tensor.device}.")
    if len(start) != len(named) or any(s.shape != w.shape for s, (_, w) in zip(start, named, strict=False)):
        raise ValueError("initial must hold one tensor a weight of this network, of the same shapes and order.")
    if any(s.is_complex() and not w.is_complex() for s, (_, w) in zip(start, named, strict=True)):
        raise ValueError("initial must hold real numbers, as the weights of this network are.")
    if any(s.numel() and s.data_ptr() == w.data_ptr() for s, (_, w) in zip(start, named, strict=True)):
        raise ValueError("initial shares its memory with the network; pass copy.deepcopy(network.state_dict()).")
    # Not in the weights' type: a start in float32 may be told from weights in bf16 in its own digits alone.
    return [s.detach().to(w.device) for s, (_, w) in zip(start, named, strict=True)]


def _norms(network: nn.Module, initial: Initial) -> tuple[Tensor, Tensor]:
    """Return ‖W_l(t) − W_l(0)‖_F and ‖W_l(0)‖_F, both (R, L), over the weight matrices and kernels (not biases)."""
    parameters, axis = weights_of(network)
    named = [(name, weight) for name, weight in parameters if weight.ndim >= 2]
    if not named:
        raise ValueError(f"network must have weights (parameters of two or more axes), got {type(network).__name__}.")
    present = [_wide(weight).flatten(axis) for _, weight in named]
    start = [_wide(weight).flatten(axis) for weight in at_start(initial, named)]
    change = torch.stack([torch.linalg.vector_norm(w - s, dim=-1) for w, s in zip(present, start, strict=True)], dim=-1)
    size = torch.stack([torch.linalg.vector_norm(s, dim=-1) for s in start], dim=-1)
    return (change, size) if axis else (change.unsqueeze(0), size.unsqueeze(0))


def _wide(weight: Tensor) -> Tensor:
    return weight.to(torch.complex128 if weight.is_complex() else torch.float64)
