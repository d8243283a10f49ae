"""The patches of a 3×3 convolution as columns of a matrix (im2col), and their sum back into the image (its adjoint).

Points are the last axis throughout: (R, channels, height, width, n). Every tap of the kernel is then a copy of runs of
n numbers, however few the channels are, and one product a replica computes a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

KERNEL = 3
TAPS = KERNEL**2


def output_side(side: int, stride: int) -> int:
    """Return the side of what a 3×3 convolution with one pixel of padding makes of an image of that side."""
    return (side - 1) // stride + 1


def columns(h: Float[Tensor, "R c h w n"], stride: int) -> Float[Tensor, "R k p"]:
    """Return the patches around every output position: k = 9c rows (row, column, channel), p = positions × points.

    Differentiable to any order, forward and in reverse; the image is padded with one pixel of zeros.
    """
    return _Columns.apply(h, stride)


def write_columns(padded: Float[Tensor, "R c hp wp n"], stride: int, out: Float[Tensor, "R k p"]) -> None:
    """Write the patches of an image that is padded already into a buffer."""
    replicas, channels, height, width, count = padded.shape
    sides = (output_side(height - 2, stride), output_side(width - 2, stride))
    whole, channel, row, column, point = padded.stride()
    shape = (replicas, KERNEL, KERNEL, channels, *sides, count)
    strides = (whole, row, column, channel, stride * row, stride * column, point)
    out.view(shape).copy_(padded.as_strided(shape, strides, padded.storage_offset()))


def write_fold(patches: Float[Tensor, "R k p"], stride: int, out: Float[Tensor, "R c h w n"]) -> None:
    """Write the adjoint of `columns` into a buffer: every pixel is the sum of its entries in all patches."""
    replicas, channels, height, width, count = out.shape
    sides = (output_side(height, stride), output_side(width, stride))
    taps = patches.view(replicas, KERNEL, KERNEL, channels, *sides, count)
    # These taps reach every pixel exactly once, so that nothing has to be cleared; the others are added to them.
    first = [(ky, kx) for ky in range(1, stride + 1) for kx in range(1, stride + 1)]
    others = [(ky, kx) for ky in range(KERNEL) for kx in range(KERNEL) if (ky, kx) not in first]
    for ky, kx in (*first, *others):
        from_y, to_y = _reach(ky, stride, height, sides[0])
        from_x, to_x = _reach(kx, stride, width, sides[1])
        target, source = out[:, :, to_y, to_x], taps[:, ky, kx, :, from_y, from_x]
        if (ky, kx) in first:
            target.copy_(source)
        else:
            target.add_(source)


def _reach(tap: int, stride: int, side: int, outputs: int) -> tuple[slice, slice]:
    """Return the output positions whose tap lies inside the image, and the pixels it lies on."""
    first = 1 if tap == 0 else 0
    start = first * stride + tap - 1
    count = max(0, min(outputs - first, (side - 1 - start) // stride + 1))
    return slice(first, first + count), slice(start, start + max(0, (count - 1) * stride + 1), stride)


class _Columns(torch.autograd.Function):
    """The linear map of `columns`; its derivative in reverse is `_Fold`, forward it is itself."""

    @staticmethod
    def forward(h: Tensor, stride: int) -> Tensor:
        replicas, channels, height, width, count = h.shape
        positions = output_side(height, stride) * output_side(width, stride)
        out = h.new_empty(replicas, TAPS * channels, positions * count)
        write_columns(functional.pad(h, (0, 0, 1, 1, 1, 1)), stride, out)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        h, ctx.stride = inputs
        ctx.shape = h.shape

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Fold.apply(gradient, ctx.shape, ctx.stride), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _Columns.apply(tangent, ctx.stride)


class _Fold(torch.autograd.Function):
    """The adjoint of `_Columns`."""

    @staticmethod
    def forward(patches: Tensor, shape: torch.Size, stride: int) -> Tensor:
        out = patches.new_empty(shape)
        write_fold(patches.contiguous(), stride, out)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.shape, ctx.stride = inputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Columns.apply(gradient, ctx.stride), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _Fold.apply(tangent, ctx.shape, ctx.stride)
