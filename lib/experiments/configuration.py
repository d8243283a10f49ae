"""One training, described: the settings that change its result, and nothing else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lib import initializers
from lib.data import NAMES, SCALINGS
from lib.experiments.task import Task
from lib.seeds import generator
from lib.training import LOSSES, SCHEDULES, check_options


@dataclass(frozen=True)
class Configuration(Task):
    """Describe one replica's training; two equal configurations give equal results on one kind of device.

    Attributes:
        dataset, scaling: as in `lib.data.load`.
        initializer, width, depth, alpha, seed: as in `lib.networks.FCN`.
        samples: training points kept, drawn by the seed of the subset (0); None keeps all.
        epochs, batch_size, lr, schedule, loss, momentum, weight_decay: as in `lib.training.train`.

    Raises:
        ValueError: a value has the wrong type or is out of range.

    Used by: chapters 06 to 10.
    """

    dataset: str
    scaling: str
    initializer: str
    width: int
    depth: int
    seed: int
    samples: int | None = None
    epochs: int = 50
    batch_size: int | None = 64
    lr: float = 1e-3
    schedule: str = "paper"
    loss: str = "cross_entropy"
    momentum: float = 0.0
    weight_decay: float = 0.0
    alpha: float = 1.0

    def __post_init__(self) -> None:
        types = {"str": str, "int": int, "int | None": (int, type(None)), "float": (int, float)}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, bool) or not isinstance(value, types[entry.type]):
                raise ValueError(f"configuration: {entry.name} must be {entry.type}, got {value!r}.")
            if entry.type == "float":
                # 1 and 1.0 are one setting and must have one key.
                object.__setattr__(self, entry.name, float(value))
        object.__setattr__(self, "initializer", initializers.get(self.initializer).name)
        # Everything is checked here, before the first of a long list of trainings starts.
        initializers.check_sizes(self.width, self.depth, 1, 1)
        check_options(self.epochs, self.batch_size, self.lr, self.momentum, self.weight_decay)
        generator(self.seed, "weights")
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"configuration: samples must be at least 1, got {self.samples!r}.")
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"configuration: alpha must be positive and finite, got {self.alpha!r}.")
        named = {"dataset": NAMES, "scaling": SCALINGS, "schedule": SCHEDULES, "loss": LOSSES}
        for name, allowed in named.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"configuration: {name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}."
                )
