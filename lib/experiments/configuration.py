"""One training, described: the settings that change its result, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from lib import checks, initializers
from lib.data import NAMES, SCALINGS
from lib.experiments import training
from lib.experiments.work import TYPICAL_SECONDS, refuse_what_does_not_fit, work
from lib.products import PRECISIONS, refuse_precision
from lib.rows import Conditions, Outcome, Task
from lib.seeds import check_seed
from lib.training import LOSSES, SCHEDULES, check_options


@dataclass(frozen=True)
class Configuration(Task):
    """Describe one replica's training; two equal configurations give equal results on one kind of device.

    Attributes:
        dataset, scaling: as in `lib.data.load`.
        initializer, width, depth, alpha, seed: as in `lib.networks.FCN`.
        samples: training points kept, drawn by the seed of the subset (0); None keeps all.
        epochs, batch_size, lr, schedule, loss, momentum, weight_decay, precision: as in `lib.training.train`. Rows and
            keys do not tell "fp32", which all of them had before there was another.

    Raises:
        ValueError: a value has the wrong type or is out of range.
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
    precision: str = "fp32"

    def __post_init__(self) -> None:
        kinds = {"str": (str, str), "int": (Integral, int), "float": (Real, float)}
        for entry in dataclasses.fields(self):
            value, name = getattr(self, entry.name), entry.type
            if value is None and name.endswith(" | None"):
                continue
            wanted, plain = kinds[name.removesuffix(" | None")]
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise ValueError(f"configuration: {entry.name} must be {name}, got {value!r}.")
            # 1, 1.0 and NumPy's 1 are one setting and must have one key.
            object.__setattr__(self, entry.name, plain(value))
        object.__setattr__(self, "initializer", initializers.get(self.initializer).name)
        # Everything is checked here, before the first of a long list of trainings starts.
        initializers.check_sizes(self.width, self.depth, 1, 1)
        check_options(self.epochs, self.batch_size, self.lr, self.momentum, self.weight_decay)
        check_seed(self.seed)
        if self.samples is not None:
            checks.integers(samples=self.samples)
        checks.positive(alpha=self.alpha)
        checks.one_of(NAMES, dataset=self.dataset)
        checks.one_of(SCALINGS, scaling=self.scaling)
        checks.one_of(SCHEDULES, schedule=self.schedule)
        checks.one_of(LOSSES, loss=self.loss)
        checks.one_of(PRECISIONS, precision=self.precision)

    def asdict(self) -> dict[str, Any]:
        """Return the settings as plain values, in the order of the fields; without the precision where it is fp32."""
        settings = super().asdict()
        if self.precision == "fp32":
            del settings["precision"]
        return settings

    def prepare(self, conditions: Conditions) -> None:
        """Load the data set and ask for the precision: what is absent or refused is told before the first training."""
        refuse_precision(self.precision, [self.width], conditions.device)
        training.load_data(self, conditions.root)

    def seconds(self, replicas: int) -> float:
        """Return the seconds of a stack by typical times of its parts; `lib.experiments.cost` fits them to rows."""
        return sum(each * count for each, count in zip(TYPICAL_SECONDS, work(self, replicas), strict=True))

    @classmethod
    def compute(cls, stack: Sequence[Configuration], conditions: Conditions) -> Outcome:
        """Train the stack, where its device has room for it.

        Raises:
            MemoryError: it has not.
        """
        refuse_what_does_not_fit(stack[0], len(stack), conditions.device)
        return training.compute(stack, conditions)
