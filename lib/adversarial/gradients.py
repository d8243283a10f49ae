"""The loss that an attack raises, and its gradient at points: of a stack by written-out passes, else by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from lib.adversarial.resolution import wide
from lib.stack import Passes
from lib.training.losses import log_softmax

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.estimators.subject import Subject

# A gradient at points of every replica: (points (R, n, ...), targets (R, n, o)) -> (losses (R, n), gradient).
Gradient = Callable[["Tensor", "Tensor"], tuple["Tensor", "Tensor"]]
# The gradient alone.
Slope = Callable[["Tensor", "Tensor"], "Tensor"]


def soft_cross_entropy(log_p: Float[Tensor, "R n o"], target: Float[Tensor, "R n o"]) -> Float[Tensor, "R n"]:
    """Return −Σ_k target_k log p_k, where 0 log 0 = 0: a class may have no chance."""
    # The lowest number instead of −∞, whose product with 0 is NaN: a third of the time of asking where the target is 0.
    return -(log_p.clamp_min(torch.finfo(log_p.dtype).min) * target).sum(dim=-1)


class StackGradient:
    """Losses and their gradient at points of every replica, by written-out passes of a stack.

    A gradient is overwritten by the next one.

    Args:
        passes: of as many points a replica as will be asked for.
    """

    def __init__(self, passes: Passes) -> None:
        self.passes = passes
        self.into = torch.empty_like(passes.points)
        self.log_p = torch.empty_like(wide(passes.output))

    def __call__(
        self, points: Float[Tensor, "R n ..."], target: Float[Tensor, "R n o"]
    ) -> tuple[Float[Tensor, "R n"], Float[Tensor, "R n ..."]]:
        """Return the soft cross-entropy at points, and its gradient."""
        self.put(points)
        self.passes.forward()
        self.log_p.copy_(log_softmax(wide(self.passes.output)))
        losses = soft_cross_entropy(self.log_p, target)
        return losses, self._pull_back(self.log_p, target).view(points.shape)

    def slope(self, points: Float[Tensor, "R n ..."], target: Float[Tensor, "R n o"]) -> Float[Tensor, "R n ..."]:
        """Return the gradient alone."""
        self.put(points)
        self.passes.forward()
        return self._pull_back(log_softmax(wide(self.passes.output)), target).view(points.shape)

    def put(self, points: Float[Tensor, "R n ..."]) -> None:
        """Fill the passes' points; those that stand there already are not moved."""
        if points.data_ptr() != self.passes.points.data_ptr():
            self.passes.points.copy_(points.flatten(0, 1))

    def _pull_back(self, log_p: Tensor, target: Tensor) -> Tensor:
        torch.sub(log_p.exp_(), target, out=self.passes.output)
        self.passes.pull_back(self.into)
        return wide(self.into)


def module_gradient(subject: Subject, kind: torch.dtype) -> Gradient:
    """Return what computes losses and their gradient by autograd, at points that the network takes in a type."""

    def compute(points: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        losses, slopes = [], []
        for some, goals in zip(points.split(size := subject.points_at_once(), 1), target.split(size, 1), strict=True):
            # Autograd takes no tensor that was made in inference mode, but a copy of it.
            moved = some.detach().to(kind, copy=some.is_inference()).requires_grad_()
            loss = soft_cross_entropy(wide(subject.at_own_points(moved)).log_softmax(dim=-1), goals)
            slopes.append(wide(subject.gradient(loss.sum(), moved)))
            losses.append(loss.detach())
        return torch.cat(losses, dim=1), torch.cat(slopes, dim=1)

    return compute
