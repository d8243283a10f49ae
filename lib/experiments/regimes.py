"""Small two-layer (and deeper) networks trained by gradient flow over a range of widths: one row a seed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from lib.data import Dataset
from lib.estimators import (
    arc_cosine_kernel,
    distinct_directions,
    effective_directions,
    interpolant_norm,
    kernel_drift,
    lazy_training_ratio,
    linearization_error,
    null_distribution,
    path_norm,
)
from lib.initializers import check_sizes
from lib.networks import FCN
from lib.rows import Conditions, Outcome, Task, seeds
from lib.seeds import check_seed, generator
from lib.theory.regimes import scaled_initializer
from lib.training import FlowState, gradient_flow

if TYPE_CHECKING:
    from torch import Tensor

# The widths over which Luo et al. take S_w, and the deeper networks' own.
WIDTHS = (1_000, 2_500, 6_300, 16_000, 40_000)
DEEP_WIDTHS = (32, 64, 128, 256, 512)
DATA = ("line", "signs", "teacher")
_SPHERE = 8
# Up to this γ the output starts at order one or more, and Luo et al. start it at exactly 0.
_ANTISYMMETRIC = 0.5
# Pairs of neurons are compared up to this width.
_PAIRED = 2_000
_NULL_DRAWS = 20


@dataclass(frozen=True)
class WidthScan(Task):
    """Describe one seed's networks of several widths at one point (γ, γ') of Luo et al.'s plane.

    Attributes:
        data: "line", "signs" or "teacher" (see `points`).
        depth: L ≥ 2; γ' ≠ 0 needs L = 2.
        gamma, gamma_prime: the initialization, as in `lib.theory.regimes.scaled_initializer` with α = 1.
        widths: increasing.
        seed: as in `lib.networks.FCN`.
        stop_at: the loss (1/2n) Σ r² at which training stops; 10^-6 is Luo et al.'s.
        max_steps: accepted steps after which a network counts as not converged.

    Raises:
        ValueError: a value is out of range.
    """

    kind: ClassVar[str] = "width-scan"
    data: str
    depth: int
    gamma: float
    gamma_prime: float
    widths: tuple[int, ...]
    seed: int
    stop_at: float = 1e-6
    max_steps: int = 5_000

    def __post_init__(self) -> None:
        if self.data not in DATA:
            raise ValueError(f"data must be one of {', '.join(DATA)}, got {self.data!r}.")
        object.__setattr__(self, "widths", tuple(self.widths))
        if not self.widths or list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"widths must be increasing and at least one, got {self.widths!r}.")
        for width in self.widths:
            check_sizes(width, self.depth, 1, 1)
        for name in ("gamma", "gamma_prime", "stop_at"):
            object.__setattr__(self, name, float(getattr(self, name)))
        scaled_initializer(self.gamma, self.gamma_prime)
        if self.gamma_prime and self.depth != 2:
            raise ValueError(f"gamma_prime must be 0 for depth {self.depth}; only two-layer networks have it.")
        if self.antisymmetric and any(width % 2 for width in self.widths):
            raise ValueError(f"widths must be even for gamma <= {_ANTISYMMETRIC} (antisymmetric), got {self.widths!r}.")
        check_seed(self.seed)

    @property
    def antisymmetric(self) -> bool:
        """Return whether the second half of the neurons starts as the first with the opposite output: f(0) = 0."""
        return self.depth == 2 and self.gamma <= _ANTISYMMETRIC

    def seconds(self, replicas: int) -> float:
        """Return what the published rows took, within a factor of two: steps that hardly depend on m times a step.

        Tiny weights (large γ) take steps to grow; where the output layer starts larger (γ' < 0), neurons that slide
        along the kinks of their ReLUs keep the steps short.
        """
        weights = sum(width * (4 + 2 * width * (self.depth - 2)) for width in self.widths)
        steps = 20 + 15 * self.gamma**2 + 2200 * min(0.0, self.gamma_prime) ** 2
        return steps * (1e-3 * len(self.widths) + 4.5e-8 * replicas * weights)

    def prepare(self, conditions: Conditions) -> None:
        """Refuse another device than the CPU, on which gradient flow runs in float64.

        Raises:
            ValueError: the device is no CPU.
        """
        if torch.device(conditions.device).type != "cpu":
            raise ValueError(f"device must be cpu for scans over widths (gradient flow), got {conditions.device!r}.")

    @classmethod
    def compute(cls, stack: Sequence[WidthScan], conditions: Conditions) -> Outcome:
        """Train and measure the stack of every width (`measure`)."""
        wall, processor = time.perf_counter(), time.process_time()
        measurements: list[list[dict[str, Any]]] = [[] for _ in stack]
        for width in stack[0].widths:
            conditions.wait_while_paused()
            for listed, measurement in zip(measurements, measure(stack[0], width, len(stack)), strict=True):
                listed.append(measurement)
        return Outcome(measurements, [None] * len(stack), time.perf_counter() - wall, time.process_time() - processor)


def points(data: str) -> Dataset:
    """Return a data set of the regimes' experiments, in float64.

    "line": Luo et al.'s 1-D problem, 4 points on [−½, ½] with the input (x, 1). We did not see their targets: ours are
    y = 2|x| at equally spaced x, of order one and with a kink that two neurons make.
    "signs" and "teacher": 8 points on the unit sphere of R^8, drawn uniformly, the same for every seed, with the labels
    ±1 in turn and with the targets √8 |v·x| of a unit vector v. From small weights, deep networks learn the labels one
    sign after the other, and wait between them; the teacher's targets have one sign.

    Raises:
        ValueError: there is no such data set.

    Source: after Luo et al. 2021.
    """
    if data == "line":
        x = torch.linspace(-0.5, 0.5, 4, dtype=torch.float64)
        return Dataset(on_line(x), 2 * x.abs())
    if data in DATA:
        x = torch.randn(_SPHERE, _SPHERE, generator=generator(0, "sphere"), device="cpu", dtype=torch.float64)
        x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
        if data == "signs":
            return Dataset(x, torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(_SPHERE // 2))
        teacher = torch.randn(_SPHERE, generator=generator(0, "teacher"), device="cpu", dtype=torch.float64)
        return Dataset(x, math.sqrt(_SPHERE) * (x @ (teacher / torch.linalg.vector_norm(teacher))).abs())
    raise ValueError(f"data must be one of {', '.join(DATA)}, got {data!r}.")


def on_line(x: Tensor) -> Tensor:
    """Return the inputs (x, 1) of places x on the line: the second one is what a bias would multiply."""
    return torch.stack([x, torch.ones_like(x)], dim=1)


def build(task: WidthScan, width: int, replicas: int = 1) -> FCN:
    """Return the stack of networks of one width at initialization, replica r with the weights of seed + r."""
    network = FCN(
        width,
        task.depth,
        points(task.data).in_features,
        1,
        scaled_initializer(task.gamma, task.gamma_prime),
        replicas=replicas,
        seed=task.seed,
        dtype=torch.float64,
    )
    if task.antisymmetric:
        first, last = network.weights
        with torch.no_grad():
            first[:, :, width // 2 :] = first[:, :, : width // 2]
            last[:, width // 2 :] = -last[:, : width // 2]
    return network


class Watch:
    """What is seen along a gradient flow: the largest change of each layer, and the weights at half the first loss."""

    def __init__(self, network: FCN) -> None:
        self.initial = [weight.detach().clone() for weight in network.weights]
        self.sizes = [w.flatten(1).norm(dim=1) for w in self.initial]
        self.largest = torch.zeros(network.replicas, network.depth, dtype=torch.float64)
        self.first_loss = torch.full((network.replicas,), math.nan, dtype=torch.float64)
        self.half: dict[int, list[Tensor]] = {}

    def __call__(self, state: FlowState) -> None:
        rows = list(state.replicas)
        for layer, (now, start, size) in enumerate(zip(state.weights, self.initial, self.sizes, strict=True)):
            moved = (now - start[rows]).flatten(1).norm(dim=1) / size[rows]
            self.largest[rows, layer] = torch.maximum(self.largest[rows, layer], moved)
        for place, (row, loss) in enumerate(zip(rows, state.loss.tolist(), strict=True)):
            if math.isnan(float(self.first_loss[row])):
                self.first_loss[row] = loss
            elif row not in self.half and loss <= float(self.first_loss[row]) / 2:
                self.half[row] = [weight[place].clone() for weight in state.weights]


def measure(task: WidthScan, width: int, replicas: int) -> list[dict[str, Any]]:
    """Train one width's stack and return one measurement a replica, rounded to four digits.

    loss, steps, reached; sup_change, the largest relative change of each layer on the way; kappa; kernel_drift on the
    training points; linearization_error and, from the arc-cosine kernel, the least kernel_norm of a function with the
    network's values on a grid (line) or on the points (sphere). Two layers: path_norm (order 2) at the start and at
    the end; effective and distinct directions at the first loss of at most half the initial one and at the end,
    distinct ones in more than two inputs only up to m = 2,000. "signs": also the mean effective number of random
    directions with the amplitudes at half the loss.
    """
    data, network = points(task.data), build(task, width, replicas)
    watch = Watch(network)
    start = copy.deepcopy(network)
    flow = gradient_flow(network, data, task.stop_at, task.max_steps, observe=watch)
    grid = on_line(torch.linspace(-0.5, 0.5, 13, dtype=torch.float64)) if task.data == "line" else data.x
    with torch.no_grad():
        values = network(grid)
    columns: dict[str, Tensor] = {
        "loss": flow.loss,
        "steps": flow.steps,
        "sup_change": watch.largest,
        "kappa": lazy_training_ratio(network, watch.initial),
        "kernel_drift": kernel_drift(network, watch.initial, data.x),
        "linearization_error": linearization_error(network, watch.initial, grid),
        "kernel_norm": interpolant_norm(arc_cosine_kernel(grid), values),
    }
    if task.depth == 2:
        half = copy.deepcopy(network)
        for row, weights in watch.half.items():
            for layer, weight in zip(half.weights, weights, strict=True):
                layer.data[row] = weight
        columns["path_norm_start"], columns["path_norm"] = (path_norm(stack, order=2) for stack in (start, network))
        for name, stack in (("half", half), ("end", network)):
            columns[f"directions_{name}"] = effective_directions(stack)
            if width <= _PAIRED or data.in_features == 2:
                columns[f"distinct_{name}"] = distinct_directions(stack)
        if task.data == "signs":
            columns["directions_null"] = null_distribution(half, effective_directions, _NULL_DRAWS).mean(dim=1)
    reached = flow.reached.tolist()
    return [
        {"width": width, "reached": reached[r], **{name: _rounded(v[r].tolist()) for name, v in columns.items()}}
        for r in range(replicas)
    ]


def _rounded(value: Any) -> Any:
    """Return nested numbers with four digits; None for what is not finite."""
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _seeds(round: int, count: int | None = 5) -> range:
    return seeds(WidthScan.kind, round, count)


def _scans(cells: Sequence[tuple[float, float]], scanned: Sequence[int]) -> list[WidthScan]:
    return [WidthScan("line", 2, gamma, gamma_prime, WIDTHS, seed) for gamma, gamma_prime in cells for seed in scanned]


def regime_slopes(round: int = 1) -> list[WidthScan]:
    """Return the three points at which Luo et al. print S_w: γ = ½, 1 and 7/4 at γ' = 0."""
    return _scans([(gamma, 0.0) for gamma in (0.5, 1.0, 1.75)], _seeds(round))


def regime_powers(round: int = 1) -> list[WidthScan]:
    """Return S_w over Zhu et al.'s β_1 = β_2 = m^-c, α = 1, which is (γ, γ') = (2c, 0): c from 1/4 to 5/2.

    At c = 9/4 and 5/2 one of the first five seeds did not converge at m = 1,000 and has no S_w: there are two more.
    """
    powers = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.25, 1.5, 1.75, 2)
    steep = _scans([(4.5, 0.0), (5.0, 0.0)], _seeds(round, None))
    return [*_scans([(2 * c, 0.0) for c in powers], _seeds(round)), *steep]


