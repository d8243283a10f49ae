"""The local Lipschitz constant: the largest ‖J(x')‖₂ over a ball, found by projected gradient ascent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lib import checks
from lib.balls import project_onto_ball, uniform_in_ball, unit
from lib.estimators.calls import check_points
from lib.estimators.measuring import measured
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.estimators.subject import Subject

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
    is returned. So the result is never below ‖J(x)‖₂, where f is differentiable at x (at a kink J is taken beside it),
    and never decreases in `steps` or in `starts`.

    The J of a ReLU network is constant on each of its linear regions, so its norm has no gradient. A step therefore
    follows the gradient of uᵀJ_τ(x')v, u and v the singular vectors of J(x') itself, with every ReLU replaced by
    τ softplus(·/τ); only the direction is smoothed, never the value. Smooth networks are differentiated as they are,
    and networks that have one derivative only by differences of that.
    Other piecewise linear units (leaky ReLU, max pooling) keep their zero derivative: there `starts` has to search.

    A bias-free ReLU network has J(cx) = J(x) for c > 0: once the radius exceeds ‖x‖, the ball holds all directions
    and the maximum is the global Lipschitz constant. Take several ‖x‖, so that directions are equally easy to reach.

    Args:
        network: a `Stack` (R replicas, each with points of its own) or any module that maps (n, ...) to (n, o)
            (R = 1); measured in eval mode and left as it was. A module runs in float64 if it can.
        x: n points of floating numbers.
        radius: of the ball, in the units of x.
        steps: ascent steps from each start; with 0 only the starts are evaluated.
        starts: paths; the first one begins at x, the others at uniform points of the ball.
        seed: of the other starts, whose distances from x all points and replicas share: an example alone has those
            that it has in a batch.

    Returns:
        The largest norm found, in float64, in units of the output per input; NaN where x or J(x) is not finite.

    Raises:
        ValueError: the radius is not positive and finite (several ‖x‖ stand for the whole space), steps or starts is
            no such integer, x is empty or has no derivatives, or the network does not map (n, ...) to (n, o), lets
            the points of a batch interact, or computes what autograd cannot follow.

    Source: derived for this book (chapter 05); the ascent is that of Madry et al. 2018, §2.1, on another objective.
    """
    check_points(x)
    checks.positive(radius=radius)
    checks.integers(least=0, steps=steps)
    checks.integers(starts=starts)
    stream, features = generator(seed, "lipschitz"), x[0].numel()
    begin = [torch.zeros_like(x[:1], requires_grad=False)]
    for _ in range(starts - 1):
        begin.append((radius * uniform_in_ball(1, features, stream)).to(x).view(1, *x.shape[1:]))
    with measured(network, x) as subject:
        x, at_once = subject.steadied(x.detach())
        climb, best = _Climb(subject, radius, steps), []
        for part in range(0, len(x), at_once):
            here = slice(part, part + at_once)
            runs = [climb.best(x[here], shift.to(x)) for shift in begin]
            best.append(torch.stack(runs).amax(dim=0))
        finite = x.flatten(1).isfinite().all(dim=1)
        return torch.cat(best, dim=1).masked_fill(~finite, torch.nan)


