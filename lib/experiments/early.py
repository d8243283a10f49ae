"""Early training as an experiment: two-layer networks from β = m^-c, full-batch gradient descent, P along the way."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from lib import checks, initializers
from lib.data import Dataset
from lib.estimators import lazy_training_ratio, perturbation_stability
from lib.networks import FCN
from lib.rows import Conditions, Outcome, Task, never_reached
from lib.seeds import check_seed
from lib.training.descent import Descent
from lib.training.losses import evaluate

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# When P is measured. The clock is T, the time after which the loss has halved at the smallest width (4n² rounded up to
# a power of two) of the same seed, n and c: at every eighth of T up to T, and at every fourth of it from there on.
SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
LATER_SHARES, LONGEST = 0.25, 8.0
# The same fractions of the clock of the smallest n, so that different n are compared at one time.
COMMON_SHARES, COMMON_SAMPLES = (0.25, 0.5, 1.0), 5
# Losses, as parts of the initial one, at which networks are compared at equal fit; the last one ends a training.
FITS = (0.5, 0.25, 0.1)
_TEST_POINTS, _PAUSE_EVERY = 500, 100


@dataclass(frozen=True)
class EarlyTraining(Task):
    """Describe one replica: a two-layer network on random points of the sphere with targets ±1 (`sphere`).

    Attributes:
        initializer: "power-<c>", β_1 = β_2 = m^-c.
        width, samples, in_features: m, n and d, at least 1.
        seed: of the weights and of the points.
        lr: step size of gradient descent.

    Raises:
        ValueError: a value is out of range.

    Source: the setting of Zhu et al. 2022, Theorem 3.
    """

    kind: ClassVar[str] = "early-training"
    initializer: str
    width: int
    samples: int
    seed: int
    in_features: int = 20
    lr: float = 0.05

    def __post_init__(self) -> None:
        name = initializers.get(self.initializer).name
        if not name.startswith("power-"):
            raise ValueError(f"initializer must be power-<c>, the same small variance in both layers, got {name!r}.")
        object.__setattr__(self, "initializer", name)
        initializers.check_sizes(self.width, 2, self.in_features, 1)
        checks.integers(samples=self.samples)
        check_seed(self.seed)
        checks.positive(lr=self.lr)

    @property
    def c(self) -> float:
        """Return the exponent c of β = m^-c."""
        return float(self.initializer.removeprefix("power-"))

    def seconds(self, replicas: int) -> float:
        """Return a guess of the seconds on one thread: the steps until the network fits, and 16 measurements."""
        step = 1e-4 + replicas * 2.4e-8 * self.samples * self.width
        return 1.5 * _steps(self, self.width) * step + 16 * replicas * (1e-3 + 1.5e-5 * self.width)

    def prepare(self, conditions: Conditions) -> None:
        """Need nothing: the points are drawn."""

    @classmethod
    def compute(cls, stack: Sequence[EarlyTraining], conditions: Conditions) -> Outcome:
        """Train and measure the stack (`descend`)."""
        return descend(tuple(stack), conditions)


def _steps(task: EarlyTraining, width: int) -> float:
    """Return the steps in which small weights reach size 1: |log mβ²| over twice their rate of growth, 1/√(2n)."""
    return max(1.0, 2 * task.c - 1) * math.log(width + 1) * math.sqrt(task.samples / 2) / task.lr


def sphere(samples: int, in_features: int, seed: int) -> Dataset:
    """Return n points, uniform on the unit sphere of R^d, with the targets +1, −1, +1, ... and 500 test points.

    The points of a smaller n are the first ones of a larger; the test points are the same for every seed, and their
    targets are 0, since nothing is to be predicted there.
    """
    x = _directions(np.random.default_rng([0, seed]), samples, in_features)
    x_test = _directions(np.random.default_rng([1]), _TEST_POINTS, in_features)
    y = torch.ones(samples, dtype=torch.float64)
    y[1::2] = -1
    return Dataset(x, y, x_test, torch.zeros(_TEST_POINTS, dtype=torch.float64))


def _directions(stream: np.random.Generator, count: int, features: int) -> Float[Tensor, "n d"]:
    return torch.nn.functional.normalize(torch.from_numpy(stream.standard_normal((count, features))))


class _Run:
    """Gradient descent of a stack of replicas, each on its own points."""

    def __init__(self, width: int, stack: tuple[EarlyTraining, ...], device: str) -> None:
        first = stack[0]
        self.network = FCN(
            width,
            2,
            first.in_features,
            1,
            first.initializer,
            replicas=len(stack),
            seed=first.seed,
            dtype=torch.float64,
            device=device,
        )
        self.data = [sphere(t.samples, t.in_features, t.seed).to(device) for t in stack]
        # The stack's points in one table; every replica's batch is its own part of it.
        x, y = torch.cat([d.x for d in self.data]), torch.cat([d.y for d in self.data])
        self.index = torch.arange(len(x), device=device).view(len(stack), first.samples)
        self.descent = Descent(self.network, None, x, y.unsqueeze(1), first.samples, "squared", 0.0, 0.0)
        self.lr = first.lr

    def step(self) -> list[float]:
        """Take a step and return every replica's loss before it."""
        self.descent.total.zero_()
        self.descent(self.index, self.lr)
        return self.descent.total.mean(dim=(1, 2)).tolist()


