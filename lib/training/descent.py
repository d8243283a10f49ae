"""One step of gradient descent on a stack of replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lib.stack import Stack
from lib.training.losses import gradient_
from lib.training.pixels import gather_

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from torch import Tensor


class Descent:
    """Take gradient steps on batches of one size, in buffers that are made once.

    The update is fused into the stack's passes (`lib.stack.Passes`). On CUDA the step is captured in a graph: one
    launch instead of a few dozen.

    Args:
        network: the stack whose weights are updated.
        velocities: buffers of the momentum, one a layer; None for plain descent.
        x, rows: all points, which may be bytes (`lib.training.pixels.compact`), and their rows of targets
            (`target_rows`), on the network's device.
        size: points of a batch.
        loss, momentum, weight_decay, precision: as in `train`.
    """

    def __init__(
        self,
        network: Stack,
        velocities: list[Tensor] | None,
        x: Shaped[Tensor, "n ..."],
        rows: Float[Tensor, "n o"],
        size: int,
        loss: str,
        momentum: float,
        weight_decay: float,
        precision: str = "fp32",
    ) -> None:
        self.weights = [weight.detach() for weight in network.weights]
        self.velocities, self.x, self.rows, self.size = velocities, x, rows, size
        self.loss, self.momentum, self.weight_decay = loss, momentum, weight_decay
        self.passes = network.passes(size, precision)
        self.between = None if x.is_floating_point() else torch.empty_like(self.passes.points, dtype=x.dtype)
        self.target, self.total = (torch.zeros_like(self.passes.output) for _ in range(2))
        self.flat_target = self.target.flatten(0, 1)
        self.index = torch.zeros(network.replicas * size, dtype=torch.int64, device=x.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.captured_lr: float | None = None

    def __call__(self, index: Int[Tensor, "R b"], lr: float) -> None:
        """Update every replica on its batch; `total` gains the batch's losses, taken before the update."""
        self.index.copy_(index.reshape(-1))
        if self.index.is_cuda:
            self._replay(lr)
        else:
            self.step(lr)

    def step(self, lr: float) -> None:
        """Update every replica on the points in `index`, one call of the device after the other."""
        gather_(self.passes.points, self.x, self.index, self.between)
        torch.index_select(self.rows, 0, self.index, out=self.flat_target)
        self.passes.forward()
        gradient_(self.passes.output, self.target, self.loss, self.total)
        if self.velocities is None:
            self.passes.backward(self.weights, 1 - lr * self.weight_decay, -lr / self.size)
            return
        self.passes.backward(self.velocities, self.momentum, 1 / self.size)
        for weight, velocity in zip(self.weights, self.velocities, strict=True):
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
                    self.step(lr)
            torch.cuda.current_stream().wait_stream(side)
            for tensor, value in zip(written, kept, strict=True):
                tensor.copy_(value)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.step(lr)
            self.captured_lr = lr
        self.graph.replay()