class _Climb:
    """Climb ‖J‖₂ within balls of one radius, by a fixed number of steps."""

    def __init__(self, subject: Subject, radius: float, steps: int) -> None:
        self.subject, self.radius, self.steps = subject, radius, steps
        self._twice = True  # whether the network can be differentiated twice, as far as is known

    def best(self, x: Float[Tensor, "n ..."], shift: Float[Tensor, "1 ..."]) -> Float[Tensor, "R n"]:
        """Return the largest norm on one path of steps for every point, all from the same shift."""
        shift = shift.expand(self.subject.replicas, *x.shape)
        best = None
        for step in range(self.steps + 1):
            point = (x + shift).detach()
            left, slope = self._first_singular(point)
            norm = torch.linalg.vector_norm(slope, dim=-1)
            # A path that leaves the floats keeps what it has; a start that is not finite stays NaN.
            best = self._believed(point, norm) if best is None else torch.where(norm > best, norm, best)
            if step == self.steps:
                break
            with _SmoothGates(_TEMPERATURES[step % len(_TEMPERATURES)], self.subject.lead):
                direction = self._rise(point, left.to(point), unit(slope).to(point).view_as(point))
            move = unit(direction.flatten(2)).view_as(shift)
            shift = shift + self.radius / (1 + step / _DECAY) * move
            shift = project_onto_ball(shift.flatten(2), self.radius).view_as(shift)
        return best

    def _believed(self, start: Float[Tensor, "R n ..."], norm: Float[Tensor, "R n"]) -> Float[Tensor, "R n"]:
        """Return the norm at a start, or that of points just beside it where all of those are lower: it is a kink.

        What a network calls its derivative at a kink need not be one of its derivatives anywhere, and so no bound.
        """
        eps = torch.finfo(start.dtype).eps
        size = start.flatten(2).abs().amax(dim=-1).clamp_min(0).double()
        # However wide the ball is, beside x is where f has not bent.
        wide = torch.where(size > 0, (100 * size).clamp_max(self.radius), self.radius)
        reach = torch.maximum(64 * eps * size, eps**0.5 * 1e-2 * wide).clamp_max(self.radius)
        stream = generator(0, "beside")
        beside = []
        for sign in (1, -1):
            away = unit(torch.randn(start[0, 0].numel(), generator=stream, dtype=torch.float64, device="cpu"))
            step = sign * reach[..., None] * away.to(start.device)
            _, slope = self._first_singular(start + step.to(start).view_as(start))
            beside.append(torch.linalg.vector_norm(slope, dim=-1))
        largest = torch.stack(beside).amax(dim=0)
        # At 0 gates may also be closed that no neighbour has closed: any of those then gives more.
        return torch.where((norm > 1.001 * largest) | ((size == 0) & (norm < largest)), largest, norm)

    def _first_singular(
        self, points: Float[Tensor, "R n ..."]
    ) -> tuple[Float[Tensor, "R n o"], Float[Tensor, "R n d"]]:
        """Return the first left singular vector u of J at every point and Jᵀu, whose length is ‖J‖₂, in float64."""
        full = self.subject.jacobian_at(points).double()
        if full.shape[-2] == 1:
            return torch.ones_like(full[..., 0]), full[..., 0, :]
        # LAPACK refuses NaN and infinity.
        finite = full.isfinite().all(dim=(-2, -1))[..., None]
        safe = torch.where(finite[..., None], full, 0)
        left = torch.linalg.eigh(safe @ safe.mT).eigenvectors[..., -1]
        slope = (left.unsqueeze(-2) @ safe).squeeze(-2)
        return left, torch.where(finite, slope, torch.nan)

    def _rise(
        self, point: Float[Tensor, "R n ..."], left: Float[Tensor, "R n o"], right: Float[Tensor, "R n ..."]
    ) -> Float[Tensor, "R n ..."]:
        """Return the gradient of uᵀJv in the point: a second derivative, or differences of the first one."""
        if self._twice:
            try:
                leaf = point.clone().requires_grad_()
                slope = _gradient(self._along(leaf, left), leaf, create_graph=True)
                return _gradient((slope * right).sum(), leaf)
            except (RuntimeError, NotImplementedError, ValueError):
                self._twice = False
        reach = torch.finfo(point.dtype).eps ** 0.33 * self.radius
        ahead, behind = ((point + sign * reach * right).requires_grad_() for sign in (1, -1))
        slopes = [self.subject.gradient(self._along(leaf, left), leaf) for leaf in (ahead, behind)]
        return slopes[0] - slopes[1]

    def _along(self, leaf: Float[Tensor, "R n ..."], left: Float[Tensor, "R n o"]) -> Float[Tensor, ""]:
        return (self.subject.at_own_points(leaf) * left).sum()


def _gradient(value: Tensor, points: Tensor, create_graph: bool = False) -> Float[Tensor, "R n ..."]:
    """Return the derivative in the points; 0 where the value does not depend on them."""
    if not value.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        value, points, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return gradient


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
        size = z.detach().to(torch.promote_types(z.dtype, torch.float32))
        size = size.square().mean(dim=features, keepdim=True).sqrt().to(z.dtype)
        tau = self.temperature * torch.where(size > 0, size, 1)
        return tau * functional.softplus(z / tau)
