"""What a training consists of, counted: steps, products, multiplications, weights moved, points measured, bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch

from lib.experiments.measurement import MATCHED_LOSSES, epochs_measured
from lib.rows import Task
from lib.training.memory import available_bytes, required_bytes

# Training images, test images, inputs and outputs (see `lib.data.load`).
_SIZES = {
    "digits": (1_437, 360, 64, 10),
    "mnist": (60_000, 10_000, 784, 10),
    "fashion-mnist": (60_000, 10_000, 784, 10),
    "cifar10": (50_000, 10_000, 3_072, 10),
}
# As in `lib.experiments.measurement`: points at which P_train is measured, and points that are attacked.
_TRAIN_POINTS, _ATTACKED = 10_000, 1_000
# Forward passes of one attacked point: two noisy ones, and two attacks of ten steps (forward and backward) each.
_ATTACK_PASSES = 2 + 2 * (10 * 2 + 1)
_CHECK_EVERY, _CHECKED = 100, 1_000  # steps between two checks of the matched loss, points of the usual one
_CHUNK_BYTES = 3 * 4 * 2**24  # three tensors of the estimators' chunk in float32


class Work(NamedTuple):
    """Counts of one stack, each with a constant time on one kind of hardware.

    Attributes:
        layers: layers passed, one a step and layer: the overhead of calling.
        products: matrix products, one a replica: the overhead of a product.
        activations: training FLOPs divided by the width: what is moved for every number of an activation, and why
            narrow networks are less efficient.
        flops: floating-point operations of training and measuring.
        weights: weights read and written by the updates, three times as often with momentum.
        spectra: points at which the eigenvalues and P are computed.
    """

    layers: float
    products: float
    activations: float
    flops: float
    weights: float
    spectra: float


# Seconds of each kind of work on one thread of a server's processor. Alone their ratios matter: they order a sweep
# before there are rows, and stand for what rows do not tell apart.
TYPICAL_SECONDS = Work(layers=2.5e-5, products=3e-6, activations=1e-10, flops=1e-11, weights=5e-10, spectra=3e-5)


def work(configuration: Task, replicas: int = 1, measurements: int | None = None, complete: bool = True) -> Work:
    """Count what a stack of replicas does.

    With b points a step, a layer (a → c) takes 2bac FLOPs forward, as many for its weights' gradient and as many to
    pass the gradient down (not below the first). A measurement takes J at the test points and 10,000 training points,
    both losses and the attacks.

    Args:
        configuration: one replica's.
        replicas: R.
        measurements: how often the stack is measured; None means the most that can happen.
        complete: whether measurements have all of today's columns; early rows have P and both losses only.
    """
    c = configuration
    points, test, d, o = _sizes(c)
    m, hidden = c.width, c.width**2 * (c.depth - 2)
    batch = min(c.batch_size or points, points)
    steps = c.epochs * -(-points // batch)
    training = c.epochs * points * 2 * (2 * d * m + 3 * hidden + 3 * m * o)
    forward = 2 * (d * m + hidden + m * o)
    gram = o * m * d + o**2 * d if m >= d else o * m**2 + o**2 * m
    jacobian = 2 * (d * m + hidden + o * hidden + gram)
    if measurements is None:
        measurements = len(epochs_measured(c.epochs, c.schedule)) + len(MATCHED_LOSSES)
    spectra = test + (min(points, _TRAIN_POINTS) if complete else 0)
    passes = points + 2 * test + (min(test, _ATTACKED) * _ATTACK_PASSES if complete else 0)
    checks = steps // _CHECK_EVERY * min(points, _CHECKED) if complete else 0
    measuring = measurements * (spectra * jacobian + passes * forward) + checks * forward
    return Work(
        layers=steps * c.depth,
        products=steps * replicas * (3 * c.depth - 1),
        activations=replicas * training / m,
        flops=replicas * (training + measuring),
        weights=steps * replicas * _weights(c) * (3 if c.momentum else 1),
        spectra=replicas * measurements * spectra,
    )


def memory(configuration: Task, replicas: int = 1) -> int:
    """Return the bytes that a stack takes on its device at most, its measurements included.

    The weights, their initialization, what `train` allocates (`lib.training.memory`), the data, and the largest of
    the measurements: activations of all test points, of one chunk of the training points, of the attacked points with
    what their gradient needs, or a chunk of Jacobians. Where some replicas reach a matched loss before the others, they
    are copied with their initialization: three times their weights.
    """
    c = configuration
    points, test, d, o = _sizes(c)
    fans = [d, *[c.width] * (c.depth - 1), o]
    network = _Shapes(
        [torch.empty(replicas, a, b, device="meta", dtype=torch.float32) for a, b in pairwise(fans)],
        tuple(fans),
        replicas,
    )
    weights = 4 * replicas * _weights(c)
    training = required_bytes(network, points, min(c.batch_size or points, points), c.momentum, c.precision)
    activations = 4 * replicas * c.width * max(2 * test, min(test, _ATTACKED) * 2 * c.depth)
    return (2 if replicas == 1 else 5) * weights + training + 4 * (points + test) * d + max(activations, _CHUNK_BYTES)


def refuse_what_does_not_fit(configuration: Task, replicas: int, device: str) -> None:
    """Raise MemoryError, before a number is drawn, where a stack needs more memory than its device has left.

    Raises:
        MemoryError: with what is asked, what is available, and how many replicas would fit.
    """
    available = available_bytes(torch.device(device))
    asked = memory(configuration, replicas)
    if available is None or asked <= available:
        return
    fits = next((r for r in range(replicas - 1, 0, -1) if memory(configuration, r) <= available), 0)
    remedy = f"{fits} of them at once would fit" if fits else "not even one of them would fit"
    raise MemoryError(
        f"{replicas} replicas of width {configuration.width}, depth {configuration.depth} need {asked / 2**30:.2f} GiB "
        f"on {device}, {available / 2**30:.2f} GiB are available; {remedy}."
    )


class _Shapes(NamedTuple):
    """The shapes of a stack without its numbers: the largest do not fit into this machine's memory."""

    weights: list[torch.Tensor]
    layer_sizes: tuple[int, ...]
    replicas: int


def _sizes(configuration: Task) -> tuple[int, int, int, int]:
    """Return training points, test points, inputs and outputs."""
    n, test, d, o = _SIZES[configuration.dataset]
    return min(configuration.samples or n, n), test, d, o


def _weights(configuration: Task) -> int:
    _, _, d, o = _SIZES[configuration.dataset]
    return configuration.width * (d + o) + configuration.width**2 * (configuration.depth - 2)
