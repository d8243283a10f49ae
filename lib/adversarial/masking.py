"""Signs of masked gradients: an attack that something weaker beats measures the attack, not the network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from lib import checks
from lib.adversarial.ascent import Attack, attacked_points, check_attack, labels, search
from lib.adversarial.classifier import classifier
from lib.adversarial.resolution import wide
from lib.labels import class_labels, predicted
from lib.seeds import generator

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from lib.labels import Labels

# Standard errors of a share of points by which a weaker attack must be ahead: what remains is noise.
_NOISE = 3.0
_MORE_STEPS = 4


class Masking(NamedTuple):
    """Accuracy, (R,), that each attack leaves, and which of them beats the attack by more than noise.

    Attributes:
        attack: the attack that is judged.
        more_steps: four times its steps, each half as long.
        random: the best of uniform draws from the ball.
        transferred: points of the same attack on another network; None without one.
        flagged: whether more steps, random draws or transferred points leave clearly less than the attack.
    """

    attack: Float[Tensor, " R"]
    more_steps: Float[Tensor, " R"]
    random: Float[Tensor, " R"]
    transferred: Float[Tensor, " R"] | None
    flagged: Bool[Tensor, " R"]


def gradient_masking(
    network: nn.Module,
    x: Float[Tensor, "n ..."],
    y: Labels,
    attack: Attack,
    surrogate: nn.Module | None = None,
    draws: int = 50,
    seed: int = 0,
) -> Masking:
    """Compare an attack with what should be weaker than it, or no stronger than it.

    A network whose gradients tell nothing about its outputs looks robust to an attack that follows them. More steps
    then leave less, and so do random draws or the points found on another network. Unlike `attacked_points` this looks
    at networks that autograd cannot follow as well.

    Args:
        network: a stack, or any module; it and what follows are as in `attacked_points`.
        x: the points.
        y: their labels.
        attack: the attack that is judged.
        seed: of its first points.
        surrogate: another network for the same task, whose points are tried; its first replica.
        draws: uniform draws a point.

    Raises:
        ValueError: draws < 1, or as `attacked_points`, except that the network needs no derivative.

    Source: Athalye, Carlini and Wagner 2018, §3.1; Carlini et al. 2019.
    """
    checks.integers(draws=draws)
    check_attack(attack, x)
    longer = replace(attack, steps=_MORE_STEPS * attack.steps, step_size=attack.step / 2)
    x = x.detach()
    with classifier(network, x) as (subject, classes):
        y = class_labels(y, len(x), classes, x.device)
        clean = predicted(subject.values(x)) == y

        def left(points: Tensor) -> Tensor:
            with torch.no_grad():
                return clean & (predicted(subject.at_own_points(points)) == y)

        direct = left(search(subject, x, labels(y), attack, seed))
        more = left(search(subject, x, labels(y), longer, seed))
        stream, chance = generator(seed, "random search"), clean
        for _ in range(draws):
            point = wide(x) + attack.starts(x.shape, stream).to(wide(x))
            point = point if attack.pixels is None else point.clamp(*attack.pixels)
            chance = chance & left(point.to(x).expand(subject.replicas, *x.shape))
        transferred = None
        if surrogate is not None:
            theirs = attacked_points(surrogate, x, y, attack, seed)[:1]
            transferred = left(theirs.expand(subject.replicas, *x.shape))
    weaker = [more, chance] + ([] if transferred is None else [transferred])
    flagged = torch.stack([_clearly_fewer(other, direct) for other in weaker]).any(dim=0)
    shares = [hits.double().mean(dim=1) for hits in (direct, more, chance)]
    return Masking(*shares, None if transferred is None else transferred.double().mean(dim=1), flagged)


def _clearly_fewer(other: Tensor, direct: Tensor) -> Bool[Tensor, " R"]:
    """Return whether other leaves fewer points than direct by more than noise: a sign test of those that differ."""
    lost, gained = (direct & ~other).sum(dim=1).double(), (other & ~direct).sum(dim=1).double()
    return lost - gained > _NOISE * (lost + gained).sqrt()
