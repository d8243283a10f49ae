"""Passes of a stack of convolutional networks forward and back, on batches of one size, in buffers made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lib.columns import TAPS, write_columns, write_fold
from lib.stack import Passes

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class ConvolutionalPasses(Passes):
    """Pass batches through a `lib.convolutional.CNN`: patches as columns, one product a layer and replica.

    Points are the last axis (`lib.columns`), so that few channels cost no more than they have to. The way of two layers
    or few channels, of float64, of CUDA, and of processors without AVX-512; other networks take `lib.grouped_passes`,
    as `lib.products.Routes.grouped` says.

    Args:
        weights: L tensors (R, fan_in, fan_out), read at every pass.
        alpha: α.
        image: (channels, height, width) of a point.
        sides: (height, width) of the image and of every convolution's output.
        strides: of every convolution.
        size: points of a batch.
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
        self.points = new(replicas * size, channels * height * across)
        self.output = new(replicas, size, outputs)
        fan_ins = [weight.shape[1] for weight in weights[:-1]]
        places = [h * w * size for h, w in sides[1:]]
        # The border of a padded image is written once: it stays zero.
        self.padded = [
            weights[0].new_zeros(replicas, fan_in // TAPS, h + 2, w + 2, size)
            for fan_in, (h, w) in zip(fan_ins, sides[:-1], strict=True)
        ]
        self.patches = [new(replicas, fan_in, place) for fan_in, place in zip(fan_ins, places, strict=True)]
        self.sums = [new(replicas, width, place) for place in places]
        self.last, self.last_delta = (new(replicas, outputs, size) for _ in range(2))
        shapes = [(replicas, width, h, w, size) for h, w in sides[1:]]
        flat = [new(replicas * width * max(places)) for _ in range(2)]
        # Gradients in the convolutions' outputs go to two buffers in turn, those in their patches to a third.
        self.deltas = [
            flat[layer % 2][: sums.numel()].view(shape)
            for layer, (sums, shape) in enumerate(zip(self.sums, shapes, strict=True))
        ]
        flat_patches = new(max(patches.numel() for patches in self.patches))
        self.patch_deltas = [flat_patches[: patches.numel()].view(patches.shape) for patches in self.patches]
        self.image_delta = new(replicas, channels, height, across, size)
        # Views of buffers that never move.
        inside = [padded[:, :, 1:-1, 1:-1] for padded in self.padded]
        self.image = inside[0]
        self.batch = self.points.view(replicas, size, *image).movedim(1, -1)
        # Where every convolution's output, after the ReLU, lies: inside the next padded image, or where it was summed.
        self.activations = [*inside[1:], self.sums[-1].view(shapes[-1])]
        self.features = self.sums[-1].view(replicas, -1, size)
        self.transposed_weights = [weight.mT for weight in self.weights]

    def forward(self) -> None:
        """Compute `output` of the batch in `points`."""
        self.image.copy_(self.batch)
        layers = zip(self.padded, self.strides, self.patches, self.sums, self.activations, strict=True)
        for layer, (padded, stride, patches, sums, activation) in enumerate(layers):
            write_columns(padded, stride, patches)
            torch.bmm(self.transposed_weights[layer], patches, out=sums)
            torch.clamp(sums.view(activation.shape), min=0, out=activation)
        torch.bmm(self.transposed_weights[-1], self.features, out=self.last)
        self.output.copy_(self.last.mT)
        if self.alpha != 1:
            self.output.div_(self.alpha)

    def backward(self, into: Sequence[Tensor], keep: float, factor: float) -> None:
        """Add the gradient to `into`, layer by layer from the last."""
        self._enter()
        self._pass_down_last()
        into[-1].baddbmm_(self.features, self.last_delta.mT, beta=keep, alpha=factor)
        for layer in range(len(self.patches) - 1, -1, -1):
            if layer:
                self._pass_down(layer, self.deltas[layer - 1])
                self._close_gates(layer - 1)
            delta = self.deltas[layer].flatten(2)
            into[layer].baddbmm_(self.patches[layer], delta.mT, beta=keep, alpha=factor)

    def pull_back(self, into: Tensor) -> None:
        """Write the gradient in the batch's points."""
        self._enter()
        self._pass_down_last()
        for layer in range(len(self.patches) - 1, 0, -1):
            self._pass_down(layer, self.deltas[layer - 1])
            self._close_gates(layer - 1)
        self._pass_down(0, self.image_delta)
        into.view(self.output.shape[0], self.output.shape[1], *self.image.shape[1:4]).movedim(1, -1).copy_(
            self.image_delta
        )

    def _enter(self) -> None:
        self.last_delta.copy_(self.output.mT)
        if self.alpha != 1:
            self.last_delta.div_(self.alpha)

    def _pass_down_last(self) -> None:
        below = self.deltas[-1].view(self.features.shape)
        torch.bmm(self.weights[-1], self.last_delta, out=below)
        self._close_gates(len(self.patches) - 1)

    def _pass_down(self, layer: int, below: Tensor) -> None:
        """Write what a convolution's gradient is in its input, before the ReLU below is looked at."""
        torch.bmm(self.weights[layer], self.deltas[layer].flatten(2), out=self.patch_deltas[layer])
        write_fold(self.patch_deltas[layer], self.strides[layer], below)

    def _close_gates(self, layer: int) -> None:
        delta = self.deltas[layer]
        torch.ops.aten.threshold_backward.grad_input(delta, self.activations[layer], 0, grad_input=delta)
