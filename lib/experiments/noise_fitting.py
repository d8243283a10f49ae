"""Fit random labels below their noise level and measure how steep the network has become: the laws of robustness."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from lib import checks, initializers
from lib.data import Dataset, random_labels
from lib.estimators import (
    lazy_training_ratio,
    local_lipschitz,
    perturbation_stability,
    relative_stability,
    spectral_norm_product,
)
from lib.networks import FCN
from lib.rows import Conditions, Outcome, Task, never_reached
from lib.theory.parameters import number_of_parameters
from lib.training import evaluate
from lib.training.descent import Descent

# Mean squared errors at which networks are compared; the noise level is 1.
MATCHED_ERRORS = (0.5, 0.1)
# Balls around points with ‖x‖ ≈ 1, and the steps of the ascent in them. The larger one holds all directions, and with
# them, as the network is homogeneous, all its gradients.
LOCAL_RADIUS, GLOBAL_RADIUS = 0.1, 3.0
_LOCAL_STEPS, _GLOBAL_STEPS = 10, 100
_LOCAL_POINTS, _GLOBAL_STARTS = 128, 256
_MOMENTUM, _DIGITS, _PAUSE_EVERY = 0.9, 6, 100


@dataclass(frozen=True)
class NoiseFitting(Task):
    """Describe one network's fit of n points x ~ N(0, I/d) with labels ±1, by full-batch descent with momentum 0.9.

    The loss is the squared one. The learning rate is ½ / ((L−1)m/d + 1), whose denominator is the diagonal of He's
    tangent kernel for ‖x‖ = 1, so that all widths learn at about the same speed. Each seed has its own points, labels
    and weights.

    Attributes:
        samples, in_features: n, d of `lib.data.random_labels`.
        width, depth, initializer, seed: as in `lib.networks.FCN`; one output.
        steps: at most so many; training ends when the last of `MATCHED_ERRORS` is reached.

    Raises:
        ValueError: a value is out of range.

    Source: the setting of Bubeck and Sellke 2021 and of Bubeck, Li and Nagaraj 2021.
    """

    kind: ClassVar[str] = "noise-fitting"
    samples: int
    in_features: int
    width: int
    depth: int
    seed: int
    initializer: str = "he"
    steps: int = 50_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "initializer", initializers.get(self.initializer).name)
        initializers.check_sizes(self.width, self.depth, self.in_features, 1)
        checks.integers(samples=self.samples, steps=self.steps)

    @property
    def parameters(self) -> int:
        """Return p, the number of weights."""
        return number_of_parameters(self.width, self.depth, self.in_features, 1)

    @property
    def lr(self) -> float:
        """Return the learning rate."""
        return 0.5 / ((self.depth - 1) * self.width / self.in_features + 1)

    def seconds(self, replicas: int) -> float:
        """Return a guess on one thread: 2 n steps, and 3 ascents of 100 steps from 256 points."""
        descent = 2 * self.samples * (3e-5 + 6 * self.samples * self.parameters / 1e11)
        return replicas * (descent + 0.5 + 2e-5 * self.parameters)

    def prepare(self, conditions: Conditions) -> None:
        """Need nothing: points and labels are drawn."""

    @classmethod
    def compute(cls, stack: Sequence[NoiseFitting], conditions: Conditions) -> Outcome:
        """Fit the stack's labels (`fit`)."""
        wall, processor = time.perf_counter(), time.process_time()
        measurements = fit(stack, conditions)
        return Outcome(measurements, [None] * len(stack), time.perf_counter() - wall, time.process_time() - processor)


_CPU = Conditions()