def regime_map(round: int = 1) -> list[WidthScan]:
    """Return Luo et al.'s scan of the plane: γ from 0.6 to 1.4, γ' from −0.4 to 0.4, 9 × 9 points."""
    steps = [(6 + i, j - 4) for i in range(9) for j in range(9)]
    return _scans([(gamma / 10, gamma_prime / 10) for gamma, gamma_prime in steps], _seeds(round))


def regime_depths(round: int = 1) -> list[WidthScan]:
    """Return two to four layers at c = 2, Theorem 2's example, at the risk 1/(32n)."""
    return _on_sphere("teacher", [(2, 4.0), (3, 4.0), (4, 4.0)], round)


def regime_directions(round: int = 1) -> list[WidthScan]:
    """Return two layers at c = 2 and, for comparison, at c = 1/4, on labels of both signs: do neurons condense?"""
    return _on_sphere("signs", [(2, 0.5), (2, 4.0)], round)


def _on_sphere(data: str, cells: Sequence[tuple[int, float]], round: int) -> list[WidthScan]:
    risk = 1 / (32 * _SPHERE)
    return [
        WidthScan(data, depth, gamma, 0.0, DEEP_WIDTHS, seed, stop_at=risk)
        for depth, gamma in cells
        for seed in _seeds(round)
    ]
