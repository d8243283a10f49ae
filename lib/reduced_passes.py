"""Passes of a fully connected stack whose products are in bf16: weights, sums and updates stay in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lib.stack import Passes

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_LOW = torch.bfloat16
# Weights that are updated and cast at once: a cache of the processor holds them. Smaller layers are updated whole.
_NUMBERS_AT_ONCE = 2**18


class ReducedPasses(Passes):
    """Pass batches forward and gradients back by products of factors that are rounded to bf16.

    The float32 weights are cast once a step: on a processor by the update, part by part while a cache holds them, and
    on the way forward where something else has changed them since. A product sums in float32 and rounds its result:
    activations and gradients are bf16, and a layer's gradient is added to float32 weights (or velocities). The last
    layer, narrow and cheap, is computed in float32, so that outputs and losses are not rounded.

    Args:
        weights: L tensors (R, fan_in, fan_out) of float32, read at every pass.
        alpha: α.
        size: points of a batch.
    """

    def __init__(self, weights: Sequence[Float[Tensor, "R fan_in fan_out"]], alpha: float, size: int) -> None:
        self.weights, self.alpha = list(weights), alpha
        *hidden, last = weights
        new, replicas = last.new_empty, len(last)
        self.low = [torch.empty_like(weight, dtype=_LOW) for weight in hidden]
        self.hidden = [new(replicas, size, weight.shape[1], dtype=_LOW) for weight in weights]
        self.points = new(replicas * size, weights[0].shape[1])
        self.output, self.features = new(replicas, size, last.shape[2]), new(replicas, size, last.shape[1])
        self.slope = torch.empty_like(self.features)
        self.deltas = [torch.empty_like(h) for h in self.hidden[1:]]
        self.graph = last.is_cuda  # captured once for all steps: what it does must not depend on one
        self.by_part = [not self.graph and weight[0].numel() > _NUMBERS_AT_ONCE for weight in hidden]
        # Of a replica, one after the other, or of all.
        sizes = zip(self.low, self.by_part, strict=True)
        self.gradients = [torch.empty_like(weight[0] if by_part else weight) for weight, by_part in sizes]
        self.cast = [-1] * len(hidden)  # the versions of the weights that `low` holds

    def forward(self) -> None:
        """Compute `output` of the batch in `points`."""
        for layer, (low, weight) in enumerate(zip(self.low, self.weights, strict=False)):
            if self.graph or self.cast[layer] != weight._version:
                low.copy_(weight)
                self.cast[layer] = weight._version
        self.hidden[0].copy_(self.points.view(self.hidden[0].shape))
        for h, low, above in zip(self.hidden, self.low, self.hidden[1:], strict=False):
            torch.bmm(h, low, out=above)
            above.relu_()
        torch.bmm(self.features.copy_(self.hidden[-1]), self.weights[-1], out=self.output)
        if self.alpha != 1:
            self.output.div_(self.alpha)

    def backward(self, into: Sequence[Tensor], keep: float, factor: float) -> None:
        """Add the gradient to `into`, layer by layer from the last."""
        delta = self._below_the_last()
        into[-1].baddbmm_(self.features.mT, self.output, beta=keep, alpha=factor)
        for layer in range(len(self.low) - 1, -1, -1):
            below = self._pass_down(layer, delta) if layer else None
            if self.by_part[layer]:
                self._update_by_part(layer, delta, into[layer], keep, factor)
            else:
                torch.bmm(self.hidden[layer].mT, delta, out=self.gradients[layer])
                if keep != 1:
                    into[layer].mul_(keep)
                into[layer].add_(self.gradients[layer], alpha=factor)
            delta = below

    def _update_by_part(self, layer: int, delta: Tensor, into: Tensor, keep: float, factor: float) -> None:
        """Add a layer's gradient; where the target is the weights themselves, cast them for the next step."""
        weight, low, gradient = self.weights[layer], self.low[layer], self.gradients[layer]
        moves = into.data_ptr() == weight.data_ptr()
        rows = max(1, _NUMBERS_AT_ONCE // gradient.shape[1])
        for replica, target in enumerate(into):
            torch.mm(self.hidden[layer][replica].mT, delta[replica], out=gradient)
            parts = zip(target.split(rows), gradient.split(rows), low[replica].split(rows), strict=True)
            for part, slopes, cast in parts:
                if keep != 1:
                    part.mul_(keep)
                part.add_(slopes, alpha=factor)
                if moves:
                    cast.copy_(part)
        if moves:
            self.cast[layer] = weight._version

    def pull_back(self, into: Tensor) -> None:
        """Write the gradient in the batch's points."""
        delta = self._below_the_last()
        for layer in range(len(self.low) - 1, 0, -1):
            delta = self._pass_down(layer, delta)
        into.view(self.hidden[0].shape).copy_(delta @ self.low[0].mT)

    def _below_the_last(self) -> Tensor:
        """Return the gradient in what the last hidden layer's product gave."""
        if self.alpha != 1:
            self.output.div_(self.alpha)
        torch.bmm(self.output, self.weights[-1].mT, out=self.slope)
        return self._through_relu(self.deltas[-1].copy_(self.slope), self.hidden[-1])

    def _pass_down(self, layer: int, delta: Tensor) -> Tensor:
        """Return the gradient in the inputs of a layer, before the ReLU that made them."""
        below = torch.bmm(delta, self.low[layer].mT, out=self.deltas[layer - 1])
        return self._through_relu(below, self.hidden[layer])

    @staticmethod
    def _through_relu(delta: Tensor, h: Tensor) -> Tensor:
        return torch.ops.aten.threshold_backward.grad_input(delta, h, 0, grad_input=delta)
