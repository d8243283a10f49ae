"""Passes of a stack of convolutional networks forward and back: each layer of all replicas is a grouped convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lib.columns import KERNEL, TAPS
from lib.stack import Passes

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# What one convolution is called with beside its stride: padding, dilation, not transposed, no output padding.
_PADDED = ([1, 1], [1, 1], False, [0, 0])


class GroupedPasses(Passes):
    """Pass batches through a `lib.convolutional.CNN` by oneDNN's direct convolutions, channels last.

    The channels of all replicas stand side by side and each replica is a group: no patch is copied. oneDNN computes a
    single group by another kernel than several, which sum in one order whatever their number and the threads; a stack
    of one replica is given an empty second one, so that its numbers do not depend on its company.

    Arguments are those of `lib.convolutional_passes.ConvolutionalPasses`; the weights are float32 on the processor.
    """

    def __init__(
        self,
        weights: Sequence[Float[Tensor, "R fan_in fan_out"]],
        alpha: float,
        image: tuple[int, int, int],
        sides: Sequence[tuple[int, int]],
        strides: Sequence[int],
        size: int,
    ) -> None:
        self.weights, self.alpha, self.strides = list(weights), alpha, list(strides)
        new, (replicas, _, width), outputs = weights[0].new_empty, weights[0].shape, weights[-1].shape[2]
        channels, height, across = image
        self.replicas, self.groups = replicas, max(2, replicas)
        self.points = new(replicas * size, channels * height * across)
        self.output = new(replicas, size, outputs)
        self.images = self._channels_last(size, channels, height, across)
        self.kernels = [
            self._channels_last(width, weight.shape[1] // TAPS, KERNEL, KERNEL, each=False) for weight in weights[:-1]
        ]
        self.features = new(replicas, width * sides[-1][0] * sides[-1][1], size)
        self.last, self.last_delta = (new(replicas, outputs, size) for _ in range(2))
        self.below = torch.empty_like(self.features)
        self.top = self._channels_last(size, width, *sides[-1])
        self.activations: list[Tensor] = []
        # Views of buffers that never move, replica first.
        self.batch = self.points.view(replicas, size, *image)
        self.pixels = self._by_replica(self.images)
        self.taps = [kernel.permute(0, 2, 3, 1).view(self.groups, width, -1)[:replicas] for kernel in self.kernels]
        self.top_pixels = self._by_replica(self.top)
        self.top_below = self.below.view(replicas, width, *sides[-1], size).movedim(-1, 1)
        self.top_features = self.features.view(self.top_below.permute(0, 2, 3, 4, 1).shape).movedim(-1, 1)

    def _channels_last(self, count: int, channels: int, height: int, width: int, each: bool = True) -> Tensor:
        """Return zeros (count, groups · channels, ...), or (groups · count, channels, ...), with the channels last."""
        shape = (count, self.groups * channels) if each else (self.groups * count, channels)
        zeros = self.weights[0].new_zeros(*shape, height, width)
        return zeros.contiguous(memory_format=torch.channels_last)

    def _by_replica(self, images: Tensor) -> Float[Tensor, "R b c h w"]:
        return images.unflatten(1, (self.groups, -1)).movedim(1, 0)[: self.replicas]

    def forward(self) -> None:
        """Compute `output` of the batch in `points`."""
        self.pixels.copy_(self.batch)
        self.activations = []
        h = self.images
        for weight, taps, kernel, stride in zip(self.weights, self.taps, self.kernels, self.strides, strict=False):
            taps.copy_(weight.mT)
            h = torch.convolution(h, kernel, None, [stride, stride], *_PADDED, self.groups).clamp_(min=0)
            self.activations.append(h)
        self.top_features.copy_(self._by_replica(h))
        torch.bmm(self.weights[-1].mT, self.features, out=self.last)
        self.output.copy_(self.last.mT)
        if self.alpha != 1:
            self.output.div_(self.alpha)

    def backward(self, into: Sequence[Tensor], keep: float, factor: float) -> None:
        """Add the gradient to `into`, layer by layer from the last."""
        below = self._enter()
        into[-1].baddbmm_(self.features, self.last_delta.mT, beta=keep, alpha=factor)
        for layer in range(len(self.kernels) - 1, -1, -1):
            below, slopes = self._pass_down(layer, below, layer > 0, True)
            slopes = slopes.permute(0, 2, 3, 1).unflatten(0, (self.groups, -1)).flatten(2)[: self.replicas]
            if keep != 1:
                into[layer].mul_(keep)
            into[layer].add_(slopes.mT, alpha=factor)

    def pull_back(self, into: Tensor) -> None:
        """Write the gradient in the batch's points."""
        below = self._enter()
        for layer in range(len(self.kernels) - 1, -1, -1):
            below, _ = self._pass_down(layer, below, True, False)
        into.view(self.batch.shape).copy_(self._by_replica(below))

    def _enter(self) -> Tensor:
        """Return the gradient in the last image from that in the outputs."""
        self.last_delta.copy_(self.output.mT)
        if self.alpha != 1:
            self.last_delta.div_(self.alpha)
        torch.bmm(self.weights[-1], self.last_delta, out=self.below)
        self.top_pixels.copy_(self.top_below)
        return self.top

    def _pass_down(self, layer: int, delta: Tensor, to_input: bool, to_kernel: bool) -> tuple[Tensor, Tensor]:
        """Return a convolution's gradients in its input and its kernel, from that in what its ReLU has made."""
        torch.ops.aten.threshold_backward.grad_input(delta, self.activations[layer], 0, grad_input=delta)
        h = self.activations[layer - 1] if layer else self.images
        stride, wanted = [self.strides[layer]] * 2, [to_input, to_kernel, False]
        down, slopes, _ = torch.ops.aten.convolution_backward(
            delta, h, self.kernels[layer], None, stride, *_PADDED, self.groups, wanted
        )
        return down, slopes
