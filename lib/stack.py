"""A stack: R replicas of one network that are computed together. What trains and what is measured is a stack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Passes(ABC):
    """Pass batches of one size forward through a stack and gradients back, in buffers that are made once.

    A step of training fills `points`, calls `forward`, overwrites `output` by the gradient in it of the batch's summed
    loss, and calls `backward`. On CUDA these calls are captured in a graph: they write into tensors that never move and
    wait for nothing. They are repeated thousands of times a second: what can be made once is made in `Stack.passes`.

    Attributes:
        points: the batch, (R·b, *point_shape), replica after replica; filled before `forward`.
        output: f of every replica on its own points, (R, b, o); `backward` may overwrite it.
    """

    points: Float[Tensor, "Rb ..."]
    output: Float[Tensor, "R b o"]

    @abstractmethod
    def forward(self) -> None:
        """Compute `output` from `points` and the stack's weights as they are now; keep what `backward` needs."""

    @abstractmethod
    def backward(self, into: Sequence[Float[Tensor, "R ..."]], keep: float, factor: float) -> None:
        """Set into[l] ← keep·into[l] + factor·∂/∂W_l Σ_i loss_i, where `output` holds ∂ Σ_i loss_i/∂f.

        The targets are velocities, or the weights themselves: then a gradient passes down through a layer's weights
        before they are changed. No gradient needs to be stored on the way.

        Args:
            into: one tensor a layer, of the shape of its weights.
            keep: factor of what is there.
            factor: of the gradient, such as −lr/b.
        """

    @abstractmethod
    def pull_back(self, into: Float[Tensor, "Rb ..."]) -> None:
        """Set into ← ∂/∂points Σ_i loss_i, where `output` holds ∂ Σ_i loss_i/∂f, and leave the weights alone."""


class Stack(nn.Module, ABC):
    """Hold R replicas of one architecture, whose weights have the replicas as their first axis.

    A subclass implements every abstract method and overrides nothing else; training and measuring ask a stack and test
    no type. Replica r of a stack with the seed s is the stack of one replica with the seed s + r.

    Attributes:
        replicas: R.
        seeds: of each replica, for its weights and its batches.
        out_features: o.
        alpha: the factor 1/α of the outputs.
        weights: one tensor a layer, (R, ...).
        settings: the names of the attributes that every replica shares, the same for any choice of replicas.
    """

    settings: ClassVar[tuple[str, ...]]
    replicas: int
    seeds: tuple[int, ...]
    out_features: int
    alpha: float
    weights: nn.ParameterList

    @property
    @abstractmethod
    def point_shape(self) -> tuple[int, ...]:
        """Return the shape of one point, such as (d,)."""

    @property
    @abstractmethod
    def layer_sizes(self) -> tuple[int, ...]:
        """Return the numbers that one point has in each layer, input and output included: memory is counted in them."""

    @abstractmethod
    def forward(self, x: Float[Tensor, "n ..."] | Float[Tensor, "R n ..."]) -> Float[Tensor, "R n o"]:
        """Return f(x) of every replica, on shared points or on points of its own."""

    @abstractmethod
    def jacobian(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o ..."]:
        """Return the derivative of f at each point, in the shape of a point."""

    @abstractmethod
    def jacobian_gram(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n o o"]:
        """Return J(x) J(x)ᵀ in float64."""

    def select(self, indices: Sequence[int]) -> Self:
        """Return a stack of copies of some replicas, with their seeds, in the order of the indices.

        Raises:
            ValueError: there are no indices, or one is no replica's.
        """
        chosen = list(indices)
        if not chosen or any(not 0 <= r < self.replicas for r in chosen):
            raise ValueError(f"indices must be one or more of 0..{self.replicas - 1}, got {chosen!r}.")
        network = type(self).__new__(type(self))  # __init__ would draw weights only to overwrite them
        nn.Module.__init__(network)
        for name in self.settings:
            setattr(network, name, getattr(self, name))
        network.replicas, network.seeds = len(chosen), tuple(self.seeds[r] for r in chosen)
        network.weights = nn.ParameterList(weight.detach()[chosen] for weight in self.weights)
        return network.train(self.training)

    @abstractmethod
    def passes(self, size: int, precision: str = "fp32") -> Passes:
        """Return what passes batches of so many points a replica forward and back through this stack's weights.

        It reads the tensors in `weights` at each pass and holds no other reference to the stack. The factors of its
        products are of the weights' type, or rounded to bf16.

        Raises:
            ValueError: the precision is not offered for this stack, on its device, or at its width.
        """

    @abstractmethod
    def module(self, r: int = 0) -> nn.Module:
        """Return replica r as a plain module of copies of its weights, (n, ...) -> (n, o)."""
