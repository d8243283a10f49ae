"""One step of gradient descent on a stack of replicas: the gradient of Eq. (2) written out, fused with the update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lib.networks import FCN
from lib.training.losses import gradient_

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


class Descent:
    """Take gradient steps on batches of one size, in buffers that are made once.

    The update is fused into the product that gives the gradient (`baddbmm_` with the weights, or their velocity, as its
    target), so no gradient is ever stored. On CUDA the step is captured in a graph: one launch instead of a few dozen.

    Args:
        network: the stack whose weights are updated.
        velocities: buffers of the momentum, one a layer; None for plain descent.
        x, rows: all points and their rows of targets (`target_rows`), on the network's device.
        size: points of a batch.
        loss, momentum, weight_decay: as in `train`.
    """

    def __init__(
        self,
        network: FCN,
        velocities: list[Tensor] | None,
        x: Float[Tensor, "n d"],
        rows: Float[Tensor, "n o"],
        size: int,
        loss: str,
        momentum: float,
        weight_decay: float,
    ) -> None:
        self.weights = [weight.detach() for weight in network.weights]
        self.velocities, self.x, self.rows, self.size = velocities, x, rows, size
        self.alpha, self.loss, self.momentum, self.weight_decay = network.alpha, loss, momentum, weight_decay
        new, replicas = self.weights[0].new_empty, network.replicas
        self.hidden = [new(replicas, size, network.in_features)]
        self.hidden += [new(replicas, size, network.width) for _ in range(network.depth - 1)]
        self.output, self.target = (new(replicas, size, network.out_features) for _ in range(2))
        self.deltas = [new(replicas, size, network.width) for _ in range(2)]
        self.index = torch.zeros(replicas * size, dtype=torch.int64, device=x.device)
        self.total = torch.zeros_like(self.output)
        # Views of buffers that never move; making them anew would cost as much as a small product's launch.
        self.flat_input, self.flat_target = self.hidden[0].flatten(0, 1), self.target.flatten(0, 1)
        self.transposed_hidden = [h.mT for h in self.hidden]
        self.transposed_weights = [weight.mT for weight in self.weights]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.captured_lr: float | None = None

    def __call__(self, index: Int[Tensor, "R b"], lr: float) -> None:
        """Update every replica on its batch; `total` gains the batch's losses, taken before the update."""
        self.index.copy_(index.reshape(-1))
        if self.index.is_cuda:
            self._replay(lr)
        else:
            self._step(lr)

    def _step(self, lr: float) -> None:
        torch.index_select(self.x, 0, self.index, out=self.flat_input)
        torch.index_select(self.rows, 0, self.index, out=self.flat_target)
        for weight, h, above in zip(self.weights[:-1], self.hidden[:-1], self.hidden[1:], strict=True):
            torch.bmm(h, weight, out=above)
            above.relu_()
        torch.bmm(self.hidden[-1], self.weights[-1], out=self.output)
        if self.alpha != 1:
            self.output.div_(self.alpha)
        gradient_(self.output, self.target, self.loss, self.total)
        delta = self.output
        if self.alpha != 1:
            delta.div_(self.alpha)
        for layer in range(len(self.weights) - 1, -1, -1):
            below = None
            if layer:
                # The gradient passes down through the weights of before the update.
                below = torch.bmm(delta, self.transposed_weights[layer], out=self.deltas[layer % 2])
                torch.ops.aten.threshold_backward.grad_input(below, self.hidden[layer], 0, grad_input=below)
            self._update(layer, delta, lr)
            delta = below

    def _update(self, layer: int, delta: Tensor, lr: float) -> None:
        weight, h = self.weights[layer], self.transposed_hidden[layer]
        if self.velocities is None:
            weight.baddbmm_(h, delta, beta=1 - lr * self.weight_decay, alpha=-lr / self.size)
            return
        velocity = self.velocities[layer].baddbmm_(h, delta, beta=self.momentum, alpha=1 / self.size)
        if self.weight_decay:
            velocity.add_(weight, alpha=self.weight_decay)
        weight.add_(velocity, alpha=-lr)

    def _replay(self, lr: float) -> None:
        """Run the step as a CUDA graph, captured anew when the learning rate (a constant of the graph) changes."""
        if lr != self.captured_lr:
            # Warm-up allocates workspaces and must not train: everything that a step writes is put back.
            written = [*self.weights, *(self.velocities or ()), self.total]
            kept = [tensor.clone() for tensor in written]
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._step(lr)
            torch.cuda.current_stream().wait_stream(side)
            for tensor, value in zip(written, kept, strict=True):
                tensor.copy_(value)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._step(lr)
            self.captured_lr = lr
        self.graph.replay()
