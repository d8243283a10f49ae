"""ℓ2 balls around points: uniform draws from them, the projection onto them, and directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def uniform_in_ball(count: int, features: int, stream: torch.Generator) -> Float[Tensor, "count d"]:
    """Draw points uniformly from the unit ball of R^d, in float64: a uniform direction times U^{1/d}."""
    direction = torch.randn(count, features, generator=stream, dtype=torch.float64, device="cpu")
    radius = torch.rand(count, 1, generator=stream, dtype=torch.float64, device="cpu") ** (1 / features)
    return radius * direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)


def project_onto_ball(shift: Float[Tensor, "... d"], radius: float) -> Float[Tensor, "... d"]:
    """Return each shift, shortened to length `radius` where it is longer."""
    # In units of the radius' power of two, which changes no digit, squares stay within the floats.
    fraction, exponent = math.frexp(radius)
    wide = shift.to(torch.promote_types(shift.dtype, torch.float32))
    length = torch.linalg.vector_norm(wide * math.ldexp(1.0, -exponent), dim=-1, keepdim=True)
    return shift * (fraction / length.clamp_min(fraction)).nan_to_num(1).to(shift.dtype)


def step_in_ball(
    point: Float[Tensor, "R n ..."],
    center: Float[Tensor, "R n ..."],
    direction: Float[Tensor, "R n ..."],
    step: float,
    radius: float,
) -> Float[Tensor, "R n ..."]:
    """Move points of a ball along their directions, and back onto it where they leave it."""
    shift = (point + step * direction - center).flatten(2)
    return center + project_onto_ball(shift, radius).view_as(center)


def unit(vectors: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
    """Return each vector at length 1, or 0 where it is 0 or not finite."""
    # Largest entry first: the squares of a deep non-lazy network's derivative leave float32's range.
    scaled = vectors / vectors.abs().amax(dim=-1, keepdim=True)
    scaled = scaled / torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return scaled.nan_to_num(0, 0, 0)