def fit(stack: Sequence[NoiseFitting], conditions: Conditions = _CPU) -> list[list[dict[str, Any]]]:
    """Return the measurements of tasks that differ in consecutive seeds alone, one list a task.

    A network is measured (`measure`) at its initialization and at the first step whose training error, before it, was
    at most each of `MATCHED_ERRORS`; "reached" names the error, and "step" is None where it was not reached.
    """
    first, device = stack[0], conditions.device
    data = [random_labels(t.samples, t.in_features, t.seed, dtype=torch.float32).to(device) for t in stack]
    network = FCN(
        first.width,
        first.depth,
        first.in_features,
        1,
        first.initializer,
        replicas=len(stack),
        seed=first.seed,
        dtype=torch.float32,
        device=device,
    )
    initial = [weight.detach().clone() for weight in network.weights]
    measurements: list[list[dict[str, Any]]] = [[] for _ in stack]

    def observe(replica: int, step: int, reached: float | None) -> None:
        one = network.select([replica])
        start = [weight[replica : replica + 1] for weight in initial]
        seen = {"epoch": step, "step": step, "reached": reached, **measure(one, start, data[replica])}
        measurements[replica].append(seen)

    for replica in range(len(stack)):
        observe(replica, 0, None)
    waiting = [list(MATCHED_ERRORS) for _ in stack]
    for step, errors in enumerate(_descend(network, data, first.lr, first.steps), start=1):
        if step % _PAUSE_EVERY == 1:
            conditions.wait_while_paused()
        for replica, error in enumerate(errors):
            while waiting[replica] and error <= waiting[replica][0]:
                observe(replica, step, waiting[replica].pop(0))
        if not any(waiting):
            break
    for listed, left in zip(measurements, waiting, strict=True):
        listed += [never_reached(error) for error in left]
    return measurements


def _descend(network: FCN, data: Sequence[Dataset], lr: float, steps: int) -> Iterator[list[float]]:
    """Take full-batch steps, each replica on its own points, and yield the mean squared errors from before each."""
    n = data[0].n
    x, y = torch.cat([d.x for d in data]), torch.cat([d.y for d in data])
    # The engine's step picks each replica's points from all: here they never change.
    own = torch.arange(len(x), device=x.device).view(len(data), n)
    velocities = [torch.zeros_like(weight) for weight in network.weights]
    descent = Descent(network, velocities, x, y[:, None], n, "squared", _MOMENTUM, weight_decay=0.0)
    for _ in range(steps):
        descent(own, lr)
        yield (2 / n * descent.total.sum(dim=(1, 2))).tolist()
        descent.total.zero_()


def measure(network: FCN, initial: Sequence[torch.Tensor], data: Dataset) -> dict[str, float | None]:
    """Return one measurement of a network of one replica, to six digits; None is undefined (a dead network's 0/0).

    train_mse. P and relative_stability at the test points, P_train at the training points. gradient_norm: the largest
    ‖∇f‖ at a training point. lipschitz: the largest that gradient ascent finds anywhere, with steps up to
    `GLOBAL_RADIUS`, from the 256 training and test points where it is largest to begin with. local_lipschitz: the mean
    over 128 training points of the largest in a ball of radius `LOCAL_RADIUS`. spectral_product: Π‖W_l‖₂, which no
    gradient exceeds. output_norm: mean |f| at the test points. kappa.
    """
    points = torch.cat([data.x, data.x_test])
    gradients = torch.linalg.vector_norm(network.jacobian(points).detach(), dim=(2, 3)).squeeze(0)
    starts = points[gradients.topk(min(_GLOBAL_STARTS, len(points))).indices]
    columns = {
        "train_mse": 2 * evaluate(network, data.x, data.y, "squared")[0],
        "P": perturbation_stability(network, data.x_test).mean(),
        "P_train": perturbation_stability(network, data.x).mean(),
        "relative_stability": relative_stability(network, data.x_test),
        "gradient_norm": gradients[: data.n].max(),
        "lipschitz": local_lipschitz(network, starts, GLOBAL_RADIUS, steps=_GLOBAL_STEPS).max(),
        "local_lipschitz": local_lipschitz(network, data.x[:_LOCAL_POINTS], LOCAL_RADIUS, steps=_LOCAL_STEPS).mean(),
        "spectral_product": spectral_norm_product(network),
        "output_norm": network(data.x_test).detach().abs().mean(),
        "kappa": lazy_training_ratio(network, initial),
    }
    values = {name: float(value) for name, value in columns.items()}
    return {name: float(f"{v:.{_DIGITS}g}") if math.isfinite(v) else None for name, v in values.items()}
