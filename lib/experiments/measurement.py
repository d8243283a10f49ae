"""What is measured on a trained stack at one moment: stability, fit, robustness and laziness together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from lib.adversarial import noise_accuracy, pgd_accuracy
from lib.balls import uniform_in_ball
from lib.data import Dataset
from lib.estimators import lazy_training_ratio, relative_change
from lib.estimators.spectrum import jacobian, jacobian_gram, outputs, spectrum_of_gram
from lib.estimators.stability import relative_to_output, stability_of_spectrum
from lib.seeds import generator
from lib.stack import Stack
from lib.training import Moment, evaluate

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# The epochs that every row reports (a shorter training: those that it reaches, and its last), and the training losses
# at whose first crossing trainings are compared.
EPOCHS = (0, 1, 5, 10, 25, 50)
MATCHED_LOSSES = (1.0, 0.5, 0.3)
# Radii as fractions of the mean ‖x‖ over the test points, so that they mean the same under every scaling.
NOISE_RADII = (0.5, 1.0)
PGD_RADII = (0.05, 0.1)
# Sizes of a finite perturbation, as fractions of the same mean.
FINITE_RADII = (0.01, 0.03, 0.1, 0.3, 1.0)
_TRAIN_POINTS, _ATTACKED_POINTS, _MOVED_POINTS = 10_000, 1_000, 1_000
_AT_ONCE = 100  # points whose Jacobians are held at once


def epochs_measured(epochs: int, schedule: str) -> set[int]:
    """Return the epochs to measure: those of `EPOCHS`, stretched like the schedule where that is proportional."""
    stretch = epochs / EPOCHS[-1] if schedule == "proportional" else 1
    return {epoch for epoch in (round(epoch * stretch) for epoch in EPOCHS) if epoch <= epochs} | {epochs}


class Observer:
    """Measure a stack while it trains: at the epochs of `EPOCHS` and at the first crossing of each matched loss.

    Args:
        network: the stack, at its initialization.
        data: what it trains on; its test set is measured.
        loss: the training loss.
        epochs, schedule: of the training (see `epochs_measured`).

    Raises:
        ValueError: the data have no test set.
    """

    def __init__(self, network: Stack, data: Dataset, loss: str, epochs: int, schedule: str) -> None:
        if data.x_test is None:
            raise ValueError("data must have a test set: P and the test accuracy are measured on it.")
        self.network, self.data, self.loss = network, data.to(network.weights[0].device), loss
        self.initial = [weight.detach().clone() for weight in network.weights]
        self.epochs, self.last = epochs_measured(epochs, schedule), epochs

    def __call__(self, moment: Moment) -> list[tuple[int, dict[str, Any]]] | None:
        """Return (replica, measurement) for each replica that the moment concerns; None where none is due."""
        if moment.loss is None and moment.epoch not in self.epochs:
            return None
        network, initial = self.network, self.initial
        if len(moment.replicas) < network.replicas:
            network = network.select(moment.replicas)
            initial = [weight[list(moment.replicas)] for weight in initial]
        when = {"epoch": moment.epoch, "step": moment.step, "reached": moment.loss}
        ends = moment.loss is None and moment.epoch in (0, self.last)
        measurements = measure(network, initial, self.data, self.loss, finite=ends)
        return [(replica, {**when, **m}) for replica, m in zip(moment.replicas, measurements, strict=True)]


def measure(
    network: Stack, initial: Sequence[Tensor], data: Dataset, loss: str, finite: bool = False
) -> list[dict[str, Any]]:
    """Return one measurement a replica; what is undefined (a diverged or dead network) is None.

    Over all test points, ε = 1: P, P_rms (√ of the mean square), jacobian_frobenius and jacobian_spectral (means of
    ‖J‖_F and ‖J‖₂), max_gradient_norm (the largest ‖∇f_k‖ of any output at any point), output_norm (mean ‖f‖),
    relative_stability. P_train: P over the first 10,000 training points. train_loss, train_accuracy, test_loss,
    test_accuracy. noise_accuracy_r and pgd_accuracy_r on the first 1,000 test points, in and on the ℓ2 ball of radius
    r times the mean ‖x‖. kappa, and relative_change a layer.

    With `finite` also what a perturbation of a size changes, beside the P of first order. One δ_i is drawn from the
    unit ball for each of the first 1,000 test points. finite_change_r is the mean of ‖f(x_i + εδ_i) − f(x_i)‖/ε at
    ε = r times the mean ‖x‖, and linear_change, its limit for ε → 0, that of ‖J(x_i)δ_i‖.
    """
    x, y = data.x_test.to(network.weights[0]), data.y_test
    f = outputs(network, x)
    gram = jacobian_gram(network, x)
    eigenvalues = spectrum_of_gram(gram)
    stability = stability_of_spectrum(eigenvalues, x.shape[1])
    train_x = data.x[:_TRAIN_POINTS].to(network.weights[0])
    train_spectrum = spectrum_of_gram(jacobian_gram(network, train_x))
    squared = eigenvalues.sum(dim=-1)
    columns = {
        "P": stability.mean(dim=1),
        "P_train": stability_of_spectrum(train_spectrum, x.shape[1]).mean(dim=1),
        "P_rms": (squared / (x.shape[1] + 2)).mean(dim=1).sqrt(),
        "jacobian_frobenius": squared.sqrt().mean(dim=1),
        "jacobian_spectral": eigenvalues[..., -1].sqrt().mean(dim=1),
        "max_gradient_norm": gram.diagonal(dim1=-2, dim2=-1).flatten(1).amax(dim=1).sqrt(),
        "output_norm": torch.linalg.vector_norm(f.double(), dim=-1).mean(dim=1),
        "relative_stability": relative_to_output(stability, f, x),
        "kappa": lazy_training_ratio(network, initial),
        "relative_change": relative_change(network, initial),
    }
    for name, points, targets in (("train", data.x, data.y), ("test", data.x_test, y)):
        columns[f"{name}_loss"], accuracy = evaluate(network, points, targets, loss)
        if accuracy is not None:
            columns[f"{name}_accuracy"] = accuracy
    size = float(torch.linalg.vector_norm(x, dim=1).mean())
    if not y.is_floating_point():
        attacked, labels = x[:_ATTACKED_POINTS], y[:_ATTACKED_POINTS]
        for radius in NOISE_RADII:
            columns[f"noise_accuracy_{radius:g}"] = noise_accuracy(network, attacked, labels, radius * size)
        for radius in PGD_RADII:
            columns[f"pgd_accuracy_{radius:g}"] = pgd_accuracy(network, attacked, labels, radius * size)
    if finite:
        columns |= finite_change(network, x[:_MOVED_POINTS], size)
    listed = {name: _finite(values.double().tolist()) for name, values in columns.items()}
    return [{name: values[replica] for name, values in listed.items()} for replica in range(network.replicas)]


def finite_change(network: Stack, x: Float[Tensor, "n d"], size: float) -> dict[str, Float[Tensor, " R"]]:
    """Return linear_change and a finite_change_r for each of `FINITE_RADII` (see `measure`), ε = r·size."""
    delta = uniform_in_ball(len(x), x.shape[1], generator(0, "finite change")).to(x)
    start = outputs(network, x).double()
    slopes = [
        (jacobian(network, points) @ direction[:, :, None]).squeeze(-1)
        for points, direction in zip(x.split(_AT_ONCE), delta.split(_AT_ONCE), strict=True)
    ]
    columns = {"linear_change": torch.linalg.vector_norm(torch.cat(slopes, dim=1).double(), dim=-1).mean(dim=1)}
    for radius in FINITE_RADII:
        change = outputs(network, x + radius * size * delta).double() - start
        columns[f"finite_change_{radius:g}"] = torch.linalg.vector_norm(change, dim=-1).mean(dim=1) / (radius * size)
    return columns


def _finite(values: list[Any]) -> list[Any]:
    """Return nested numbers with None for what is not finite: JSON has no NaN."""
    return [_finite(v) if isinstance(v, list) else v if math.isfinite(v) else None for v in values]
