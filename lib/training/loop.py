"""Train a stack of replicas, each on its own order of the batches."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib.data import Dataset
from lib.networks import FCN
from lib.seeds import generator
from lib.training import checkpoint as checkpoints
from lib.training.descent import Descent
from lib.training.history import History, Moment
from lib.training.losses import prepare, target_rows
from lib.training.matched_loss import MatchedLoss
from lib.training.memory import refuse_what_does_not_fit
from lib.training.schedule import learning_rate

if TYPE_CHECKING:
    from torch import Tensor

# Steps between two checks of the full training loss, where something waits for it.
CHECK_EVERY = 100


def train(
    network: FCN,
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
        checkpoint: file that is written after each epoch and from which an interrupted training of the same network
            (at its initialization) on the same data goes on; removed at the end.

    Returns:
        The history: learning rate and loss of each epoch, and what the observer returned.

    Raises:
        ValueError: an option is out of range, the data do not fit the network or the loss, or the checkpoint belongs
            to another training.
        MemoryError: the device has too little memory left.
        FileNotFoundError: the checkpoint's folder does not exist.

    Source: Zhu et al. 2022, §3 and §5.1. Used by: chapters 06 to 10.
    """
    check_options(epochs, batch_size, lr, momentum, weight_decay)
    learning_rate(1, lr, schedule)
    if data.x.shape[1] == network.in_features:
        refuse_what_does_not_fit(network, len(data.x), min(batch_size or data.n, data.n), momentum)
    x, targets = prepare(network, data, loss)
    n = len(x)
    batch_size = n if batch_size is None else min(batch_size, n)
    settings = {
        "shape": [tuple(weight.shape) for weight in network.weights],
        "seeds": network.seeds,
        "points": n,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "schedule": schedule,
        "loss": loss,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "stop_at": stop_at,
        "observe_at": tuple(observe_at),
    }
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        settings |= checkpoints.identity(network, x, targets)
    run = _Run(network, x, targets, settings, observe)
    clock = _clock()
    if path is not None and (state := checkpoints.load(path, settings)) is not None:
        run.load_state_dict(state)
    elif observe is not None:
        run.observe(0.0, None, tuple(range(network.replicas)))
    while len(run.history.lr) < epochs and not run.all_stopped:
        run.epoch()
        clock = run.spend_since(clock)
        if path is not None:
            checkpoints.save(path, settings, run.state_dict())
    run.put_stopped_back()
    run.spend_since(clock)
    if path is not None:
        path.unlink(missing_ok=True)
    return run.history


def _clock() -> tuple[float, float]:
    """Return wall clock and processor time in seconds, from some start."""
    return time.perf_counter(), time.process_time()


class _Run:
    """The state of a training between two epochs."""

    def __init__(
        self,
        network: FCN,
        x: Tensor,
        targets: Tensor,
        settings: dict[str, Any],
        observe: Callable[[Moment], Any] | None,
    ) -> None:
        self.network, self.settings, self.observer = network, settings, observe
        self.points, self.step, self.history = len(x), 0, History()
        self.streams = [generator(seed, "batches") for seed in network.seeds]
        weights = [weight.detach() for weight in network.weights]
        momentum, size, loss = settings["momentum"], settings["batch_size"], settings["loss"]
        self.velocities = [torch.zeros_like(weight) for weight in weights] if momentum else None
        rows = target_rows(targets, network)
        sizes = {size, self.points % size or size}
        self.descents = {
            size: Descent(network, self.velocities, x, rows, size, loss, momentum, settings["weight_decay"])
            for size in sizes
        }
        values = (
            settings["observe_at"] if settings["stop_at"] is None else (*settings["observe_at"], settings["stop_at"])
        )
        self.watch = MatchedLoss(network, x, targets, loss, tuple(set(values))) if values else None
        self.kept: dict[int, list[Tensor]] = {}

    def spend_since(self, before: tuple[float, float]) -> tuple[float, float]:
        """Add the time since then to the history and return the time now."""
        now = _clock()
        self.history.seconds += now[0] - before[0]
        self.history.cpu_seconds += now[1] - before[1]
        return now

    @property
    def all_stopped(self) -> bool:
        return len(self.kept) == self.network.replicas

    def epoch(self) -> None:
        """Pass over the data once."""
        number, size = len(self.history.lr) + 1, self.settings["batch_size"]
        lr = learning_rate(number, self.settings["lr"], self.settings["schedule"], self.settings["epochs"])
        if size < self.points:
            order = torch.stack([torch.randperm(self.points, generator=stream) for stream in self.streams])
        else:
            order = torch.arange(self.points).expand(self.network.replicas, -1)
        order = order.to(self.network.weights[0].device)
        seen = 0
        for batch in order.split(size, dim=1):
            self.descents[batch.shape[1]](batch, lr)
            self.step += 1
            seen += batch.shape[1]
            if self.watch is not None and self.step % CHECK_EVERY == 0:
                self._check(number - 1 + seen / self.points)
                if self.all_stopped:
                    break
        total = sum(descent.total.double().sum(dim=(1, 2)) for descent in self.descents.values())
        self.history.lr.append(lr)
        self.history.loss.append((total / seen).cpu())
        for descent in self.descents.values():
            descent.total.zero_()
        if self.observer is not None and seen == self.points:
            self.observe(float(number), None, tuple(range(self.network.replicas)))

    def _check(self, epoch: float) -> None:
        for value, replicas in self.watch.check():
            if self.observer is not None and value in self.settings["observe_at"]:
                self.observe(epoch, value, replicas)
            if value == self.settings["stop_at"]:
                for replica in replicas:
                    self.kept[replica] = [weight[replica].detach().clone() for weight in self.network.weights]
                    self.history.stopped[replica] = Moment(epoch, self.step, value, (replica,))

    def observe(self, epoch: float, loss: float | None, replicas: tuple[int, ...]) -> None:
        """Ask the observer and keep what it says."""
        moment = Moment(epoch, self.step, loss, replicas)
        seen = self.observer(moment)
        if seen is not None:
            self.history.observations.append((moment, seen))

    def put_stopped_back(self) -> None:
        """Leave every stopped replica with the weights of the moment at which it stopped."""
        with torch.no_grad():
            for replica, weights in self.kept.items():
                for layer, weight in zip(self.network.weights, weights, strict=True):
                    layer[replica] = weight

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": [weight.detach() for weight in self.network.weights],
            "velocities": self.velocities,
            "streams": [stream.get_state() for stream in self.streams],
            "step": self.step,
            "history": self.history,
            "watch": self.watch.state_dict() if self.watch else None,
            "kept": self.kept,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for weight, saved in zip(self.network.weights, state["weights"], strict=True):
                weight.copy_(saved)
            for velocity, saved in zip(self.velocities or (), state["velocities"] or (), strict=True):
                velocity.copy_(saved)
        for stream, saved in zip(self.streams, state["streams"], strict=True):
            stream.set_state(saved)
        self.step, self.history, self.kept = state["step"], state["history"], state["kept"]
        if self.watch is not None:
            self.watch.load_state_dict(state["watch"])


def check_options(epochs: int, batch_size: int | None, lr: float, momentum: float, weight_decay: float) -> None:
    """Raise ValueError unless the options of `train` are in their ranges."""
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if name == "batch_size" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be positive and finite, got {lr!r}.")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be in [0, 1), got {momentum!r}.")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be at least 0 and finite, got {weight_decay!r}.")
