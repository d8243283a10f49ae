"""Networks at initialization drawn in law: a batch of directional derivatives and outputs takes the place of a seed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lib import checks
from lib.experiments.untrained import AtInitialization
from lib.rows import Conditions, Outcome, Task
from lib.theory.initialization import sample_directional_derivative

_DIGITS = 6


@dataclass(frozen=True)
class InitialLaw(AtInitialization, Task):
    """Describe one batch of `sample_directional_derivative`: networks of one cell, none of whose weights is drawn.

    Attributes:
        initializer, width, depth, in_features, out_features: of the networks.
        seed: of the batch; batches are independent.
        draws: networks in it.

    Raises:
        ValueError: a value is out of range.
    """

    kind: ClassVar[str] = "initial-law"
    draws: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integers(draws=self.draws)
        checks.integers(least=0, seed=self.seed)

    def seconds(self, replicas: int) -> float:
        """Return a guess: four random numbers a draw and layer."""
        return replicas * 1.2e-7 * self.draws * self.depth

    @classmethod
    def compute(cls, stack: Sequence[InitialLaw], conditions: Conditions) -> Outcome:
        """Draw the batches. rms_derivative, rms_output: √ of the means of ‖Ju‖² and ‖f‖²; mean_derivative: of ‖Ju‖."""
        wall, processor = time.perf_counter(), time.process_time()
        measurements = []
        for task in stack:
            conditions.wait_while_paused()
            sizes = (task.width, task.depth, task.in_features, task.out_features)
            norms = sample_directional_derivative(*sizes, task.initializer, task.draws, task.seed)
            columns = {
                "rms_derivative": np.sqrt(np.mean(norms.derivative**2)),
                "rms_output": np.sqrt(np.mean(norms.output**2)),
                "mean_derivative": norms.derivative.mean(),
            }
            rounded = {name: float(f"{value:.{_DIGITS}g}") for name, value in columns.items()}
            measurements.append([{"epoch": 0, **rounded}])
        return Outcome(measurements, [None] * len(stack), time.perf_counter() - wall, time.process_time() - processor)
