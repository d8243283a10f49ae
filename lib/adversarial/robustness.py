"""What an attack leaves: accuracy, stability in the sense of Wu et al., and the slope of the divergence in the ball."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from lib.adversarial.ascent import Attack, attacked_points, check_attack, search
from lib.adversarial.classifier import classifier
from lib.adversarial.gradients import Gradient
from lib.labels import class_labels, predicted

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from lib.labels import Labels


class Robustness(NamedTuple):
    """What happened to each point under attack; outputs that are not finite are no prediction.

    Attributes:
        correct: the prediction at x is right.
        stable: the attack does not change the prediction. **Wu et al.'s perturbation stability** is the mean: higher is
            better, and it is another thing than Zhu et al.'s P.
        robust: the prediction is right at x and at the attacked point, that is, correct and stable.
    """

    correct: Bool[Tensor, "R n"]
    stable: Bool[Tensor, "R n"]
    robust: Bool[Tensor, "R n"]


def robustness(network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, attack: Attack, seed: int = 0) -> Robustness:
    """Return what an attack on the cross-entropy leaves of the predictions at each point.

    Arguments and errors are those of `attacked_points`.

    Source: Wu et al. 2021, §3: robust = correct and stable.
    """
    return at_points(network, x, y, attacked_points(network, x, y, attack, seed))


def at_points(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, attacked: Float[Tensor, "R n ..."]
) -> Robustness:
    """Return the same for attacked points that are already there."""
    with classifier(network, x) as (subject, classes), torch.no_grad():
        y = class_labels(y, len(x), classes, x.device)
        natural = predicted(subject.values(x))
        size = len(x) if subject.lead == 2 else subject.points_at_once()
        after = torch.cat([predicted(subject.at_own_points(part)) for part in attacked.split(size, 1)], dim=1)
    return Robustness(natural == y, (after == natural) & (natural >= 0), (natural == y) & (after == y))


def divergence_slope(
    network: nn.Module, x: Float[Tensor, "n ..."], attack: Attack, seed: int = 0
) -> Float[Tensor, "R n"]:
    """Return max ‖∇_x̂ KL(softmax f(x) ‖ softmax f(x̂))‖₁ over the steps of an attack on that divergence.

    It is the "local Lipschitzness" of Wu et al.'s public code, for each point; there the maxima are **summed over the
    batch**, so that their numbers are those of a batch of 64, and only for TRADES. `lib.estimators.local_lipschitz`
    gives the maximal gradient of the network itself.

    Arguments and errors are those of `attacked_points`.

    Source: Wu et al. 2021, their public code.
    """
    seen: list[Tensor] = []

    def watching(gradient: Gradient) -> Gradient:
        def compute(points: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            losses, slope = gradient(points, target)
            seen.append(slope.flatten(2).abs().sum(dim=2))
            return losses, slope

        return compute

    check_attack(attack, x)
    with classifier(network, x) as (subject, _):
        subject.check_derivative(x.detach())
        search(subject, x.detach(), lambda f: f.softmax(dim=-1), attack, seed, watching)
    # Every part of the points is passed as often: at x, at each step and at the end.
    passes = attack.steps + 2
    parts = [torch.stack(seen[i : i + passes]).amax(dim=0) for i in range(0, len(seen), passes)]
    return torch.cat(parts, dim=1)
