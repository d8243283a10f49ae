"""Products of one layer by the routes of this machine, or by those of a training that is resumed or audited."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

from lib.products.routes import Machine, Routes, choose, refusal
from lib.products.switch import switch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_replayed: ContextVar[Routes | None] = ContextVar("replayed", default=None)


@functools.cache
def chosen() -> Routes:
    """Return the routes of this machine: the same in every process of it, and for every stack."""
    return choose(Machine())[0]


def current() -> Routes:
    """Return the routes by which products are computed here and now."""
    replayed = _replayed.get()
    return chosen() if replayed is None else replayed


@contextmanager
def using(wanted: Routes) -> Iterator[Routes]:
    """Compute by given routes, as a training that is resumed or audited was computed.

    Yields the routes in use: MKL computes where oneDNN is wanted and this machine refuses it.
    """
    here = Routes(transposed=wanted.transposed)
    token = _replayed.set(wanted if wanted == here or not _refused() else here)
    try:
        yield current()
    finally:
        _replayed.reset(token)


def product(kind: str, a: Float[Tensor, "... n k"], b: Float[Tensor, "... k l"]) -> Float[Tensor, "... n l"]:
    """Return a @ b, where b holds a layer's weights, by the route for a product of that kind and size.

    Points that all replicas share, a view whose first axis has the stride 0, are multiplied with one replica's weights
    after another: a batched product would first copy them R times, which takes up to ten times as long as multiplying.

    Args:
        kind: "forward" or "down" (see `lib.products.KINDS`).
        a: points' inputs, or the gradients in their outputs.
        b: the weights, or their transpose.
    """
    if not routed(b) or torch.compiler.is_compiling():
        return a @ b
    route = current().of(kind, b.shape[-2], b.shape[-1])
    with switch:
        switch.to(route)
        if a.ndim == b.ndim == 3 and a.stride(0) == 0:
            return torch.stack([_multiply(a[0], weights, route) for weights in b])
        return _multiply(a, b, route)


def _multiply(a: Tensor, b: Tensor, route: str) -> Tensor:
    return (b.mT @ a.mT).mT if route == "transposed" else a @ b


def routed(weights: Tensor) -> bool:
    """Return whether products with these weights have routes: float32 on the processor."""
    return weights.dtype is torch.float32 and weights.device.type == "cpu"


@functools.cache
def _refused() -> bool:
    return refusal(Machine()) is not None
