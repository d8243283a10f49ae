"""Adversarial training of a stack of replicas, with early stopping on a held-out split."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from lib import checks
from lib.adversarial.ascent import Attack, check_attack
from lib.adversarial.classifier import classifier
from lib.adversarial.gradients import StackGradient
from lib.adversarial.objectives import OBJECTIVES
from lib.adversarial.resolution import wide
from lib.adversarial.robustness import robustness
from lib.data import Dataset
from lib.estimators.calls import check_points
from lib.labels import class_labels
from lib.seeds import generator
from lib.stack import Stack
from lib.training import check_options, learning_rate
from lib.training.losses import prepare, target_rows

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Real
    from torch import Tensor

    from lib.labels import Labels

    # λ, one of all replicas or one of each.
    Strength = float | Real[Tensor, ""] | Real[Tensor, " R"]


@dataclass(frozen=True)
class Epoch:
    """What an epoch of adversarial training was, (R,) each.

    Attributes:
        number: counted from 1.
        lr, strength: learning rate, and λ of every replica.
        natural, regularization: means over the epoch's batches, before each step.
        robust: of every watched split, the share of points that are right and stable under the attack.
    """

    number: int
    lr: float
    strength: Float[Tensor, " R"]
    natural: Float[Tensor, " R"]
    regularization: Float[Tensor, " R"]
    robust: dict[str, Float[Tensor, " R"]]


@dataclass
class Best:
    """The epoch at which every replica was most robust on a split, and its weights then: early stopping.

    Attributes:
        robust: the share of points that were right and stable; −1 before the first epoch.
        epoch: its number, the first of several equal ones.
        weights: of all replicas, L tensors.
    """

    robust: Float[Tensor, " R"]
    epoch: Int[Tensor, " R"]
    weights: list[Tensor]

    def take(self, robust: Tensor, epoch: int, weights: list[Tensor]) -> None:
        """Keep replicas that are more robust now."""
        for r in (robust > self.robust).nonzero()[:, 0].tolist():
            self.robust[r], self.epoch[r] = robust[r], epoch
            for kept, weight in zip(self.weights, weights, strict=True):
                kept[r] = weight[r]

    def restore(self, network: Stack) -> None:
        """Give a stack these weights."""
        with torch.no_grad():
            for weight, kept in zip(network.weights, self.weights, strict=True):
                weight.copy_(kept)


@dataclass
class AdversarialHistory:
    """What happened during an adversarial training.

    Attributes:
        epochs: one entry an epoch.
        best: for each watched split what early stopping on it chooses.
        seconds, cpu_seconds: of the whole training.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best: dict[str, Best] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def train_adversarially(
    network: Stack,
    data: Dataset,
    attack: Attack,
    objective: str = "cross_entropy",
    strength: Strength = 1.0,
    epochs: int = 10,
    batch_size: int = 64,
    lr: float = 0.01,
    schedule: str = "proportional",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    watch: Mapping[str, tuple[Float[Tensor, "n d"], Labels]] | None = None,
    watch_attack: Attack | None = None,
    observe: Callable[[Epoch], Strength | None] | None = None,
) -> AdversarialHistory:
    """Train every replica in place by SGD on mean[natural risk + λ · regularization] at attacked points.

    Batches and updates are those of `lib.training.train`, and each replica draws its own batches and random starts from
    its own seed: its result does not depend on the replicas that train beside it.

    Args:
        network: the stack.
        data: training points and class labels.
        attack: how points are attacked in every step; the last of its points is trained on.
        objective: "cross_entropy" (Wu et al.'s form; λ = 1 is Madry et al.'s) or "trades".
        strength: λ ≥ 0, one of all replicas or one of each: a number, or a tensor of shape () or (R,).
        epochs: as in `train`, as are the five that follow.
        batch_size: points of a step.
        lr: the learning rate of the first epochs.
        schedule: of the learning rate.
        momentum: μ.
        weight_decay: of each step.
        watch: splits on which robust accuracy is measured after every epoch, and the best epoch's weights are kept:
            a held-out one for early stopping. Points are cast to the network's type, as those of `data` are. The
            network itself keeps the weights of the last epoch.
        watch_attack: by which it is measured; `attack` when None.
        observe: called after every epoch; what it returns is λ from there on, as `strength`, and None changes nothing.

    Raises:
        ValueError: an option is out of range, an attack cannot be made on the points in the network's type (see
            `attacked_points`), or data or watched splits do not fit the network; all before the first step, except
            that what `observe` returns is no λ.

    Source: Madry et al. 2018; Zhang et al. 2019; Wu et al. 2021. Early stopping: Rice, Wong and Kolter 2020.
    """
    check_options(epochs, batch_size, lr, momentum, weight_decay)
    learning_rate(1, lr, schedule, epochs)
    checks.one_of(OBJECTIVES, objective=objective)
    _check_given(network, data)
    strengths = _strengths(network, strength=strength)
    x, labels = prepare(network, data, "cross_entropy")
    # As the network takes them: its type may resolve less than that of the data.
    check_attack(attack, x)
    watch_attack = attack if watch_attack is None else watch_attack
    watch = _watched(network, {} if watch is None else watch, watch_attack)
    run = _Run(network, x, target_rows(labels, network), attack, objective, batch_size, momentum, weight_decay)
    run.strength.copy_(strengths)
    history = AdversarialHistory(best={name: run.nothing_yet() for name in watch})
    wall, processor = time.perf_counter(), time.process_time()
    for number in range(1, epochs + 1):
        rate = learning_rate(number, lr, schedule, epochs)
        natural, regularization = run.epoch(rate)
        robust = {
            name: robustness(network, points, y, watch_attack).robust.double().mean(dim=1).cpu()
            for name, (points, y) in watch.items()
        }
        for name, share in robust.items():
            history.best[name].take(share, number, run.weights)
        entry = Epoch(number, rate, run.strength.cpu().clone(), natural, regularization, robust)
        history.epochs.append(entry)
        changed = observe(entry) if observe is not None else None
        if changed is not None:
            run.strength.copy_(_strengths(network, **{"what observe returns": changed}))
    history.seconds, history.cpu_seconds = time.perf_counter() - wall, time.process_time() - processor
    return history


