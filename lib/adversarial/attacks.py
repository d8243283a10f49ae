"""Perturbed points: random and worst-case ones in an ℓ2 ball, and the accuracy that is left on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lib import checks
from lib.adversarial.classifier import classifier
from lib.adversarial.resolution import check_shift, wide
from lib.balls import step_in_ball, unit
from lib.estimators.calls import check_points
from lib.labels import class_labels, predicted
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from lib.estimators.subject import Subject
    from lib.labels import Labels

# Points of one pass of a stack.
_CHUNK = 100


def noise_accuracy(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, radius: float, seed: int = 0
) -> Float[Tensor, " R"]:
    """Return the accuracy on x + δ with one δ a point, uniform on the sphere ‖δ‖₂ = radius.

    Every replica sees the same δ, which the seed and the point's place in x give. Networks and points are those of
    `pgd`. Outputs that are not finite are no class.

    Raises:
        ValueError: as `pgd`, except that no derivative is needed.
    """
    radius = checks.positive(radius=radius)
    check_points(x)
    check_shift(x, "radius", radius)
    with classifier(network, x) as (subject, classes):
        y = class_labels(y, len(x), classes, x.device)
        delta = radius * functional.normalize(_directions(x, seed), dim=1).view(x.shape)
        return _accuracy(subject, _stacked(subject, (wide(x) + delta.to(wide(x))).to(x)), y)


def _directions(x: Float[Tensor, "n ..."], seed: int) -> Float[Tensor, "n d"]:
    """Draw normal numbers in float64, of which a point's do not depend on how many points follow.

    Torch makes the last sixteen of a draw anew where its size is no multiple of sixteen; so each point draws one.
    """
    features = x[0].numel()
    size = (len(x), -(-features // 16) * 16)
    return torch.randn(size, generator=generator(seed, "noise"), dtype=torch.float64, device="cpu")[:, :features]


def pgd_accuracy(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, radius: float, steps: int = 10
) -> Float[Tensor, " R"]:
    """Return the accuracy on the points that `pgd` finds in the ℓ2 ball (claims 22, 58, 60)."""
    points = pgd(network, x, y, radius, steps)
    with classifier(network, x) as (subject, classes):
        return _accuracy(subject, points, class_labels(y, len(x), classes, x.device))


def pgd(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, radius: float, steps: int = 10
) -> Float[Tensor, "R n ..."]:
    """Maximise the cross-entropy over ‖x̂ − x‖₂ ≤ radius by projected gradient ascent, from x, for every replica.

    A step moves each point by 2.5·radius/steps along its normalised gradient and projects onto the ball. The ball is
    not cut by the range of the pixels: it is the set over which Definition 1 averages. Points in less than float32 are
    moved in float32 beside the network, which takes them rounded.

    Args:
        network: a `Stack` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1); attacked in eval mode and
            left as it was.
        x: n points of floating numbers.
        y: their classes.
        radius: of the ball, in the units of x.
        steps: at least 1.

    Raises:
        ValueError: the radius is not positive, steps is no integer of at least 1, x is empty, not finite, does not
            resolve ball and step in its type or has no derivatives, y is not one class a point, or the network does
            not map (n, ...) to (n, o) with o ≥ 2, lets the points of a batch interact, or has outputs that autograd
            cannot follow.

    Source: Madry et al. 2018, §2.1.
    """
    radius = checks.positive(radius=radius)
    checks.integers(steps=steps)
    check_points(x)
    check_shift(x, "radius", radius)
    check_shift(wide(x), "2.5·radius/steps", 2.5 * radius / steps)
    with classifier(network, x) as (subject, classes):
        y = class_labels(y, len(x), classes, x.device)
        subject.check_derivative(x.detach())
        start, found = _stacked(subject, x), []
        for part in _parts(subject, len(x)):
            found.append(_ascended(subject, start[:, part], y[part], radius, steps))
        return torch.cat(found, dim=1)


def _ascended(
    subject: Subject, start: Float[Tensor, "R n ..."], y: Int[Tensor, " n"], radius: float, steps: int
) -> Float[Tensor, "R n ..."]:
    kind, center = start.dtype, wide(start)
    point = center.clone()
    for _ in range(steps):
        moved = point.detach().to(kind).requires_grad_()
        f = wide(subject.at_own_points(moved))
        loss = functional.cross_entropy(f.flatten(0, 1), y.repeat(len(f)), reduction="sum")
        move = unit(wide(subject.gradient(loss, moved)).flatten(2)).view_as(point)
        point = step_in_ball(point, center, move, 2.5 * radius / steps, radius)
    return point.to(kind)


def _stacked(subject: Subject, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R n ..."]:
    return x.detach().expand(subject.replicas, *x.shape)


def _parts(subject: Subject, points: int) -> Iterator[slice]:
    """Yield the points that are computed together: of a stack few enough for a cache, of another module what fits."""
    size = _CHUNK if subject.lead == 2 else subject.points_at_once()
    yield from (slice(start, start + size) for start in range(0, points, size))


def _accuracy(subject: Subject, points: Float[Tensor, "R n ..."], y: Int[Tensor, " n"]) -> Float[Tensor, " R"]:
    with torch.no_grad():
        f = torch.cat([subject.at_own_points(points[:, part]) for part in _parts(subject, len(y))], dim=1)
    return (predicted(f) == y).double().mean(dim=1)
