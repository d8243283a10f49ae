"""Labels, one class a point, and the class that outputs stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Integer
    from torch import Tensor

    # Labels of n points: integers, or what NumPy makes integers of.
    Labels = Integer[Tensor, " n"] | Integer[np.ndarray, " n"] | Sequence[Any]

# The kinds of numbers that NumPy has, in types and an order of bytes that torch has too.
_KINDS = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float64, "c": np.complex128}


def check_classes(outputs: int) -> None:
    """Raise ValueError unless a network has an output for each of two classes: the largest of one is always the first.

    >>> check_classes(1)
    Traceback (most recent call last):
    ValueError: network must have at least 2 outputs, one a class, got 1; a single output f decides as the pair (0, f).
    """
    if outputs < 2:
        raise ValueError(
            f"network must have at least 2 outputs, one a class, got {outputs}; a single output f decides as the pair "
            "(0, f)."
        )


def class_labels(y: Labels, points: int, outputs: int, device: torch.device | str = "cpu") -> Int[Tensor, " n"]:
    """Return labels of points as int64 on a device.

    Args:
        y: integers of any type, in a tensor, an array or a list.
        points: how many there must be.
        outputs: of the network; classes are 0 ... outputs − 1.
        device: where the points are.

    Raises:
        ValueError: the network has fewer than two outputs, or y is anything else.

    >>> class_labels([0, 2], points=2, outputs=3)
    tensor([0, 2])
    >>> class_labels([1, 3], points=2, outputs=3)
    Traceback (most recent call last):
    ValueError: y must be 2 integers from 0 to 2, the classes of the points, got integers from 1 to 3.
    """
    check_classes(outputs)
    given = _tensor(y)
    if given is None:
        wrong = f"{type(y).__name__}"
    elif given.dtype == torch.bool or given.is_floating_point() or given.is_complex():
        wrong = f"{getattr(y, 'dtype', given.dtype)} of shape {tuple(given.shape)}"
    elif given.shape != (points,):
        wrong = f"shape {tuple(given.shape)}"
    else:
        given = given.to(torch.int64)
        least, most = int(given.min()), int(given.max())
        if least >= 0 and most < outputs:
            return given.to(device)
        wrong = f"integers from {least} to {most}"
    raise ValueError(f"y must be {points} integers from 0 to {outputs - 1}, the classes of the points, got {wrong}.")


def predicted(f: Float[Tensor, "... o"]) -> Int[Tensor, ...]:
    """Return the class of the largest output of each row; −1, which is no class, where the largest is not finite.

    For torch the largest of NaN is the first: a network that has diverged would be right wherever the label is 0.

    >>> predicted(torch.tensor([[0.5, 1.0], [torch.nan, 1.0], [1.0, -torch.inf]]))
    tensor([ 1, -1,  0])
    """
    return f.argmax(dim=-1).masked_fill(~f.amax(dim=-1).isfinite(), -1)


def _tensor(y: Any) -> Tensor | None:
    """Return y as a dense tensor of numbers; None where it is none."""
    if isinstance(y, torch.Tensor):
        return None if y.is_nested or y.is_meta or y.is_quantized or y.layout is not torch.strided else y
    try:
        array = np.asarray(y)
    except (TypeError, ValueError, RuntimeError):
        return None
    kind = _KINDS.get(array.dtype.kind)
    return None if kind is None else torch.from_numpy(array.astype(kind))
