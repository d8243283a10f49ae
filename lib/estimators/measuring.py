"""The one place that tells our stacks from other modules: estimators measure what `measured` gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.calls import check_points, check_recorded, check_weights, told
from lib.estimators.foreign import Foreign
from lib.estimators.memento import untouched, without_casts
from lib.estimators.subject import Subject
from lib.estimators.trust import ROUNDING, gap
from lib.networks import FCN, evaluating
from lib.seeds import generator
from lib.stack import Stack

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# Numbers of one chunk: 2^24 float32 numbers are 64 MiB, small beside any device and large beside a cache.
_CHUNK_NUMBERS = 2**24


@contextmanager
def measured(network: nn.Module, x: Float[Tensor, "n ..."], moved: bool = False) -> Iterator[Subject]:
    """Give a network as what is measured, in eval mode; afterwards it is as it was before.

    Args:
        network: a `Stack` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1).
        x: the points on which it will be measured.
        moved: whether its weights will be moved, so that it has to `forget` what it computed from earlier ones.

    Raises:
        ValueError: x has no point, or numbers that have no derivative; a module's weights are not there yet, it does
            not map (n, ...) to (n, o), or (on use) its examples interact or autograd cannot follow its outputs.
    """
    check_points(x)
    if isinstance(network, Stack):
        weights = [(weight, weight.data, weight.requires_grad) for weight in network.parameters()]
        try:
            with evaluating(network), torch.inference_mode(False), torch.enable_grad(), without_casts():
                yield _Replicated(network)
        finally:
            for weight, values, wanted in weights:
                weight.data = values
                weight.requires_grad_(wanted)
    else:
        check_weights(network)
        check_recorded(network)
        with untouched(network):
            yield Foreign(network, x.detach(), moved)


def weights_of(network: nn.Module) -> tuple[list[tuple[str, Tensor]], int]:
    """Return a network's parameters by name, detached, and how many leading axes of each count replicas (1 or 0)."""
    check_weights(network)
    named = [(name, parameter.detach()) for name, parameter in network.named_parameters()]
    return named, int(isinstance(network, Stack))


def alpha_of(network: nn.Module) -> float | None:
    """Return α of an `FCN`, which has formulas of its own; None for any other network."""
    return network.alpha if isinstance(network, FCN) else None


def fully_connected(network: nn.Module) -> FCN | None:
    """Return the network as an `FCN`: itself, or the plain `nn.Sequential` of one; None for any other module.

    Raises:
        ValueError: it is an `nn.Sequential` of other layers, or computes something else than they do (adapters in
            subclasses of layers, hooks).
    """
    if isinstance(network, FCN):
        return network
    if type(network) is not nn.Sequential:
        return None
    check_weights(network)
    plain = FCN.from_modules([network])
    x = torch.randn(4, plain.in_features, generator=generator(0, "plain"), device="cpu", dtype=torch.float64).to(
        plain.weights[0]
    )
    with measured(network, x) as subject:
        apart = gap(subject.outputs(x), plain(x))
    if apart > ROUNDING:
        raise ValueError(
            "network must be an FCN, or its plain nn.Sequential; this one computes something else than W_L relu(... "
            f"W_1 x) of its weights (by {apart:.0%}). Look for adapters and hooks."
        )
    return plain


class _Replicated(Subject):
    """A stack, which differentiates itself."""

    lead = 2

    def __init__(self, network: Stack) -> None:
        self.network, self.replicas = network, network.replicas

    def check(self, x: Tensor) -> None:
        self.outputs(x[:1])

    def check_derivative(self, x: Tensor) -> None:
        pass  # it is a formula

    def forget(self) -> None:
        pass  # it keeps nothing

    def gradient(self, value: Tensor, points: Tensor) -> Tensor:
        return torch.autograd.grad(value, points)[0]

    def outputs(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.at_own_points(x)

    def values(self, x: Tensor) -> Tensor:
        return self.outputs(x)

    def at_own_points(self, points: Tensor) -> Tensor:
        try:
            return self.network(points)
        except (ValueError, MemoryError, torch.OutOfMemoryError):
            raise
        except RuntimeError as error:
            weight = self.network.weights[0]
            raise ValueError(
                f"x must be {weight.dtype} on {weight.device}, as the network is, got {points.dtype} on "
                f"{points.device} ({told(error)})."
            ) from error

    def jacobian_at(self, points: Tensor) -> Tensor:
        with torch.no_grad():
            return self.network.jacobian(points).flatten(3)

    def jacobians(self, x: Tensor) -> Iterator[Tensor]:
        for part in self._parts(x):
            yield self._masked(part, self.jacobian_at(part))

    def grams(self, x: Tensor) -> Iterator[Tensor]:
        if self.network.out_features <= x[0].numel():
            for part in self._parts(x):
                with torch.no_grad():
                    gram = self.network.jacobian_gram(part)
                yield self._masked(part, gram)
        else:
            for rows in self.jacobians(x):
                yield rows.mT.double() @ rows.double()

    def steadied(self, x: Tensor) -> tuple[Tensor, int]:
        self.check(x)
        return x, self.points_at_once()

    def in_float64(self, x: Tensor) -> bool:
        self.network.double()
        return True

    def points_at_once(self) -> int:
        # The graph of two derivatives keeps several copies.
        numbers = self.network.out_features * max(self.network.layer_sizes)
        return max(1, _CHUNK_NUMBERS // 4 // (self.replicas * numbers))

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        self.check(x)  # before anything expensive
        numbers = self.network.out_features * max(x[0].numel(), *self.network.layer_sizes)
        return x.split(max(1, _CHUNK_NUMBERS // (self.replicas * numbers)))

    def _masked(self, part: Tensor, values: Float[Tensor, "R b _ _"]) -> Tensor:
        undefined = self.undefined(part)
        return values.masked_fill(undefined[:, :, None, None], torch.nan) if bool(undefined.any()) else values
