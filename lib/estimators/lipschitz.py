"""The local Lipschitz constant: the largest ‖J(x')‖₂ over a ball, found by projected gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lib.balls import project_onto_ball, uniform_in_ball
from lib.estimators.spectrum import check_points, evaluating, jacobian, outputs
from lib.networks import FCN, at_own_points, replicas_of
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# Numbers of one chunk of points, as for the spectrum: 2^22, since the graph of two derivatives keeps several copies.
_CHUNK_NUMBERS = 2**22
# The k-th step, from 0, is the radius over 1 + k/4: it does not depend on the number of steps, so that more steps
# continue the same path. The gates are smoothed over a share of the layer's root mean square, two shares in turn:
# wide to see far, narrow to be exact. Both were chosen on eight small and large untrained networks.
_DECAY = 4
_TEMPERATURES = (0.3, 0.1)


def local_lipschitz(
    network: nn.Module, x: Float[Tensor, "n ..."], radius: float, steps: int = 30, starts: int = 1, seed: int = 0
) -> Float[Tensor, "R n"]:
    """Return a lower bound of max ‖J(x')‖₂ over ‖x' − x‖₂ ≤ radius, at each point, by projected gradient ascent.

    That maximum is the Lipschitz constant of f on the ball; for o = 1 it is the largest gradient norm. Every iterate
    x' gives the bound ‖J(x')ᵀu‖, u the first left singular vector of J(x') (so it is ‖J(x')‖₂), and the largest one
    is returned. So the result is never below ‖J(x)‖₂ and never decreases in `steps` or in `starts`.

    The J of a ReLU network is constant on each of its linear regions, so its norm has no gradient. A step therefore
    follows the gradient of uᵀJ_τ(x')v, u and v the singular vectors of J(x') itself, with every ReLU replaced by
    τ softplus(·/τ); only the direction is smoothed, never the value. Smooth networks are differentiated as they are.
    Other piecewise linear units (leaky ReLU, max pooling) keep their zero derivative: there `starts` has to search.

    A bias-free ReLU network has J(cx) = J(x) for c > 0: once the radius exceeds ‖x‖, the ball holds all directions
    and the maximum is the global Lipschitz constant. Take several ‖x‖, so that directions are equally easy to reach.

    Args:
        network: an `FCN` (R replicas, each with points of its own) or any module that maps (n, ...) to (n, o)
            (R = 1); measured in eval mode.
        x: n points.
        radius: of the ball, in the units of x.
        steps: ascent steps from each start; with 0 only the starts are evaluated.
        starts: paths; the first one begins at x, the others at uniform points of the ball.
        seed: of the other starts, which all replicas share.

    Returns:
        The largest norm found, in float64, in units of the output per input; NaN where J(x) is not finite.

    Raises:
        ValueError: the radius is not positive and finite, steps or starts is no such integer, x is empty, or the
            network does not map (n, ...) to (n, o).

    Source: derived for this book (chapter 05); the ascent is that of Madry et al. 2018, §2.1, on another objective.
    Used by: chapters 05 and 14.
    """
    check_points(x)
    _check(radius, steps, starts)
    stream, features = generator(seed, "lipschitz"), x[0].numel()
    out_features = outputs(network, x[:1]).shape[-1]
    begin = [torch.zeros_like(x)]
    for _ in range(starts - 1):
        begin.append((radius * uniform_in_ball(len(x), features, stream)).to(x).view(x.shape))
    numbers = replicas_of(network) * out_features * max(features, getattr(network, "width", 0))
    chunk = max(1, _CHUNK_NUMBERS // numbers)
    best = []
    with evaluating(network), torch.enable_grad():
        for part in range(0, len(x), chunk):
            here = slice(part, part + chunk)
            runs = [_ascend(network, x[here], shift[here], radius, steps) for shift in begin]
            best.append(torch.stack(runs).amax(dim=0))
    return torch.cat(best, dim=1)


def _ascend(network: nn.Module, x: Tensor, shift: Tensor, radius: float, steps: int) -> Tensor:
    """Return the largest norm on one path of steps, from x + shift, of shape (R, n)."""
    lead = 2 if isinstance(network, FCN) else 1
    shift = shift.detach().expand(replicas_of(network), *x.shape)
    best = None
    for step in range(steps + 1):
        point = (x + shift).detach().requires_grad_()
        left, slope = _first_singular(network, point.detach())
        norm = torch.linalg.vector_norm(slope, dim=-1)
        # A path that leaves the floats keeps what it has; a start that is not finite stays NaN.
        best = norm if best is None else torch.where(norm > best, norm, best)
        if step == steps:
            break
        with _SmoothGates(_TEMPERATURES[step % len(_TEMPERATURES)], lead):
            value = (at_own_points(network, point) * left.to(point)).sum()
            smooth = _gradient(value, point, create_graph=True)
        direction = _gradient((smooth.flatten(2) * _unit(slope).to(point)).sum(), point)
        move = _unit(direction.flatten(2)).view_as(shift)
        shift = shift + radius / (1 + step / _DECAY) * move
        shift = project_onto_ball(shift.flatten(2), radius).view_as(shift)
    return best


def _first_singular(network: nn.Module, points: Tensor) -> tuple[Float[Tensor, "R n o"], Float[Tensor, "R n d"]]:
    """Return the first left singular vector u of J at every point and Jᵀu, whose length is ‖J‖₂, in float64."""
    with torch.no_grad():
        full = network.jacobian(points) if isinstance(network, FCN) else jacobian(network, points[0])
        full = full.double()
        if full.shape[-2] == 1:
            return torch.ones_like(full[..., 0]), full[..., 0, :]
        # LAPACK refuses NaN and infinity.
        finite = full.isfinite().all(dim=(-2, -1))[..., None]
        safe = torch.where(finite[..., None], full, 0)
        left = torch.linalg.eigh(safe @ safe.mT).eigenvectors[..., -1]
        slope = (left.unsqueeze(-2) @ safe).squeeze(-2)
        return left, torch.where(finite, slope, torch.nan)


def _gradient(value: Tensor, points: Tensor, create_graph: bool = False) -> Float[Tensor, "R n ..."]:
    """Return the derivative in the points; 0 where the value does not depend on them."""
    if not value.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        value, points, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return gradient


def _unit(vectors: Float[Tensor, "R n d"]) -> Float[Tensor, "R n d"]:
    """Return each vector at length 1, or 0 where it is 0 or not finite."""
    # Largest entry first: the squares of a deep non-lazy network's derivative leave float32's range.
    unit = vectors / torch.linalg.vector_norm(vectors, torch.inf, dim=-1, keepdim=True)
    unit = unit / torch.linalg.vector_norm(unit, dim=-1, keepdim=True)
    return unit.nan_to_num(0, 0, 0)


class _SmoothGates(TorchFunctionMode):
    """Replace every ReLU, however a network calls it, by τ softplus(·/τ), τ a share of the layer's size at the point.

    Args:
        temperature: τ over the root mean square of the ReLU's input.
        lead: leading axes that count replicas and points.
    """

    _RELUS = frozenset({functional.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_})

    def __init__(self, temperature: float, lead: int) -> None:
        super().__init__()
        self.temperature, self.lead = temperature, lead

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func not in self._RELUS:
            return func(*args, **(kwargs or {}))
        z = args[0] if args else kwargs["input"]
        features = tuple(range(self.lead, z.ndim))
        size = z.detach().square().mean(dim=features, keepdim=True).sqrt()
        tau = self.temperature * torch.where(size > 0, size, 1)
        return tau * functional.softplus(z / tau)


def _check(radius: float, steps: int, starts: int) -> None:
    if not 0 < radius < math.inf:
        raise ValueError(
            f"radius must be positive and finite, got {radius!r}; several ‖x‖ stand for the whole space where the "
            "network has no biases."
        )
    for name, value, least in (("steps", steps, 0), ("starts", starts, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
