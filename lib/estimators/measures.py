"""Everything that this book says of one network, measured in one go, each with its cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from lib import checks
from lib.estimators.calls import check_points
from lib.estimators.costs import Cost, with_cost
from lib.estimators.laziness import Initial, lazy_training_ratio
from lib.estimators.lipschitz import local_lipschitz
from lib.estimators.spectrum import jacobian_spectrum, outputs
from lib.estimators.stability import monte_carlo_stability, relative_to_output, stability_of_spectrum
from lib.labels import class_labels, predicted

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.labels import Labels

# Points between two reports of progress. Fixed, so that nobody who looks on changes a rounding.
_PART = 64


class Measure(NamedTuple):
    """One quantity of a network.

    Attributes:
        name: what was measured.
        values: (R, n) where it has a value at each point, else (R,); NaN where it is undefined.
        error: standard errors of sampled values, of the same shape; None where there is nothing random.
        cost: of all that was computed for it; None where it follows from the line before.
    """

    name: str
    values: Float[Tensor, "R ..."]
    error: Float[Tensor, "R ..."] | None = None
    cost: Cost | None = None

    @property
    def mean(self) -> float:
        """The mean over replicas and points: NaN where any of them is undefined."""
        return float(self.values.double().mean())

    @property
    def mean_error(self) -> float | None:
        """A bound of the standard error of the mean: errors of points share their draws, so theirs are averaged."""
        return None if self.error is None else float(self.error.double().mean())


def measures(
    network: nn.Module,
    x: Float[Tensor, "n ..."],
    y: Labels | None = None,
    epsilon: float = 1.0,
    samples: int = 1000,
    radius: float | None = None,
    steps: int = 30,
    initial: Initial | None = None,
    seed: int = 0,
    advance: Callable[[str, int], None] | None = None,
) -> list[Measure]:
    """Return P exact, root mean square and sampled, the relative stability and, where asked for, κ, L and accuracy.

    Args:
        network: as in `perturbation_stability`.
        x: the points.
        y: classes of the points, for the accuracy; None leaves it out.
        epsilon: ε > 0, the radius of the perturbations.
        samples: draws of δ for the sampled P; 0 leave it out.
        radius: of the balls of L, as in `local_lipschitz`; None leaves it out.
        steps: of the ascent in them.
        initial: as in `lazy_training_ratio`; None leaves κ out.
        seed: of all that is drawn.
        advance: called with the name of a measure and the number of its points that are done, from 0 on.

    Raises:
        ValueError: as the estimators, or y is not one class a point.
    """
    epsilon = checks.positive(epsilon=epsilon)
    checks.integers(least=0, samples=samples)
    check_points(x)
    features, device = x[0].numel(), x.device

    def by_parts(name: str, measure: Callable[[Tensor], tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...], Cost]:
        def every() -> tuple[Tensor, ...]:
            found, done = [], 0
            for part in x.split(_PART):
                if advance is not None:
                    advance(name, done)
                found.append(measure(part))
                done += len(part)
            if advance is not None:
                advance(name, done)
            return tuple(torch.cat(tensors, dim=1) for tensors in zip(*found, strict=True))

        return with_cost(every, device)

    result = []
    if initial is not None:  # first, since it costs nothing and a checkpoint may not fit
        kappa, cost = with_cost(lambda: lazy_training_ratio(network, initial), device)
        result.append(Measure("κ", kappa, cost=cost))
    # Refuses what cannot be measured before anything is timed, and lets torch import what it imports at first use.
    first = outputs(network, x[:1])
    if y is not None:
        y = class_labels(y, len(x), first.shape[-1], first.device)
    name = "P, exact"
    (eigenvalues, f), cost = by_parts(name, lambda part: (jacobian_spectrum(network, part), outputs(network, part)))
    stability = stability_of_spectrum(eigenvalues, features)
    relative = torch.full(stability.shape[:1], torch.nan, dtype=torch.float64)
    if bool((torch.linalg.vector_norm(x.flatten(1), dim=1) > 0).all()):  # zero and NaN have none
        relative = relative_to_output(stability, f, x)
    mean_square = epsilon * torch.sqrt(eigenvalues.sum(dim=-1) / (features + 2))
    result += [
        Measure(name, epsilon * stability, cost=cost),
        Measure("root mean square", mean_square),
        Measure("relative stability", relative),
    ]
    if y is not None:
        result.append(Measure("accuracy", (predicted(f) == y).double()))
    if samples:
        name = f"P, {samples:,} draws"
        (values, error), cost = by_parts(name, lambda p: monte_carlo_stability(network, p, epsilon, samples, seed))
        result.append(Measure(name, values, error, cost))
    if radius is not None:
        name = f"local Lipschitz, radius {radius:g}"
        (values,), cost = by_parts(name, lambda part: (local_lipschitz(network, part, radius, steps),))
        result.append(Measure(name, values, cost=cost))
    return result
