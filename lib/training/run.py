"""The state of a training between two steps, and its passes over the data."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from lib import products
from lib.seeds import generator
from lib.stack import Stack
from lib.training.descent import Descent
from lib.training.history import History, Moment
from lib.training.losses import target_rows
from lib.training.matched_loss import MatchedLoss
from lib.training.pixels import compact
from lib.training.schedule import learning_rate

if TYPE_CHECKING:
    from torch import Tensor

# Steps between two checks of the full training loss, where something waits for it.
CHECK_EVERY = 100


def clock() -> tuple[float, float]:
    """Return wall clock and processor time in seconds, from some start."""
    return time.perf_counter(), time.process_time()


class Run:
    """The state of a training between two epochs."""

    def __init__(
        self,
        network: Stack,
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
        rows, pixels = target_rows(targets, network), compact(x)
        sizes = {size, self.points % size or size}
        others = settings["weight_decay"], settings["precision"]
        self.descents = {
            size: Descent(network, self.velocities, pixels, rows, size, loss, momentum, *others) for size in sizes
        }
        values = (
            settings["observe_at"] if settings["stop_at"] is None else (*settings["observe_at"], settings["stop_at"])
        )
        self.watch = MatchedLoss(network, x, targets, loss, tuple(set(values))) if values else None
        self.kept: dict[int, list[Tensor]] = {}
        self.history.stopped = dict.fromkeys(range(network.replicas))

    def note_routes(self, routes: products.Routes) -> None:
        """Put into the history by which routes products are computed from here on, where that is news."""
        if not products.routed(self.network.weights[0]):
            return
        described, noted = routes.described(), self.history.routes
        if not noted or noted[max(noted)] != described:
            noted[len(self.history.lr) + 1] = described

    def spend_since(self, before: tuple[float, float]) -> tuple[float, float]:
        """Add the time since then to the history and return the time now."""
        now = clock()
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
            order = torch.stack(
                [torch.randperm(self.points, generator=stream, device="cpu") for stream in self.streams]
            )
        else:
            order = torch.arange(self.points, device="cpu").expand(self.network.replicas, -1)
        order = order.to(self.network.weights[0].device)
        seen, batches = 0, iter(order.split(size, dim=1))
        while seen < self.points and not self.all_stopped:
            # Taken once for many steps; given back before anything is asked that is not ours.
            with products.switch:
                for batch in itertools.islice(batches, CHECK_EVERY - self.step % CHECK_EVERY):
                    self.descents[batch.shape[1]](batch, lr)
                    self.step += 1
                    seen += batch.shape[1]
            if self.watch is not None and self.step % CHECK_EVERY == 0:
                self._check(number - 1 + seen / self.points)
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
            "history": self.history.state_dict(),
            "routes": self.history.routes[max(self.history.routes)] if self.history.routes else None,
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
        self.step, self.history, self.kept = state["step"], History.of(state["history"]), state["kept"]
        if self.watch is not None:
            self.watch.load_state_dict(state["watch"])
