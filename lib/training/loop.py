"""Train a stack of replicas, each on its own order of the batches."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from lib import checks, products
from lib.data import Dataset
from lib.stack import Stack
from lib.training import checkpoint as checkpoints
from lib.training.history import History, Moment
from lib.training.losses import prepare
from lib.training.memory import refuse_what_does_not_fit
from lib.training.run import Run, clock
from lib.training.schedule import learning_rate


def train(
    network: Stack,
    data: Dataset,
    epochs: int = 50,
    batch_size: int | None = 64,
    lr: float = 1e-3,
    schedule: str = "paper",
    loss: str = "cross_entropy",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    stop_at: float | None = None,
    observe: Callable[[Moment], Any] | None = None,
    observe_at: Sequence[float] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    precision: str = "fp32",
) -> History:
    """Train every replica in place by SGD, each on its own order of the batches.

    A batch b updates W ← W − lr·v, v ← momentum·v + ∇_W (1/|b|) Σ_{i∈b} loss_i + weight_decay·W, as
    `torch.optim.SGD` does. The last batch of an epoch may be smaller and is divided by its own size. Replica r draws
    its batches from its own seed, so its result does not depend on how many replicas train beside it (to the
    bit, on one thread of one CPU; several threads may split a product differently).

    Args:
        network: the stack; its device is where everything happens.
        data: training points and targets; class labels, or floats for "squared".
        epochs: passes over the data.
        batch_size: points a step; None takes all of them (full-batch gradient descent).
        lr: learning rate of the first epoch.
        schedule: "paper", "proportional" or "constant" (see `learning_rate`).
        loss: "cross_entropy", or "squared" with ½‖f(x_i) − y_i‖² a point (class labels become one-hot targets).
        momentum: in [0, 1).
        weight_decay: coefficient of the ℓ2 penalty's gradient.
        stop_at: leave each replica as it is at the first step, checked every 100, at which its full training loss is at
            or below this; training ends when all have reached it.
        observe: called before the first epoch, after each whole one, and whenever replicas first reach a loss of
            `observe_at`; what it returns is kept in the history. With `stop_at` it sees stopped replicas train on
            beside the others.
        observe_at: training losses to observe, checked like `stop_at`.
        precision: "fp32", or "bf16" for products of factors that are rounded to it: weights, sums and the update stay
            in float32 (see `lib.products.refuse_precision` for where it is refused). Measuring is in float32.
        checkpoint: file that is written after each epoch and from which an interrupted training of the same network
            (at its initialization) on the same data goes on; removed at the end. With it, the observer returns plain
            values and tensors.

    Returns:
        The history: learning rate and loss of each epoch, and what the observer returned.

    Raises:
        ValueError: an option is out of range, the precision is refused, or the data do not fit the network or the loss.
        CheckpointError: the checkpoint is damaged, none, another training's, or could not be written (an OSError and a
            ValueError).
        MemoryError: the device has too little memory left.
        FileNotFoundError: the checkpoint's folder does not exist.

    Source: Zhu et al. 2022, §3 and §5.1.
    """
    check_options(epochs, batch_size, lr, momentum, weight_decay)
    if stop_at is not None:
        checks.finite(stop_at=stop_at)
    for value in observe_at:
        checks.finite(observe_at=value)
    learning_rate(1, lr, schedule)
    if data.x.shape[1] == math.prod(network.point_shape):
        refuse_what_does_not_fit(network, len(data.x), min(batch_size or data.n, data.n), momentum, precision)
    x, targets = prepare(network, data, loss)
    n = len(x)
    batch_size = n if batch_size is None else min(batch_size, n)
    settings = {
        "shape": [tuple(weight.shape) for weight in network.weights],
        "seeds": network.seeds,
        "points": n,
        "epochs": int(epochs),
        "batch_size": int(batch_size),
        "lr": float(lr),
        "schedule": schedule,
        "loss": loss,
        "momentum": float(momentum),
        "weight_decay": float(weight_decay),
        "precision": precision,
        "stop_at": None if stop_at is None else float(stop_at),
        "observe_at": tuple(float(value) for value in observe_at),
    }
    identity = {} if checkpoint is None else checkpoints.identity(network, x, targets)
    kept = checkpoints.Checkpoint(checkpoint, settings | identity)
    with kept.held():
        state = kept.load()
        # A training goes on by the routes by which it began, where they are there: else its numbers depended on kills.
        began = products.current() if state is None else products.Routes.of_description(state["routes"])
        with products.using(began) as routes:
            run = Run(network, x, targets, settings, observe)
            since = clock()
            if state is not None:
                run.load_state_dict(state)
            run.note_routes(routes)
            if state is None and observe is not None:
                run.observe(0.0, None, tuple(range(network.replicas)))
            while len(run.history.lr) < epochs and not run.all_stopped:
                run.epoch()
                since = run.spend_since(since)
                kept.save(run.state_dict())
            run.put_stopped_back()
            run.spend_since(since)
        kept.remove()
    return run.history


def check_options(epochs: int, batch_size: int | None, lr: float, momentum: float, weight_decay: float) -> None:
    """Raise ValueError unless the options of `train` are in their ranges."""
    checks.integers(epochs=epochs)
    if batch_size is not None:
        checks.integers(batch_size=batch_size)
    checks.positive(lr=lr)
    checks.within("[0, 1)", momentum=momentum)
    checks.non_negative(weight_decay=weight_decay)