def _check_given(network: Any, data: Any) -> None:
    """Raise ValueError unless there are a stack and a data set."""
    if not isinstance(network, Stack):
        raise ValueError(f"network must be a Stack, got {type(network).__name__}.")
    if not isinstance(data, Dataset):
        raise ValueError(f"data must be a Dataset, got {type(data).__name__}.")


def _strengths(network: Stack, **strength: Any) -> Float[Tensor, " R"]:
    """Return λ of every replica in the network's type; it has the name by which a sentence calls it."""
    ((name, given),) = strength.items()
    replicas, weight = network.replicas, network.weights[0].detach()
    if not isinstance(given, torch.Tensor):
        return weight.new_full((replicas,), checks.non_negative(**strength))
    if given.shape not in ((), (replicas,)):
        raise ValueError(
            f"{name} must be one number or one of each replica, a tensor of shape () or ({replicas},), got shape "
            f"{tuple(given.shape)}."
        )
    for value in given.reshape(-1).tolist():
        checks.non_negative(**{name: value})
    return given.detach().to(weight).expand(replicas)


def _watched(network: Stack, watch: Any, attack: Attack) -> dict[str, tuple[Tensor, Tensor]]:
    """Return splits as the network takes them; refuse here what would else end a training after its first epoch."""
    if not isinstance(watch, Mapping):
        raise ValueError(f"watch must map names to pairs (x, y), got {type(watch).__name__}.")
    watched = {}
    for name, pair in watch.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"watch[{name!r}] must be a pair (x, y), got {_told(pair)}.")
        try:
            watched[name] = _split(network, *pair, attack)
        except ValueError as error:
            raise ValueError(f"watch[{name!r}] must be fit for the attack and the network, but {error}") from error
    return watched


