"""What the type of points resolves: a shift that rounding swallows is no attack, and one that overflows is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# The share of a shift that rounding may take.
_LOST = 0.1


def wide(values: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """Return values in at least float32: where steps and losses are small beside what they are added to."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def check_shift(x: Float[Tensor, "n ..."], name: str, size: float, length: float | None = None) -> None:
    """Refuse shifts δ that x, in its type, cannot take up.

    Rounding moves x + δ by at most u‖x‖₂, where u is half the distance of 1 to the next number of the type.

    Args:
        x: n points.
        name: of the size, in the sentence.
        size: of the largest entry that δ may have.
        length: ‖δ‖₂; the size where it is None.

    Raises:
        ValueError: x is not finite, u‖x‖₂ is more than a tenth of ‖δ‖₂ at some point, or x + δ leaves the numbers of
            the type.
    """
    if not bool(x.isfinite().all()):
        raise ValueError(f"x must be finite, got {int((~x.isfinite()).sum())} entries that are not.")
    kind, points = torch.finfo(x.dtype), x.detach().flatten(1)
    if float(points.abs().max()) + size > kind.max:
        raise ValueError(f"{name} must leave x + δ within the numbers of its type, {x.dtype}, got {size:g}.")
    longest = float(torch.linalg.vector_norm(points, dim=1, dtype=torch.float64).max())
    # Below its smallest normal number a type rounds as it does there.
    rounding = kind.eps / 2 * (longest + kind.tiny * math.sqrt(points.shape[1]))
    if rounding > _LOST * (size if length is None else length):
        raise ValueError(
            f"{name} must be large enough to move x in its type, {x.dtype}, got {size:g}: rounding may take more than "
            "a tenth of δ; take a larger one, or network and points in float64."
        )
