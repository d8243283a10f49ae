"""A run of a reader's own, small enough to wait for, as rows beside the published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from lib.experiments.configuration import Configuration
from lib.experiments.convolutional import ConvolutionalTraining
from lib.experiments.trainings import with_moments
from lib.rows import Store, Task
from lib.rows.frame import frame
from lib.sweeps import sweep

_ROOT = Path(__file__).parents[2]


def train_live(
    dataset: str,
    scaling: str,
    initializers: Iterable[str],
    widths: Iterable[int],
    depths: Iterable[int],
    seeds: int,
    epochs: int,
    lr: float,
    momentum: float,
    device: str = "cpu",
    keep: bool = False,
    architecture: str = "fcn",
) -> pd.DataFrame:
    """Train every combination now, at the paper's batch size and stretched schedule, and return its measurements.

    Args:
        dataset: as in `Configuration`, as are all that are not explained.
        scaling: of its pixels.
        initializers: trained in all combinations with the widths and depths.
        widths: of the hidden layers.
        depths: layers of weights.
        seeds: replicas of each, with seeds 0, 1, ...
        epochs: of every training.
        lr: the learning rate of the first epochs.
        momentum: μ.
        device: the torch device.
        keep: whether rows are kept in _build/live.jsonl of this checkout, so that a killed run can go on.
        architecture: "fcn", or "cnn" for convolutional networks, whose widths are channels. These see all digits, and
            of other data as many images as the plan has.

    Returns:
        As from `published_trainings`; trainings that failed are left out.

    Raises:
        ValueError, OSError, MemoryError: as raised by `sweep`; there is no such architecture.
    """
    how = {"scaling": scaling, "epochs": epochs, "lr": lr, "momentum": momentum}
    make: Callable[..., Task]
    if architecture == "fcn":
        make = partial(Configuration, dataset, schedule="proportional", **how)
    elif architecture == "cnn":
        make = partial(ConvolutionalTraining, dataset, **how, **({"samples": None} if dataset == "digits" else {}))
    else:
        raise ValueError(f"architecture must be fcn or cnn, got {architecture!r}.")
    cells = product(initializers, depths, widths, range(seeds))
    tasks = [make(initializer=name, width=width, depth=depth, seed=seed) for name, depth, width, seed in cells]
    return with_moments(frame(swept(tasks, device, keep)))


def swept(tasks: Sequence[Task], device: str = "cpu", keep: bool = False) -> list[dict[str, Any]]:
    """Compute tasks now and return their rows, failed ones left out.

    Args:
        tasks: of any kind.
        device: the torch device.
        keep: as in `train_live`.

    Raises:
        ValueError, OSError, MemoryError: as raised by `sweep`; ValueError too where all of them have failed.
    """
    with TemporaryDirectory() as folder:
        place = _ROOT / "_build" if keep else Path(folder)
        place.mkdir(exist_ok=True)
        store = Store(place / "live.jsonl")
        sweep(tasks, store, device=device)
        rows = {row["key"]: row for row in store}
    ended = [rows[key] for key in dict.fromkeys(task.key for task in tasks)]
    kept = [row for row in ended if row["failure"] is None]
    if not kept and ended:
        raise ValueError(f"none of {len(ended)} trainings has a result; the first failed: {ended[0]['failure']}")
    return kept