def _split(network: Stack, x: Any, y: Any, attack: Attack) -> tuple[Tensor, Tensor]:
    check_points(x)
    x = x.to(network.weights[0].detach())
    check_attack(attack, x)
    with classifier(network, x) as (_, classes):
        return x, class_labels(y, len(x), classes, x.device)


def _told(pair: Any) -> str:
    kind = type(pair).__name__
    return f"{kind} of {len(pair)}" if isinstance(pair, (tuple, list)) else kind


class _Run:
    """The state of an adversarial training."""

    def __init__(
        self,
        network: Stack,
        x: Tensor,
        rows: Tensor,
        attack: Attack,
        objective: str,
        batch_size: int,
        momentum: float,
        weight_decay: float,
    ) -> None:
        self.network, self.x, self.rows, self.attack = network, x, rows, attack
        self.objective, self.momentum, self.weight_decay = OBJECTIVES[objective], momentum, weight_decay
        self.batch_size = min(batch_size, len(x))
        self.weights = [weight.detach() for weight in network.weights]
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.strength = x.new_zeros(network.replicas)
        self.batches = [generator(seed, "batches") for seed in network.seeds]
        self.starts = [generator(seed, "attack") for seed in network.seeds]
        sizes = {self.batch_size, len(x) % self.batch_size or self.batch_size}
        # Two batches pass through the weights before they change: the points as they are, and attacked.
        self.passes = {size: (network.passes(size), network.passes(size)) for size in sizes}
        self.gradients = {size: StackGradient(attacked) for size, (_, attacked) in self.passes.items()}

    def nothing_yet(self) -> Best:
        replicas = self.network.replicas
        never = torch.full((replicas,), -1.0, dtype=torch.float64)
        return Best(never, torch.zeros(replicas, dtype=torch.int64), [weight.clone() for weight in self.weights])

    def epoch(self, lr: float) -> tuple[Tensor, Tensor]:
        """Pass over the data once and return the means of both parts of the objective."""
        order = torch.stack([torch.randperm(len(self.x), generator=stream, device="cpu") for stream in self.batches])
        totals = [torch.zeros(self.network.replicas, dtype=torch.float64, device=self.x.device) for _ in range(2)]
        for batch in order.to(self.x.device).split(self.batch_size, dim=1):
            for total, part in zip(totals, self._step(batch, lr), strict=True):
                total += part.double().sum(dim=1)
        return totals[0].cpu() / len(self.x), totals[1].cpu() / len(self.x)

    def _step(self, batch: Tensor, lr: float) -> tuple[Tensor, Tensor]:
        size = batch.shape[1]
        natural, attacked = self.passes[size]
        index = batch.reshape(-1)
        torch.index_select(self.x, 0, index, out=natural.points)
        rows = self.rows[index].view(natural.output.shape)
        natural.forward()
        points = natural.points.view(*batch.shape, -1)
        gradient = self.gradients[size]
        point = self._start(points, wide(attacked.points.view(points.shape)))
        self.attack.ascend(gradient.slope, points, self.objective.target(natural.output, rows), point)
        gradient.put(point)
        attacked.forward()
        risk = self.objective.risk(natural.output, attacked.output, rows, self.strength)
        natural.output.copy_(risk.at_natural)
        attacked.output.copy_(risk.at_attacked)
        natural.backward(self.velocities, self.momentum, 1 / size)
        attacked.backward(self.velocities, 1.0, 1 / size)
        for weight, velocity in zip(self.weights, self.velocities, strict=True):
            if self.weight_decay:
                velocity.add_(weight, alpha=self.weight_decay)
            weight.add_(velocity, alpha=-lr)
        return risk.natural, risk.regularization

    def _start(self, points: Tensor, start: Tensor) -> Tensor:
        """Fill in the first points of the attack, drawn from each replica's own seed."""
        if not self.attack.random_start:
            return start.copy_(points)
        for each, first, stream in zip(points, start, self.starts, strict=True):
            torch.add(wide(each), self.attack.starts(each.shape, stream).to(first), out=first)
        return start if self.attack.pixels is None else start.clamp_(*self.attack.pixels)
