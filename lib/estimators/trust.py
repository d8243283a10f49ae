"""May a derivative be believed? Points alone are compared with themselves in a batch, autograd with differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

# Two derivatives of one example agree if their lengths, from which every estimator's number comes, differ by less than
# the first number, and they themselves by less than the second, as its values must. Up to the third it is rounding
# (products of other shapes are summed in another order), and examples are then measured one by one; above it, they
# interact.
AGREE_LENGTHS, AGREE, ROUNDING = 5e-7, 1e-5, 2e-2
# Steps of differences relative to the point, by precision of the numbers: the first is for networks that round inside
# to fewer digits than they return, and only compared where smaller steps drown.
STEPS = {1e-10: (1e-1, 1e-2, 1e-4, 1e-6), 1e-6: (1e-1, 1e-2, 1e-3, 1e-4), 1.0: (2e-1, 5e-2)}
_ALLOWED, _ALLOWED_WIDE = 0.05, 0.25
# The share of a change that a derivative may miss where the two halves of a step agree as well, by precision of the
# numbers.
SLIGHT = {1e-10: 1e-4, 1e-6: 5e-3, 1.0: 0.05}


def gap(one: Tensor, other: Tensor, size: float = 0.0) -> float:
    """Return ‖one − other‖ / (‖other‖ + size), over the entries that are finite in both; 1 where just one is finite."""
    return float(gaps(one.reshape(1, -1), other.reshape(1, -1), size))


def gaps(one: Float[Tensor, "n k"], other: Float[Tensor, "n k"], size: float = 0.0) -> Float[Tensor, " n"]:
    """Return `gap` row by row."""
    one, other = one.detach().double(), other.detach().double()
    finite = one.isfinite() & other.isfinite()
    apart = torch.where(finite, one - other, 0).norm(dim=1)
    scale = torch.where(finite, other, 0).norm(dim=1) + size
    relative = torch.where((apart > 0) & (scale > 0), apart / scale, (apart > 0).double())
    return torch.where((one.isfinite() == other.isfinite()).all(dim=1), relative, 1)


def refuse_interaction(apart: float, points: int) -> None:
    """Raise ValueError if an example's value alone and that in its batch are further apart than rounding brings them.

    Raises:
        ValueError: they are; the value of an example would depend on its batch.
    """
    if apart > ROUNDING:
        raise ValueError(
            "network must compute each example by itself in eval mode; alone, an example's output or derivative "
            f"differs by {apart:.2g} of its size from that in a batch of {points}. Let the batch be the first axis "
            "(batch_first=True), and replace statistics of the batch and whatever is random in eval mode."
        )


def refuse_unsteady(apart: float, allowed: float) -> None:
    """Raise ValueError if a second call on the same point gave other outputs than the first one.

    Raises:
        ValueError: it did; what is measured would depend on when it is measured.
    """
    if apart > allowed:
        raise ValueError(
            "network must compute the same outputs whenever it is called in eval mode; those of a later call differ by "
            f"{apart:.2g} of their size. Replace what is random there, and what calls change (statistics, caches, "
            "states that are carried over)."
        )


def refuse_constant(changes: bool) -> None:
    """Raise ValueError if f changes with x although its derivative is 0 wherever it was asked for.

    Raises:
        ValueError: it does.
    """
    if changes:
        raise ValueError(
            "network must have outputs that autograd can differentiate; they change with x, but their derivative is 0 "
            "everywhere. Look for no_grad, detach, NumPy, rounding or quantized layers on the way."
        )


def refuse_contradiction(missed: float | None = None) -> None:
    """Raise ValueError: f changes along a small step otherwise than its derivative says, if known by which share.

    Raises:
        ValueError: always.
    """
    share = "" if missed is None else f" (by {missed:.2g} of the change)"
    raise ValueError(
        "network must have outputs that autograd can differentiate; along a small step they change otherwise than its "
        f"derivative says{share}. Look for no_grad, detach, NumPy, rounding, or a backward of its own on the way."
    )


def as_said(ahead: Tensor, behind: Tensor, expected: Tensor, noise: float, eps: float) -> Bool[Tensor, " steps"]:
    """Return False for steps across a point that contradict a derivative; True where they agree, or tell nothing.

    Arguments are those of `halves`, by steps. One step that tells and agrees speaks for all.
    """
    telling, agree = halves(ahead, behind, expected, noise, eps)
    return agree | ~telling | (telling & agree).any(dim=0)


def halves(
    ahead: Float[Tensor, "*b k"],
    behind: Float[Tensor, "*b k"],
    expected: Float[Tensor, "*b k"],
    noise: float | Float[Tensor, " n"],
    eps: float,
) -> tuple[Bool[Tensor, "*b"], Bool[Tensor, "*b"]]:
    """Return which steps across a point tell something about its derivative, and which agree with it.

    The two halves of a step, ahead and behind, differ by curvature, kinks and roundings, and what these may do to the
    whole is no more. So a derivative that misses a small share (a branch cut off, a backward of one's own) is told.

    Args:
        ahead: f(x + δ) − f(x), by steps; NaN tells nothing.
        behind: f(x) − f(x − δ), in the same shape.
        expected: Jδ.
        noise: what one difference may be off by.
        eps: of the numbers.
    """
    slight = of_precision(SLIGHT, eps)
    across = (ahead + behind) / 2
    size = torch.maximum(across.norm(dim=-1), expected.norm(dim=-1))
    allowed = torch.maximum((ahead - behind).norm(dim=-1), slight * size)
    allowed = torch.where(allowed > 4 * noise, allowed, 4 * noise)
    telling = (allowed <= 2 * slight * size) & (across.norm(dim=-1) > noise)
    return telling, (across - expected).norm(dim=-1) <= allowed


def steps_off(
    value: Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b o"]],
    points: Float[Tensor, "b ..."],
    f: Float[Tensor, "b o"],
) -> Bool[Tensor, " b"]:
    """Return at which points, whose derivative is all zero, f changes in proportion to a small step: at kinks.

    A dead unit changes nothing, an extremum the less the smaller the step is, and a kink that only lies near is not
    reached by the smallest steps that rounding lets count.
    """
    eps = precision(points, f)
    finest = of_precision(STEPS, eps)[-1]
    signs = factors(points.shape[1:], 2)[-1].to(points.device)

    def change(step: float) -> Float[Tensor, " b"]:
        moved = [(points.double() * (1 + sign * step * signs)).to(points.dtype) for sign in (1, -1)]
        apart = torch.stack([(value(at).double() - f.double()).norm(dim=1) for at in moved])
        return apart.nan_to_num(0, torch.inf).amax(dim=0)

    step, noise = finest, 4 * eps * f.double().norm(dim=1)
    small, large = change(step), change(10 * step)
    found = (small > noise) & (30 * small > large)
    while bool(found.any()) and step >= 80 * eps:
        step /= 10
        telling, large, small = small > 20 * noise, small, change(step)
        found &= ~telling | (30 * small > large)
    return found


def refuse_derivative(
    value: Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b o"]],
    derivative: Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b o d"]],
    point: Float[Tensor, "1 ..."],
    rows: Float[Tensor, "o d"],
) -> None:
    """Raise ValueError if the derivative at a point is not that of the values around it.

    The point is scaled, and its coordinates by factors of their own, so that zeros (black pixels), where units may have
    kinks, stay zero. Differences to either side and across the point count, at several sizes: the derivative must be
    the limit of one of them in every direction. Where it is zero, the values must not change, or some derivative
    nearby must not be zero: a network with dead units passes, one that autograd cannot follow does not.

    Args:
        value: f.
        derivative: its derivative in b points.
        point: one point.
        rows: the derivative there.

    Raises:
        ValueError: they disagree.
    """
    f = value(point)
    start, rows = f.double(), rows.double()
    if not (start.isfinite().all() and rows.isfinite().all() and point.isfinite().all()):
        return
    eps = precision(point, f)
    steps = of_precision(STEPS, eps)
    base = point.double() if bool((point != 0).any()) else torch.ones_like(point, dtype=torch.float64)
    directions = base * factors(point.shape[1:], 4).to(point.device)
    offsets = torch.stack([sign * step * directions for sign in (1, -1) for step in steps])
    moved = (point.double() + offsets).to(point.dtype)  # (signs × steps, directions, ...)
    there = torch.stack([value(part).double() for part in moved]).unflatten(0, (2, -1))
    shifts = (moved - point).double().flatten(2).unflatten(0, (2, -1))
    changes, noise = there - start, 4 * eps * float(start.norm())
    if not bool(rows.any()):
        _refuse_steps(derivative, moved.flatten(0, 1), changes.flatten(0, 2), noise)
        return
    if not bool((point != 0).any()):
        return  # at a kink of everything
    slight = as_said(changes[0].flatten(1), -changes[1].flatten(1), (shifts[0] @ rows.T).flatten(1), 2 * noise, eps)
    # Across the point, forwards and backwards: (3, steps, directions, ·).
    changes = torch.cat([changes, (changes[0] - changes[1])[None]])
    shifts = torch.cat([shifts, (shifts[0] - shifts[1])[None]])
    expected = shifts @ rows.T
    size = torch.maximum(changes.norm(dim=-1), expected.norm(dim=-1))
    apart = (changes - expected).norm(dim=-1) / torch.where(size > 0, size, 1)
    told = size > 10 * noise
    best = torch.where(told, apart, torch.inf)[:, 1:].amin(dim=(0, 1))
    wide = torch.where(told, apart, torch.inf)[:, 0].amin(dim=0)
    drowned = (changes[:, 1:].norm(dim=-1) <= noise).any(dim=1).any(dim=0) | ~told[:, 1:].any(dim=1).any(dim=0)
    allowed = _ALLOWED if eps <= 1e-6 else _ALLOWED_WIDE
    # A saturated softmax: where small steps drown and the two halves of every wider one differ, nothing contradicts.
    bent = (changes[0] + changes[1]).norm(dim=-1) > _ALLOWED_WIDE * size.amax(dim=0)
    silent = drowned & ~(told & ~bent).any(dim=(0, 1))
    agrees = (best <= allowed) | (drowned & (wide <= _ALLOWED_WIDE)) | silent
    if not bool(agrees.all() & (slight.all() | (eps > 1e-6))):
        missed = max(float(best.max()), of_precision(SLIGHT, eps))
        refuse_contradiction(missed)


def precision(points: Tensor, f: Tensor) -> float:
    """Return the coarser eps of the points and their values."""
    return max(torch.finfo(points.dtype).eps, torch.finfo(f.dtype).eps)


def of_precision(values: dict[float, Any], eps: float) -> Any:
    """Return the value for numbers of a precision."""
    return next(value for finest, value in values.items() if eps <= finest)


def factors(shape: tuple[int, ...], count: int) -> Float[Tensor, "count ..."]:
    """Return factors of the coordinates for several directions: all 1, all positive, and then of random signs."""
    stream = torch.Generator().manual_seed(0)
    found = 0.5 + torch.rand((count, *shape), generator=stream, dtype=torch.float64, device="cpu")
    signs = torch.randint(0, 2, (count, *shape), generator=stream, device="cpu") * 2 - 1
    found[0] = 1
    found[2:] *= signs[2:]
    return found


def _refuse_steps(
    derivative: Callable[[Tensor], Tensor], moved: Tensor, changes: Float[Tensor, "b o"], noise: float
) -> None:
    changed = changes.norm(dim=-1) > noise
    refuse_constant(bool(changed.any()) and not bool(derivative(moved[changed]).any()))
