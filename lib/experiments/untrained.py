"""Whole networks at initialization: P and the norms of J at points that all seeds share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from lib import checks, initializers
from lib.estimators import jacobian_spectrum
from lib.estimators.stability import stability_of_spectrum
from lib.networks import FCN
from lib.rows import Conditions, Outcome, Task
from lib.seeds import check_seed, generator

_DIGITS = 6
_POINTS_SEED = 3  # of the points, which no seed of a network changes


@dataclass(frozen=True)
class AtInitialization:
    """Settings of a network of Eq. (2) that is measured at its initialization: the first of a task's fields.

    Attributes:
        initializer, width, depth, in_features, out_features: as in `lib.networks.FCN`.
        seed: as the task says.

    Raises:
        ValueError: a value is out of range.
    """

    initializer: str
    width: int
    depth: int
    seed: int
    in_features: int = 784
    out_features: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "initializer", initializers.get(self.initializer).name)
        initializers.check_sizes(self.width, self.depth, self.in_features, self.out_features)

    def prepare(self, conditions: Conditions) -> None:
        """Need nothing: networks, points and laws are drawn."""


@dataclass(frozen=True)
class UntrainedNetwork(AtInitialization, Task):
    """Describe one network at its initialization, measured at points uniform on the unit sphere.

    Attributes:
        initializer, width, depth, in_features, out_features: as in `lib.networks.FCN`.
        seed: of its weights.
        points: their number; they are the same for every seed.

    Raises:
        ValueError: a value is out of range.
    """

    kind: ClassVar[str] = "untrained-network"
    points: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integers(points=self.points)
        check_seed(self.seed)

    def seconds(self, replicas: int) -> float:
        """Return a guess: the weights drawn, and one J at each point."""
        weights = self.width * (self.in_features + self.out_features) + self.width**2 * (self.depth - 2)
        return 0.01 + replicas * weights * (2e-8 + 4e-11 * self.points * self.out_features)

    @classmethod
    def compute(cls, stack: Sequence[UntrainedNetwork], conditions: Conditions) -> Outcome:
        """Measure the stack. P, jacobian_frobenius, jacobian_spectral: means over the points."""
        conditions.wait_while_paused()
        wall, processor = time.perf_counter(), time.process_time()
        first = stack[0]
        network = FCN(
            first.width,
            first.depth,
            first.in_features,
            first.out_features,
            first.initializer,
            replicas=len(stack),
            seed=first.seed,
            device=conditions.device,
        )
        x = unit_points(first.points, first.in_features).to(network.weights[0])
        eigenvalues = jacobian_spectrum(network, x)
        columns = {
            "P": stability_of_spectrum(eigenvalues, first.in_features).mean(dim=1),
            "jacobian_frobenius": eigenvalues.sum(dim=-1).sqrt().mean(dim=1),
            "jacobian_spectral": eigenvalues[..., -1].sqrt().mean(dim=1),
        }
        measurements = [
            [{"epoch": 0, **{name: float(f"{float(v[r]):.{_DIGITS}g}") for name, v in columns.items()}}]
            for r in range(len(stack))
        ]
        return Outcome(measurements, [None] * len(stack), time.perf_counter() - wall, time.process_time() - processor)


def unit_points(count: int, features: int) -> torch.Tensor:
    """Return points uniform on the unit sphere of R^d, always the same ones, shape (count, d)."""
    gaussian = torch.randn(count, features, generator=generator(_POINTS_SEED, "points"), device="cpu")
    return torch.nn.functional.normalize(gaussian)
