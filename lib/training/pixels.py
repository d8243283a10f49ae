"""Images as the bytes that they were: a quarter of the memory that a batch is gathered from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped, UInt8
    from torch import Tensor

_LEVELS = 255
_CHUNK = 4096


def compact(x: Float[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """Return points on the processor as bytes b where each is b/255 to the bit, as raw pixels are; else the points.

    Gathering a batch at random is bound by memory; `gather_` gives the same numbers from either.
    """
    if x.dtype is not torch.float32 or x.device.type != "cpu":
        return x
    pixels = torch.empty_like(x, dtype=torch.uint8)
    for part, kept in zip(x.split(_CHUNK), pixels.split(_CHUNK), strict=True):
        if not (float(part.min()) >= 0 and float(part.max()) <= 1):
            return x
        kept.copy_(part.mul(_LEVELS).round_())
        if not torch.equal(kept.float().div_(_LEVELS), part):
            return x
    return pixels


def gather_(
    points: Float[Tensor, "b ..."],
    x: Shaped[Tensor, "n ..."],
    index: Int[Tensor, " b"],
    between: UInt8[Tensor, "b ..."] | None,
) -> None:
    """Set points to some of x, which may be bytes (`compact`); `between` is then a buffer for those."""
    if between is None:
        torch.index_select(x, 0, index, out=points)
    else:
        torch.index_select(x, 0, index, out=between)
        points.copy_(between).div_(_LEVELS)
