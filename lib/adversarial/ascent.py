"""Projected gradient ascent in a ball around points, for a stack and for any module."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from lib import checks
from lib.adversarial.classifier import classifier
from lib.adversarial.gradients import Gradient, Slope, StackGradient, module_gradient
from lib.adversarial.resolution import check_shift, wide
from lib.balls import step_in_ball, uniform_in_ball, unit
from lib.estimators.calls import check_points
from lib.labels import class_labels
from lib.seeds import generator
from lib.stack import Stack

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from lib.estimators.subject import Subject
    from lib.labels import Labels

NORMS = ("linf", "l2")
# Points of one pass of an evaluation: more take a quarter longer in convolutional stacks, fewer in wide ones.
_CHUNK = 200


@dataclass(frozen=True)
class Attack:
    """Describe projected gradient ascent on a loss over ‖x̂ − x‖ ≤ ε.

    Attributes:
        epsilon: ε > 0, in the units of x.
        norm: "linf", whose steps go along the gradient's sign, or "l2", whose steps go along the gradient.
        steps: at least 1.
        step_size: length of a step in the norm; 2.5 ε/steps when None.
        random_start: whether the first point is uniform in the ball, and not x.
        pixels: (low, high), the range that x has and x̂ keeps; None does not cut the ball.

    Raises:
        ValueError: a value is out of range.

    Source: Madry et al. 2018, §2.1.
    """

    epsilon: float
    norm: str = "linf"
    steps: int = 10
    step_size: float | None = None
    random_start: bool = True
    pixels: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", checks.positive(epsilon=self.epsilon))
        checks.one_of(NORMS, norm=self.norm)
        checks.integers(steps=self.steps)
        checks.one_of((True, False), random_start=self.random_start)
        if self.step_size is not None:
            object.__setattr__(self, "step_size", checks.positive(step_size=self.step_size))
        if self.pixels is not None and not _is_range(self.pixels):
            raise ValueError(f"pixels must be (low, high) with low < high, got {self.pixels!r}.")

    @property
    def step(self) -> float:
        """Return the length of a step."""
        return 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size

    def check(self, x: Tensor) -> None:
        """Raise ValueError unless points are finite, lie in the range of pixels, and resolve the ball and a step."""
        entries = math.sqrt(x[0].numel()) if self.norm == "linf" else 1.0
        check_shift(x, "epsilon", self.epsilon, self.epsilon * entries)
        name = "2.5·epsilon/steps" if self.step_size is None else "step_size"
        check_shift(wide(x), name, self.step, self.step * entries)
        if self.pixels is None:
            return
        low, high = float(x.min()), float(x.max())
        if low < self.pixels[0] or high > self.pixels[1]:
            raise ValueError(
                f"x must lie in pixels = {self.pixels}, got values from {low:g} to {high:g}; give the range of this "
                "scaling, or None for a ball that is not cut."
            )

    def starts(self, shape: torch.Size, stream: torch.Generator) -> Float[Tensor, "n ..."]:
        """Draw x̂ − x of the first point, uniform in the ball: one a place in the batch."""
        if self.norm == "l2":
            # One after the other: all directions and then all radii would start a point alone elsewhere.
            shifts = [uniform_in_ball(1, shape[1:].numel(), stream) for _ in range(shape[0])]
            return self.epsilon * torch.cat(shifts).view(shape)
        return self.epsilon * (2 * torch.rand(shape, generator=stream, dtype=torch.float32, device="cpu") - 1)

    def ascend(
        self,
        slope: Slope,
        x: Float[Tensor, "R n ..."],
        target: Float[Tensor, "R n o"],
        point: Float[Tensor, "R n ..."],
    ) -> None:
        """Take all steps, moving the points in place: what a training asks for, where NaN ends everything anyway.

        Args:
            slope: the gradient at points.
            x: centers of the balls.
            target: what the loss compares f with.
            point: the first points, inside the ball, in at least float32; in the end the last ones.
        """
        x = wide(x)
        box = self._box(x)
        for _ in range(self.steps):
            self._move(point, slope(point, target), x, box)

    def search(
        self,
        gradient: Gradient,
        x: Float[Tensor, "R n ..."],
        target: Float[Tensor, "R n o"],
        start: Float[Tensor, "R n ..."],
    ) -> Float[Tensor, "R n ..."]:
        """Return the points of the highest loss on the way, x among them.

        No loss is higher than one that is NaN: outputs that have no class are what an attacker wants. A gradient that
        is NaN leads nowhere. Steps add up in at least float32, whatever the type of x; in a shorter one points are
        rounded so that they stay in ball and range.

        Args:
            gradient: losses and their gradient at points, which it rounds to the network's type.
            x: the points.
            target: what the loss compares f with.
            start: the first points, inside the ball.
        """
        kind, x = x.dtype, wide(x)
        box = self._box(x)
        point, found, highest = wide(start).clone(), x.clone(), gradient(x, target)[0].clone()
        for _ in range(self.steps):
            seen = self._rounded(point, x, kind, box)
            losses, slope = gradient(seen, target)
            _keep(found, highest, seen, losses)
            self._move(point, slope.nan_to_num_(0) if self.norm == "linf" else slope, x, box)
        seen = self._rounded(point, x, kind, box)
        _keep(found, highest, seen, gradient(seen, target)[0])
        return found.to(kind)

    def _rounded(
        self, point: Tensor, x: Tensor, kind: torch.dtype, box: tuple[Tensor | float, Tensor | float] | None
    ) -> Tensor:
        """Return points as a network of a short type sees them: rounded to it, and towards x where that leaves them in
        ball and range but the nearest number does not."""
        if kind == point.dtype:
            return point
        near = point.to(kind)
        # On the processor: not every device has it in short types.
        inner = torch.nextafter(near.cpu(), x.to(kind).cpu()).to(point)
        near = near.to(point)
        inner = torch.where((near - x).abs() > (point - x).abs(), inner, near)
        outside = torch.zeros_like(near, dtype=torch.bool) if box is None else (near < box[0]) | (near > box[1])
        if self.norm == "l2":
            length = torch.linalg.vector_norm((near - x).flatten(2), dim=-1)
            outside |= (length > self.epsilon).view(*length.shape, *[1] * (x.ndim - 2))
        return torch.where(outside, inner, near)

    def _box(self, x: Tensor) -> tuple[Tensor | float, Tensor | float] | None:
        """Return the least and the largest values that x̂ may have; None where the ball has no faces and is not cut."""
        low, high = self.pixels if self.pixels is not None else (-math.inf, math.inf)
        if self.norm == "linf":
            return (x - self.epsilon).clamp_(min=low), (x + self.epsilon).clamp_(max=high)
        return self.pixels

    def _move(self, point: Tensor, slope: Tensor, x: Tensor, box: tuple[Tensor | float, Tensor | float] | None) -> None:
        """Take one step, overwriting the points and the slope."""
        if self.norm == "linf":
            point.add_(slope.sign_(), alpha=self.step)
        else:
            # However small the slope: that of a network which is sure of itself lies below 1e-12.
            point.copy_(step_in_ball(point, x, unit(slope.flatten(2)).view_as(x), self.step, self.epsilon))
        if box is not None:
            point.clamp_(*box)


def _keep(found: Tensor, highest: Tensor, point: Tensor, losses: Tensor) -> None:
    """Take up points whose loss is the highest so far, or NaN."""
    better = (losses > highest) | losses.isnan()
    highest.copy_(torch.where(better, losses, highest))
    found.copy_(torch.where(better.view(*better.shape, *[1] * (found.ndim - 2)), point, found))


def _is_range(pixels: Any) -> bool:
    try:
        low, high = pixels
    except (TypeError, ValueError):
        return False
    return isinstance(low, Real) and isinstance(high, Real) and low < high


def check_attack(attack: Attack, x: Float[Tensor, "n ..."]) -> None:
    """Raise ValueError unless an attack is one, and can be made on points."""
    if not isinstance(attack, Attack):
        raise ValueError(f"attack must be an Attack, got {attack!r}.")
    check_points(x)
    attack.check(x)


def attacked_points(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, attack: Attack, seed: int = 0
) -> Float[Tensor, "R n ..."]:
    """Return, for every replica, the points of the highest cross-entropy that an attack finds, x among them.

    Args:
        network: a `Stack` (R replicas, which share the random start) or any module that maps (n, ...) to (n, o)
            (R = 1); attacked in eval mode and left as it was.
        x: n points.
        y: their classes.
        attack: what is done.
        seed: of the random starts, one a place in x: a point alone starts where the first of a batch does.

    Raises:
        ValueError: x is not finite, leaves the range of pixels, does not resolve ball and step in its type or has no
            derivatives, y is not one class a point, or the network does not map (n, ...) to (n, o) with o ≥ 2, lets
            the points of a batch interact, or has outputs that autograd cannot follow.
    """
    check_attack(attack, x)
    with classifier(network, x) as (subject, classes):
        targets = labels(class_labels(y, len(x), classes, x.device))
        subject.check_derivative(x.detach())
        return search(subject, x.detach(), targets, attack, seed)


def labels(y: Int[Tensor, " n"]) -> Callable[[Float[Tensor, "R n o"]], Float[Tensor, "R n o"]]:
    """Return what makes classes the targets of an attack on the cross-entropy."""
    return lambda f: functional.one_hot(y, f.shape[-1]).expand(len(f), -1, -1)


def search(
    subject: Subject,
    x: Float[Tensor, "n ..."],
    target_of: Callable[[Float[Tensor, "R n o"]], Float[Tensor, "R n o"]],
    attack: Attack,
    seed: int,
    watching: Callable[[Gradient], Gradient] = lambda gradient: gradient,
) -> Float[Tensor, "R n ..."]:
    """Attack the soft cross-entropy −Σ_k target_k log softmax_k(f(x̂)) in parts of the points.

    Args:
        subject: what `lib.estimators.measuring.measured` gives.
        x: as in `attacked_points`, as are the attack and the seed.
        attack: how points are searched.
        seed: of the first points.
        target_of: makes targets from f(x).
        watching: sees every gradient on its way.
    """
    start = wide(x)
    if attack.random_start:
        start = start + attack.starts(x.shape, generator(seed, "attack")).to(start)
    start = start if attack.pixels is None else start.clamp(*attack.pixels)
    f = wide(subject.outputs(x))
    target, parts, gradients = target_of(f).to(f), [], {}
    for begin in range(0, len(x), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        points = x[part].expand(len(f), *x[part].shape).contiguous()
        size = points.shape[1]
        if size not in gradients:
            ours = isinstance(subject.network, Stack)
            own = StackGradient(subject.network.passes(size)) if ours else module_gradient(subject, x.dtype)
            gradients[size] = watching(own)
        parts.append(attack.search(gradients[size], points, target[:, part], start[part].expand_as(points)))
    return torch.cat(parts, dim=1)
