"""Calls of networks that are not ours: what is no network of points, or has no derivative, is refused in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.parameter import is_lazy

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def check_points(x: Tensor) -> None:
    """Raise ValueError unless x holds at least one point of at least one real number, of a type with derivatives."""
    if not isinstance(x, torch.Tensor):
        raise ValueError(f"x must be a tensor of points, got {type(x).__name__}.")
    if x.is_nested:
        raise ValueError("x must be one dense tensor, got a nested one; measure points of different shapes one by one.")
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(f"x must have shape (n, ...) with at least one point, got {tuple(x.shape)}.")
    if not x.is_floating_point() or x.layout is not torch.strided or x.device.type == "meta":
        raise ValueError(
            "x must be a dense tensor of floating numbers, since nothing else has derivatives, got "
            f"{x.dtype} ({x.layout}, on {x.device}); convert it, for instance by x.float()."
        )


def check_weights(network: nn.Module) -> None:
    """Raise ValueError unless the network is a module all of whose parameters and buffers have values."""
    if not isinstance(network, nn.Module):
        raise ValueError(f"network must be a torch.nn.Module, got {type(network).__name__}.")
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if is_lazy(tensor) or tensor.is_meta:
            raise ValueError(f"network must have all its weights, but {name} has none yet; call the network once.")


def check_recorded(network: nn.Module) -> None:
    """Raise ValueError if a parameter was made in inference mode: autograd can neither use it nor give it back."""
    for name, parameter in network.named_parameters():
        if parameter.is_inference():
            raise ValueError(
                f"network must have parameters that autograd can use, but {name} was made in inference mode; make the "
                "network outside of it, or load its state into one that was."
            )


def outputs_of(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n o"]:
    """Return network(x).

    Raises:
        ValueError: the call fails, or returns anything but real outputs (n, o).
    """
    must = f"network must map (n, ...) to (n, o); for n = {len(x)}"
    try:
        y = network(x)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        given = f"points of shape {tuple(x.shape[1:])}, {x.dtype} on {x.device}"
        raise ValueError(f"{must} {given}, it raised {told(error)}") from error
    if not isinstance(y, torch.Tensor) or y.is_nested:
        kind = "a nested tensor" if isinstance(y, torch.Tensor) else type(y).__name__
        raise ValueError(f"{must} it returned {kind}; let it return one dense tensor.")
    if y.layout is not torch.strided or y.ndim != 2 or len(y) != len(x) or y.shape[1] == 0:
        raise ValueError(f"{must} it returned {tuple(y.shape) if y.layout is torch.strided else y.layout}.")
    if not y.is_floating_point():
        raise ValueError(f"{must} it returned {y.dtype}, which has no real derivative.")
    return y


def told(error: BaseException) -> str:
    """Return an error's type and its first line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}"