@functools.lru_cache(maxsize=64)
def _clock(stack: tuple[EarlyTraining, ...], device: str) -> tuple[int, ...]:
    """Return, for each replica, the steps after which the loss has halved at the smallest width.

    Only n, c, d, lr and the seeds of the tasks matter.
    """
    smallest = 2 ** math.ceil(math.log2(4 * stack[0].samples ** 2))
    run = _Run(smallest, stack, device)
    initial = run.step()
    halved: dict[int, int] = {}
    # What has not fitted after twenty times the expected steps will not.
    for step in range(1, math.ceil(20 * _steps(stack[0], smallest))):
        for replica, loss in enumerate(run.step()):
            if loss <= initial[replica] / 2:
                halved.setdefault(replica, step)
        if len(halved) == len(stack):
            break
    else:
        raise ValueError(f"the loss does not halve at width {smallest}; lr {stack[0].lr:g} may be too large.")
    if min(halved.values()) < 2 * len(SHARES):
        raise ValueError(f"lr must be smaller: at {stack[0].lr:g} the loss halves in {min(halved.values())} steps.")
    return tuple(halved[replica] for replica in range(len(stack)))


def _measure(network: FCN, initial: Sequence[Tensor], data: Dataset) -> dict[str, float | None]:
    """Measure one replica: P, output_norm (mean |f|) on the test points; P_train, train_loss; kappa."""
    with torch.no_grad():
        output = network(data.x_test).abs().mean()
    loss, _ = evaluate(network, data.x, data.y, "squared")
    values = {
        "P": perturbation_stability(network, data.x_test).mean(),
        "P_train": perturbation_stability(network, data.x).mean(),
        "output_norm": output,
        "train_loss": loss,
        "kappa": lazy_training_ratio(network, initial),
    }
    # Six digits: more than any comparison needs, and the rows stay small enough to publish.
    return {name: float(f"{float(v):.6g}") if math.isfinite(float(v)) else None for name, v in values.items()}


def descend(stack: tuple[EarlyTraining, ...], conditions: Conditions) -> Outcome:
    """Train a stack by gradient descent, measuring each replica on its clocks and at its fits."""
    start, cpu_start = time.perf_counter(), time.process_time()
    first, device = stack[0], conditions.device
    # The clocks do not depend on the width: tasks of one width alone let them be computed once for all widths.
    own = _clock(tuple(replace(task, width=1) for task in stack), device)
    common = _clock(tuple(replace(task, width=1, samples=COMMON_SAMPLES) for task in stack), device)
    run = _Run(first.width, stack, device)
    initial = [weight.detach().clone() for weight in run.network.weights]
    due = [_schedule(t, c) for t, c in zip(own, common, strict=True)]
    waiting = [list(FITS) for _ in stack]
    measurements: list[list[dict[str, Any]]] = [[] for _ in stack]

    def observe(replica: int, step: int, **moment: float) -> None:
        alone = run.network.select([replica])
        seen = _measure(alone, [weight[replica : replica + 1] for weight in initial], run.data[replica])
        when = {"epoch": step, "time": round(step * first.lr, 9), "reached": None, "share": None, "common": None}
        measurements[replica].append({**when, **moment, **seen})

    start_loss: list[float] = []
    for step in range(math.ceil(LONGEST * max(own)) + 1):
        if step % _PAUSE_EVERY == 0:
            conditions.wait_while_paused()
        for replica, schedule in enumerate(due):
            if step in schedule and waiting[replica]:
                observe(replica, step, **schedule[step])
        losses = run.step()
        start_loss = start_loss or losses
        # The loss of before the step is known after it; what is measured has made one step more.
        for replica, loss in enumerate(losses):
            reached = [fit for fit in waiting[replica] if loss <= fit * start_loss[replica]]
            for fit in reached:
                observe(replica, step + 1, reached=fit)
            waiting[replica] = waiting[replica][len(reached) :]
        if not any(waiting):
            break
    for listed, left in zip(measurements, waiting, strict=True):
        listed += [never_reached(fit) for fit in left]
    failures = [None if math.isfinite(loss) else "diverged: the training loss is not finite" for loss in losses]
    return Outcome(measurements, failures, time.perf_counter() - start, time.process_time() - cpu_start)


def _schedule(own: int, common: int) -> dict[int, dict[str, float]]:
    """Return the steps at which a replica is measured, each with what it is on the two clocks."""
    later = np.arange(1 + LATER_SHARES, LONGEST + LATER_SHARES / 2, LATER_SHARES).tolist()
    steps: dict[int, dict[str, float]] = {0: {"share": 0.0}}
    for name, clock, shares in (("share", own, (*SHARES, *later)), ("common", common, COMMON_SHARES)):
        for share in shares:
            steps.setdefault(round(share * clock), {})[name] = share
    return steps
