"""What one or two values a point tell about the derivatives at all of them, before any is looked at closely."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from lib.estimators.trust import SLIGHT, STEPS, factors, halves, of_precision, precision

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor

# Steps to one side, relative to the point, by precision of the numbers: small enough for curvature not to count.
_STEP = {1e-10: 1e-5, 1e-6: 5e-4}
# Groups of points that are evaluated among others than their neighbours.
_GROUPS = 16


def inward(points: Float[Tensor, "n ..."], step: float) -> Float[Tensor, "n ..."]:
    """Return points after a step towards 0, of a length of its own for every coordinate: x_ij (1 − 2 s u_ij).

    Zeros (black pixels), where units may have kinks, stay zero; no range that holds 0 is left; and points that were
    equal are no longer.
    """
    stream, features = torch.Generator().manual_seed(0), points[0].numel()
    # A window on the same numbers for every point: as many of its own would take longer than the network.
    shares = torch.rand(len(points) + features - 1, generator=stream, dtype=torch.float64, device="cpu")
    kept = (1 - 2 * step * shares).to(points).unfold(0, features, 1)
    return (points.flatten(1) * kept).view(points.shape)


def among_others(
    value: Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b o"]], points: Float[Tensor, "n ..."]
) -> Float[Tensor, "n o"]:
    """Return f at points in small groups, or alone if they are few; those with most zeros in the smallest ones.

    So padded sequences meet no longer ones, and everything else other neighbours than before.
    """
    stream = torch.Generator().manual_seed(0)
    chance = torch.rand(len(points), generator=stream, dtype=torch.float64, device="cpu").to(points.device)
    order = (torch.count_nonzero(points.flatten(1), dim=1) + chance).argsort()
    sizes, most = [1], -(-len(points) // _GROUPS)
    while sum(sizes) < len(points):
        sizes.append(min(sum(sizes), most, len(points) - sum(sizes)))
    values = torch.cat([value(part) for part in points[order].split(sizes)])
    return torch.empty_like(values).index_copy_(0, order, values)


class Sides:
    """Steps to both sides of points, a small one towards 0 first, and the other ones where they are asked for.

    Args:
        value: f.
        points: whose derivatives are judged.
        f: their values.
        rows: their derivatives.
    """

    def __init__(
        self,
        value: Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b o"]],
        points: Float[Tensor, "n ..."],
        f: Float[Tensor, "n o"],
        rows: Float[Tensor, "n o d"],
    ) -> None:
        self._value, self._points, self._f = value, points, f.double()
        self._eps = precision(points, f)
        self._moved = inward(points, of_precision(_STEP, self._eps))
        self._change = value(self._moved).double() - self._f
        self._expected = _along(rows, self._moved - points)

    def first(self) -> tuple[Bool[Tensor, " n"], Int[Tensor, " k"]]:
        """Return where the first step says what the derivative does, and the points at which it says something else,
        the furthest from it first; at all others it drowns in the rounding of f."""
        size = torch.maximum(self._change.norm(dim=1), self._expected.norm(dim=1))
        slight, start = of_precision(SLIGHT, self._eps), self._f.norm(dim=1)
        apart = (self._change - self._expected).norm(dim=1)
        told = size > 4 * self._eps / slight * start
        left = start.isfinite() & ~self._change.isfinite().all(dim=1)
        doubted = (told & size.isfinite() & (apart > slight * size)) | left
        far = torch.where(left, torch.inf, apart / size).nan_to_num(0, torch.inf)
        order = far.argsort(descending=True)
        return told & (apart <= slight * size), order[doubted[order]]

    def both(self, at: Int[Tensor, " k"]) -> tuple[Bool[Tensor, " k"], Bool[Tensor, " k"]]:
        """Return where the two sides of a step, which are alike there, say what the derivative does, and where they say
        something else; everywhere else there are kinks. NaN tells nothing."""
        behind = self._f[at] - self._value(2 * self._points[at] - self._moved[at]).double()
        noise = 2 * self._eps * self._f[at].norm(dim=1)
        telling, agree = halves(self._change[at], behind, self._expected[at], noise, self._eps)
        return telling & agree, telling & ~agree


def zeros_told(
    value: Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b o"]],
    points: Float[Tensor, "n ..."],
    f: Float[Tensor, "n o"],
    rows: Float[Tensor, "n o d"],
) -> Bool[Tensor, " n"]:
    """Return at which points coordinates that are 0 change f otherwise than the derivative says.

    No factor moves them; shares of the point's mean |x| do, to both sides. Where units have kinks the sides differ and
    tell nothing. By chance they may be alike there too, and so several directions have to say the same.

    Arguments are those of `Sides`; f may be NaN where it has no value.
    """
    eps = precision(points, f)
    steps = torch.tensor(of_precision(STEPS, eps), dtype=torch.float64, device=points.device)
    sizes = torch.stack([steps, -steps]).view(2, -1, 1, 1)
    flat = points.double().flatten(1)
    zero, mean = flat == 0, flat.abs().mean(dim=1, keepdim=True)
    noise = 8 * eps * f.double().norm(dim=1)
    found = zero.any(dim=1) & ~zero.all(dim=1)
    for direction in factors(points.shape[1:], 5)[2:].flatten(1).to(points.device):
        at = found.nonzero().flatten()
        if not len(at):
            break
        moved = (flat[at] + sizes * torch.where(zero[at], mean[at] * direction, 0)).to(points.dtype)
        there = value(moved.view(-1, *points.shape[1:])).double().unflatten(0, moved.shape[:3])
        ahead, behind = there[0] - f[at].double(), f[at].double() - there[1]
        expected = torch.stack([_along(rows[at], shift) for shift in (moved[0] - moved[1]) / 2])
        telling, agree = halves(ahead, behind, expected, noise[at], eps)
        found[at] = (telling & ~agree).any(dim=0) & ~(telling & agree).any(dim=0)
    return found


def _along(rows: Float[Tensor, "n o d"], steps: Float[Tensor, "n ..."]) -> Float[Tensor, "n o"]:
    """Return Jδ in float64, computed in the type of the derivatives."""
    # A few points at a time, in a fifth of a product's time.
    parts = zip(rows.split(32), steps.to(rows).flatten(1).unsqueeze(1).split(32), strict=True)
    return torch.cat([torch.linalg.vecdot(some, step) for some, step in parts]).double()
