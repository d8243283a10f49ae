"""The gradient of Eq. (2), written out: passes of a fully connected stack forward and back, on batches of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lib import products
from lib.products import switch
from lib.stack import Passes

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class FullyConnectedPasses(Passes):
    """Pass batches through h_l = relu(h_{l-1} W_l), f = h_{L-1} W_L / α, and gradients back, by in-place products.

    The product that gives a layer's gradient is fused with what becomes of it (`baddbmm_` with the weights, or their
    velocity, as its target), so no gradient is ever stored.

    Args:
        weights: L tensors (R, fan_in, fan_out), read at every pass.
        alpha: α.
        size: points of a batch.
    """

    def __init__(self, weights: Sequence[Float[Tensor, "R fan_in fan_out"]], alpha: float, size: int) -> None:
        self.weights, self.alpha = list(weights), alpha
        new, replicas = weights[0].new_empty, len(weights[0])
        self.hidden = [new(replicas, size, weight.shape[1]) for weight in weights]
        self.output = new(replicas, size, weights[-1].shape[2])
        self.above = [*self.hidden[1:], self.output]
        widest = max((weight.shape[1] for weight in weights[1:]), default=0)
        flat = [new(replicas * size * widest) for _ in range(2)]
        # Gradients in a layer's inputs go to two buffers in turn, of which each layer takes what it needs.
        self.deltas = [
            flat[layer % 2][: h.numel()].view(h.shape) if layer else None for layer, h in enumerate(self.hidden)
        ]
        # Views of buffers that never move; making them anew would cost as much as a small product's launch.
        self.points = self.hidden[0].flatten(0, 1)
        self.transposed_hidden = [h.mT for h in self.hidden]
        self.transposed_weights = [weight.mT for weight in self.weights]
        routes = products.current() if products.routed(weights[0]) else products.MKL
        self.routes = {kind: [routes.of(kind, *weight.shape[1:]) for weight in weights] for kind in products.KINDS}
        # For what is computed transposed: outputs and gradients of narrow layers, and views of them as they are wanted.
        narrow = [(route == "transposed", weight) for route, weight in zip(self.routes["update"], weights, strict=True)]
        self.flipped = [new(replicas, weight.shape[2], size) if it else None for it, weight in narrow]
        self.gradients = [torch.empty_like(weight.mT) if it else None for it, weight in narrow]

    def forward(self) -> None:
        """Compute `output` of the batch in `points`."""
        route = self.routes["forward"]
        with switch:
            for layer, above in enumerate(self.above):
                switch.to(route[layer])
                if route[layer] == "transposed":
                    flipped = self.flipped[layer]
                    torch.bmm(self.transposed_weights[layer], self.transposed_hidden[layer], out=flipped)
                    above.copy_(flipped.mT)
                else:
                    torch.bmm(self.hidden[layer], self.weights[layer], out=above)
                if above is not self.output:
                    above.relu_()
        if self.alpha != 1:
            self.output.div_(self.alpha)

    def backward(self, into: Sequence[Tensor], keep: float, factor: float) -> None:
        """Add the gradient to `into`, layer by layer from the last."""
        delta, update = self._enter(), self.routes["update"]
        with switch:
            for layer in range(len(self.weights) - 1, -1, -1):
                # The gradient passes down through the weights of before the update.
                below = self._pass_down(layer, delta) if layer else None
                switch.to(update[layer])
                if update[layer] == "transposed":
                    if keep != 1:
                        into[layer].mul_(keep)
                    gradient = torch.bmm(delta.mT, self.hidden[layer], out=self.gradients[layer])
                    into[layer].add_(gradient.mT, alpha=factor)
                else:
                    into[layer].baddbmm_(self.transposed_hidden[layer], delta, beta=keep, alpha=factor)
                delta = below

    def pull_back(self, into: Tensor) -> None:
        """Write the gradient in the batch's points."""
        delta = self._enter()
        with switch:
            for layer in range(len(self.weights) - 1, 0, -1):
                delta = self._pass_down(layer, delta)
            switch.to(self.routes["down"][0])
            torch.bmm(delta, self.transposed_weights[0], out=into.view(self.hidden[0].shape))

    def _enter(self) -> Tensor:
        """Return the gradient in what the last layer's product gave."""
        if self.alpha != 1:
            self.output.div_(self.alpha)
        return self.output

    def _pass_down(self, layer: int, delta: Tensor) -> Tensor:
        """Return the gradient in the inputs of a layer, before the ReLU that made them."""
        below = self.deltas[layer]
        switch.to(self.routes["down"][layer])
        torch.bmm(delta, self.transposed_weights[layer], out=below)
        torch.ops.aten.threshold_backward.grad_input(below, self.hidden[layer], 0, grad_input=below)
        return below
