"""What is measured: R replicas of a network that can be evaluated and differentiated at points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor


class Subject(ABC):
    """See a network as R replicas; `measured` makes one of a stack, or of any other module (R = 1).

    Attributes:
        network: what is measured.
        replicas: R.
        lead: axes of a value inside the network that count replicas and points.
    """

    network: nn.Module
    replicas: int
    lead: int

    @abstractmethod
    def check(self, x: Float[Tensor, "n ..."]) -> None:
        """Raise ValueError if the points do not fit the network, or interact in it."""

    @abstractmethod
    def check_derivative(self, x: Float[Tensor, "n ..."]) -> None:
        """Raise ValueError if autograd cannot follow the outputs at the first point."""

    @abstractmethod
    def gradient(self, value: Float[Tensor, ""], points: Float[Tensor, "R n ..."]) -> Float[Tensor, "R n ..."]:
        """Return the derivative of a number in the points that it was computed from; 0 where it does not depend."""

    @abstractmethod
    def outputs(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o"]:
        """Return f(x), without a graph."""

    @abstractmethod
    def values(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o"]:
        """Return f(x) in batches that memory alone divides, unchecked and without a graph."""

    @abstractmethod
    def at_own_points(self, points: Float[Tensor, "R n ..."]) -> Float[Tensor, "R n o"]:
        """Return f of every replica at points of its own, with a graph."""

    @abstractmethod
    def jacobian_at(self, points: Float[Tensor, "R n ..."]) -> Float[Tensor, "R n o d"]:
        """Return J of every replica at points of its own; at a kink one of the values that it has nearby."""

    @abstractmethod
    def jacobians(self, x: Float[Tensor, "n ..."]) -> Iterator[Float[Tensor, "R b o d"]]:
        """Yield J(x), as many points at a time as memory allows; NaN where it is undefined."""

    @abstractmethod
    def grams(self, x: Float[Tensor, "n ..."]) -> Iterator[Float[Tensor, "R b k k"]]:
        """Yield J Jᵀ, or Jᵀ J where that is smaller, in float64, some points at a time; NaN where it is undefined."""

    @abstractmethod
    def steadied(self, x: Float[Tensor, "n ..."]) -> tuple[Float[Tensor, "n ..."], int]:
        """Return the points, and how many may be climbed from together, for what amplifies roundings and differentiates
        twice: a module goes on in float64 if it can, and else one point at a time."""

    @abstractmethod
    def in_float64(self, x: Float[Tensor, "n ..."]) -> bool:
        """Turn the network to float64 until it is put back; return whether it runs like that."""

    @abstractmethod
    def points_at_once(self) -> int:
        """Return how many points fit that keep the activations of two derivatives, in float64."""

    @abstractmethod
    def forget(self) -> None:
        """Put back what modules keep besides weights, if these are moved: it may be computed from earlier ones."""

    def undefined(self, x: Float[Tensor, "n ..."]) -> Bool[Tensor, "R n"]:
        """Return where J is undefined: at a point that is not finite, and at x = 0 where that is a kink.

        There a bias-free ReLU network is the tip of a cone: J depends on the direction in which 0 is left, and the
        pattern of gates that a network has at 0 need belong to no other point.
        """
        points = x.flatten(1)
        size = torch.linalg.vector_norm(points, 1, dim=1, dtype=torch.float64)  # tells of both in one pass
        finite = size.isfinite()
        if not bool(finite.all()):
            finite = points.isfinite().all(dim=1)
        undefined = (~finite).expand(self.replicas, -1).clone()
        zero = (size == 0).nonzero().flatten()
        if len(zero):
            stream = torch.Generator().manual_seed(0)
            step = torch.randn(x.shape[1:], generator=stream, dtype=torch.float64, device="cpu")
            step = (step * torch.finfo(x.dtype).eps ** 0.75).to(x)
            there = torch.stack([torch.zeros_like(step), step]).expand(self.replicas, 2, *step.shape)
            at, beside = self.jacobian_at(there).double().flatten(2).unbind(1)
            size = torch.maximum(at.norm(dim=-1), beside.norm(dim=-1))
            undefined[:, zero] |= ((at - beside).norm(dim=-1) > 0.05 * size)[:, None]
        return undefined
