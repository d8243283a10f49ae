"""The images of the benchmarks: their shapes, the points that are measured, and a split that is held out."""

from __future__ import annotations

import torch

from lib.data.dataset import Dataset
from lib.seeds import generator

# (channels, height, width), flattened by `lib.data.load` with the channels first.
IMAGES = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
}


# Training images that stand in for a test set where there is none: of CIFAR-10 without its test batch.
_VALIDATION = 2_000


def with_test_set(data: Dataset) -> Dataset:
    """Return data with a test set: its own, or else 2,000 training points, always the same ones, held out for it."""
    if data.x_test is not None:
        return data
    rest, out = hold_out(data, _VALIDATION)
    return Dataset(rest.x, rest.y, out.x, out.y, data.classes)


def first(data: Dataset, points: int) -> Dataset:
    """Return the first training and test points of a data set."""
    return Dataset(data.x[:points], data.y[:points], data.x_test[:points], data.y_test[:points], data.classes)


def hold_out(data: Dataset, points: int) -> tuple[Dataset, Dataset]:
    """Return the data without so many of its training points, and those as another data set; always the same ones."""
    order = torch.randperm(data.n, generator=generator(0, "held out"), device="cpu")
    out, kept = order[:points].sort().values, order[points:].sort().values
    rest = Dataset(data.x[kept], data.y[kept], data.x_test, data.y_test, data.classes)
    return rest, Dataset(data.x[out], data.y[out], classes=data.classes)
