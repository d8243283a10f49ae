"""What adversarial training minimises: natural risk + λ · robust regularization, with gradients written out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from lib.training.losses import log_softmax

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Risk(NamedTuple):
    """The two parts of an objective at each point, and the gradient of their sum in the outputs.

    Attributes:
        natural: what the network loses at x.
        regularization: what the attack adds, before it is multiplied by λ; never negative.
        at_natural, at_attacked: gradients in f(x) and f(x̂), of the sum over points.
    """

    natural: Float[Tensor, "R n"]
    regularization: Float[Tensor, "R n"]
    at_natural: Float[Tensor, "R n o"]
    at_attacked: Float[Tensor, "R n o"]


class Objective(ABC):
    """An objective of adversarial training, mean[natural risk + λ · regularization]."""

    @abstractmethod
    def target(self, natural: Float[Tensor, "R n o"], rows: Float[Tensor, "R n o"]) -> Float[Tensor, "R n o"]:
        """Return what the attack compares softmax f(x̂) with: it maximises −Σ_k target_k log softmax_k(f(x̂)).

        Args:
            natural: f(x).
            rows: the labels, one-hot.
        """

    @abstractmethod
    def risk(
        self,
        natural: Float[Tensor, "R n o"],
        attacked: Float[Tensor, "R n o"],
        rows: Float[Tensor, "R n o"],
        strength: Float[Tensor, " R"],
    ) -> Risk:
        """Return both parts and their gradients.

        Args:
            natural: f(x).
            attacked: f(x̂).
            rows: the labels, one-hot.
            strength: λ of every replica.
        """


class CrossEntropy(Objective):
    """Wu et al.'s λ-form, mean[L(x) + λ · max(L(x̂) − L(x), 0)]: λ = 1 is Madry et al.'s objective, max(L(x̂), L(x)).

    Source: Wu et al. 2021, their objective and their public code; Madry et al. 2018.
    """

    def target(self, natural: Tensor, rows: Tensor) -> Tensor:
        """Return the labels."""
        return rows

    def risk(self, natural: Tensor, attacked: Tensor, rows: Tensor, strength: Tensor) -> Risk:
        """Return L(x), max(L(x̂) − L(x), 0) and their gradients."""
        log_p, log_q = log_softmax(natural), log_softmax(attacked)
        loss, worse = -(log_p * rows).sum(dim=-1), -(log_q * rows).sum(dim=-1)
        # The ball holds x itself, so that the maximum over it is never below L(x).
        counts = (strength.unsqueeze(1) * (worse > loss)).unsqueeze(-1)
        return Risk(
            loss, (worse - loss).clamp_min(0), (1 - counts) * (log_p.exp() - rows), counts * (log_q.exp() - rows)
        )


class Trades(Objective):
    """TRADES, mean[L(x) + λ · KL(softmax f(x) ‖ softmax f(x̂))].

    Source: Zhang et al. 2019, Eq. (5), where λ is called β.
    """

    def target(self, natural: Tensor, rows: Tensor) -> Tensor:
        """Return softmax f(x): −Σ p log q is the divergence and a constant."""
        return natural.softmax(dim=-1)

    def risk(self, natural: Tensor, attacked: Tensor, rows: Tensor, strength: Tensor) -> Risk:
        """Return L(x), the divergence and their gradients."""
        log_p, log_q = log_softmax(natural), log_softmax(attacked)
        p, q = log_p.exp(), log_q.exp()
        ratio = log_p - log_q
        divergence = (p * ratio).sum(dim=-1)
        weight = strength.view(-1, 1, 1)
        at_natural = p - rows + weight * p * (ratio - divergence.unsqueeze(-1))
        return Risk(-(log_p * rows).sum(dim=-1), divergence.clamp_min(0), at_natural, weight * (q - p))


OBJECTIVES: dict[str, Objective] = {"cross_entropy": CrossEntropy(), "trades": Trades()}
