"""What is measured on a trained stack at one moment: stability, fit and laziness together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from lib.data import Dataset
from lib.estimators import jacobian_spectrum, lazy_training_ratio
from lib.estimators.spectrum import outputs
from lib.estimators.stability import relative_to_output, stability_of_spectrum
from lib.networks import FCN
from lib.training import evaluate

if TYPE_CHECKING:
    from torch import Tensor

# The epochs that every row reports; a shorter training reports those that it reaches and its last one.
EPOCHS = (0, 1, 5, 10, 25, 50)


def epochs_measured(epochs: int) -> tuple[int, ...]:
    """Return the epochs at which a training of that length is measured."""
    return tuple(sorted({epoch for epoch in EPOCHS if epoch <= epochs} | {epochs}))


def measure(network: FCN, initial: Sequence[Tensor], data: Dataset, loss: str, epoch: int) -> list[dict[str, Any]]:
    """Return one measurement a replica: P and its companions on the test points, fit on both sets, κ.

    Keys: epoch · P, P_rms (mean over test points, ε = 1) · relative_stability · train_loss, train_accuracy, test_loss,
    test_accuracy · kappa. What is undefined, because a training diverged or a network is dead, is None.

    Raises:
        ValueError: the data have no test set.

    Used by: `lib.experiments.sweep`.
    """
    if data.x_test is None:
        raise ValueError("data must have a test set: P and the test accuracy are measured on it.")
    x = data.x_test.to(network.weights[0])
    eigenvalues = jacobian_spectrum(network, x)
    stability = stability_of_spectrum(eigenvalues, x.shape[1])
    columns = {
        "P": stability.mean(dim=1),
        "P_rms": (eigenvalues.sum(dim=-1) / (x.shape[1] + 2)).mean(dim=1).sqrt(),
        "relative_stability": relative_to_output(stability, outputs(network, x), x),
        "kappa": lazy_training_ratio(network, initial),
    }
    for name, points, labels in (("train", data.x, data.y), ("test", data.x_test, data.y_test)):
        columns[f"{name}_loss"], accuracy = evaluate(network, points, labels, loss)
        if accuracy is not None:
            columns[f"{name}_accuracy"] = accuracy
    listed = {name: _finite(values) for name, values in columns.items()}
    return [
        {"epoch": epoch, **{name: values[replica] for name, values in listed.items()}}
        for replica in range(network.replicas)
    ]


def _finite(values: Tensor) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.to(torch.float64).tolist()]
