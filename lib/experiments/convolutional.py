"""Training of convolutional networks as an experiment: does Appendix E's claim hold for an architecture of ours?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from lib import checks, initializers
from lib.convolutional import CNN, fans, image_sides
from lib.data import SCALINGS
from lib.data.images import IMAGES, first
from lib.experiments import training
from lib.rows import Conditions, Outcome, Task, seeds
from lib.seeds import check_seed
from lib.training import SCHEDULES, check_options

# Points of each kind that are measured: an exact J of a convolutional network costs o passes back. The digits are what
# pages train while a reader waits.
MEASURED, _FEW_MEASURED = 2_000, 200
WIDTHS, DEPTHS = (4, 8, 16, 32, 64), (2, 4, 6)
# Seconds of one thread: for each multiplication of a pass, and for each number that a pass keeps of a point.
_MULTIPLY, _KEEP, _STEP = 2.5e-11, 2e-9, 1e-3


@dataclass(frozen=True)
class ConvolutionalTraining(Task):
    """Describe one replica's training of `lib.convolutional.CNN`.

    Standardised pixels are the default: with raw ones whole patches of MNIST are zero, where the network is not
    differentiable and P not defined.

    Attributes:
        dataset, scaling: as in `lib.data.load`.
        initializer, width, depth, seed: as in `CNN`.
        samples: training points kept; None keeps all.
        epochs, batch_size, lr, schedule, loss, momentum, weight_decay: as in `lib.training.train`.

    Raises:
        ValueError: a value is out of range.
    """

    kind: ClassVar[str] = "convolutional"
    dataset: str
    initializer: str
    width: int
    depth: int
    seed: int
    scaling: str = "standard"
    samples: int | None = 20_000
    epochs: int = 15
    batch_size: int = 64
    lr: float = 0.01
    schedule: str = "proportional"
    loss: str = "cross_entropy"
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "initializer", initializers.get(self.initializer).name)
        checks.one_of(tuple(IMAGES), dataset=self.dataset)
        checks.one_of(SCALINGS, scaling=self.scaling)
        checks.one_of(SCHEDULES, schedule=self.schedule)
        checks.one_of(("cross_entropy",), loss=self.loss)
        fans(self.width, self.depth, IMAGES[self.dataset], 10)
        if self.samples is not None:
            checks.integers(samples=self.samples)
        check_options(self.epochs, self.batch_size, self.lr, self.momentum, self.weight_decay)
        check_seed(self.seed)

    def prepare(self, conditions: Conditions) -> None:
        """Load the data set: an absent or damaged one is told before the first training."""
        training.load_data(self, conditions.root)

    def seconds(self, replicas: int) -> float:
        """Return a guess on one thread: three passes a training point, and 8 measurements of `MEASURED` points."""
        each = pass_seconds(self.width, self.depth, IMAGES[self.dataset], 10)
        points = self.epochs * (self.samples or 60_000)
        measuring = (
            8 * self.measured * (2 * 10 + 20)
        )  # J at both kinds of points, two attacks of ten steps on half of them
        return points / self.batch_size * _STEP + replicas * (3 * points + measuring) * each

    @property
    def measured(self) -> int:
        """Return how many points of each kind are measured, the first ones."""
        return _FEW_MEASURED if self.dataset == "digits" else MEASURED

    @classmethod
    def compute(cls, stack: Sequence[ConvolutionalTraining], conditions: Conditions) -> Outcome:
        """Train and measure the stack, as a `Configuration` is, on the first points of each kind."""
        task = stack[0]
        data = training.load_data(task, conditions.root)
        network = CNN(
            task.width,
            task.depth,
            IMAGES[task.dataset],
            data.out_features,
            task.initializer,
            replicas=len(stack),
            seed=task.seed,
            dtype=torch.float32,
            device=conditions.device,
        )
        return training.follow(stack, conditions, network, data, first(data, task.measured))


def pass_seconds(width: int, depth: int, image: tuple[int, int, int], out_features: int) -> float:
    """Return a guess of the seconds in which one point passes forward through one network on one thread."""
    layers = fans(width, depth, image, out_features)
    places = [height * across for height, across in image_sides(image, depth)[1:]] + [1]
    multiplications = sum(a * b * p for (a, b), p in zip(layers, places, strict=True))
    kept = sum((a + b) * p for (a, b), p in zip(layers, places, strict=True))
    return _MULTIPLY * multiplications + _KEEP * kept


def convolutional(round: int = 1) -> list[ConvolutionalTraining]:
    """Return channels × depth × initialization on MNIST and, to 32 channels, Fashion-MNIST; round 1 had none."""
    return [
        ConvolutionalTraining(dataset, initializer, width, depth, seed)
        for dataset in ("mnist", "fashion-mnist")
        for initializer in ("he", "lecun")
        for depth in DEPTHS
        for width in (WIDTHS if dataset == "mnist" else WIDTHS[:-1])
        for seed in (() if round == 1 else seeds(ConvolutionalTraining.kind, round))
    ]
