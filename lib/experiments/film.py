"""How the neurons of one two-layer network move while it trains: three frames, and the way between them."""

from __future__ import annotations

import copy
from typing import NamedTuple

from lib.estimators import distinct_directions
from lib.experiments.regimes import WidthScan, build, points
from lib.networks import FCN
from lib.training import FlowState, gradient_flow


class Film(NamedTuple):
    """A network that trained by gradient flow, and what was seen on the way.

    Attributes:
        gamma: its scale γ, at γ' = 0.
        frames: copies of it at the start, at the first loss of at most half the first one, and at the end.
        losses: the loss after every step.
        directions: the number of distinct directions of its neurons after every step.
    """

    gamma: float
    frames: tuple[FCN, FCN, FCN]
    losses: list[float]
    directions: list[float]


def film(gamma: float, width: int, seed: int) -> Film:
    """Train a two-layer network on Luo et al.'s line from (γ, 0) and return what its neurons did.

    Args:
        gamma: γ > 0.
        width: m; even where γ ≤ ½, whose networks start at f = 0.
        seed: as in `lib.networks.FCN`.

    Raises:
        ValueError: a value is out of range.
    """
    network = build(WidthScan("line", 2, gamma, 0.0, (width,), seed), width)
    moving, frames = copy.deepcopy(network), [copy.deepcopy(network)]
    losses: list[float] = []
    directions: list[float] = []

    def observe(state: FlowState) -> None:
        for kept, now in zip(moving.weights, state.weights, strict=True):
            kept.data.copy_(now)
        losses.append(float(state.loss[0]))
        directions.append(float(distinct_directions(moving)[0]))
        if len(frames) == 1 and losses[-1] <= losses[0] / 2:
            frames.append(copy.deepcopy(moving))

    gradient_flow(network, points("line"), observe=observe)
    start, half = frames[0], frames[-1]
    return Film(gamma, (start, half, copy.deepcopy(network)), losses, directions)
