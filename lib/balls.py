"""ℓ2 balls around points: uniform draws from them, and the projection onto them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def uniform_in_ball(count: int, features: int, stream: torch.Generator) -> Float[Tensor, "count d"]:
    """Draw points uniformly from the unit ball of R^d, in float64: a uniform direction times U^{1/d}.

    Used by: the estimators that sample (chapters 02, 05 and 14).
    """
    direction = torch.randn(count, features, generator=stream, dtype=torch.float64)
    radius = torch.rand(count, 1, generator=stream, dtype=torch.float64) ** (1 / features)
    return radius * direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)


def project_onto_ball(shift: Float[Tensor, "... d"], radius: float) -> Float[Tensor, "... d"]:
    """Return each shift, shortened to length `radius` where it is longer.

    Used by: `lib.adversarial.pgd` and `lib.estimators.local_lipschitz`.
    """
    length = torch.linalg.vector_norm(shift, dim=-1, keepdim=True)
    return shift * (radius / length.clamp_min(radius)).nan_to_num(1)
