"""Adversarial training as an experiment: width × λ, with Wu's stability and Zhu's P beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from lib import checks
from lib.adversarial import OBJECTIVES, Attack, divergence_slope, robustness
from lib.adversarial.training import AdversarialHistory, train_adversarially
from lib.convolutional import CNN
from lib.data import Dataset, load
from lib.data.images import IMAGES, first, hold_out, with_test_set
from lib.estimators import perturbation_stability
from lib.estimators.spectrum import outputs
from lib.estimators.stability import relative_to_output
from lib.experiments.convolutional import pass_seconds
from lib.labels import predicted
from lib.networks import FCN
from lib.rows import Conditions, Outcome, Task, seeds
from lib.seeds import check_seed
from lib.training import check_options

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.adversarial.training import Epoch
    from lib.stack import Stack

ARCHITECTURES = ("fcn", "cnn")
STRENGTHS = (1.0, 3.0, 6.0, 12.0, 18.0)
# Largest change of a pixel in [0, 1]: the largest of 0.1 and 0.05, and of Madry et al.'s 0.3 and 0.2, at which the
# narrowest networks still learn at λ = 1 and 18 on the pilot seeds 0 to 2, with natural accuracy above .5 and robust
# above .2 at the epoch that held-out images choose. At 0.1 one of three fully connected ones of λ = 18 learned nothing.
EPSILONS = {"cnn": 0.3, "fcn": 0.05}
# Images held out for early stopping (of the digits, which pages train on, fewer), and test images that are attacked and
# measured.
HELD_OUT, FEW_HELD_OUT, MEASURED = 2_000, 200, 1_000
PIXELS = (0.0, 1.0)
_TRAINING_STEPS, _STEPS = 7, 20
_DIGITS = 6


@dataclass(frozen=True)
class AdversarialTraining(Task):
    """Describe one replica's adversarial training on raw pixels, in an ℓ∞ ball cut by their range.

    Attributes:
        dataset: as in `lib.data.load`.
        architecture: "fcn" (`lib.networks.FCN`) or "cnn" (`lib.convolutional.CNN`), both from He.
        width, depth, seed: of the network; a convolutional one's width are its channels.
        epsilon: radius, as a share of the range of pixels.
        strength: λ.
        objective: as in `train_adversarially`.
        samples: training images; `held_out` more are for early stopping.
        epochs, batch_size, lr, momentum: as in `train_adversarially`, with the schedule "proportional".

    Raises:
        ValueError: a value is out of range.

    Source: the setting of Wu et al. 2021, on networks of a laptop's size.
    """

    kind: ClassVar[str] = "adversarial"
    dataset: str
    architecture: str
    width: int
    depth: int
    epsilon: float
    strength: float
    seed: int
    objective: str = "trades"
    samples: int = 20_000
    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.05
    momentum: float = 0.9

    def __post_init__(self) -> None:
        checks.one_of(tuple(IMAGES), dataset=self.dataset)
        checks.one_of(ARCHITECTURES, architecture=self.architecture)
        checks.one_of(tuple(OBJECTIVES), objective=self.objective)
        checks.integers(width=self.width, samples=self.samples)
        checks.integers(least=2, depth=self.depth)
        checks.positive(epsilon=self.epsilon)
        checks.non_negative(strength=self.strength)
        check_options(self.epochs, self.batch_size, self.lr, self.momentum, 0.0)
        check_seed(self.seed)

    def prepare(self, conditions: Conditions) -> None:
        """Load the data set: an absent or damaged one is told before the first training."""
        split(self, conditions)

    def seconds(self, replicas: int) -> float:
        """Return a guess on one thread: two passes a step of the attack, and five more, a point."""
        each = 2 * _TRAINING_STEPS + 5
        points = self.epochs * (self.samples + self.held_out + MEASURED) * each
        measuring = 3 * MEASURED * (4 * _STEPS + 20)
        steps = self.epochs * self.samples / self.batch_size * each
        return 2e-4 * steps + replicas * (points + measuring) * self.pass_seconds

    @property
    def pass_seconds(self) -> float:
        """Return a guess of the seconds of a point's pass through one replica."""
        image = IMAGES[self.dataset]
        if self.architecture == "cnn":
            return pass_seconds(self.width, self.depth, image, 10)
        return 2.5e-11 * (self.width * (math.prod(image) + 10) + self.width**2 * (self.depth - 2))

    @property
    def held_out(self) -> int:
        """Return how many images are held out for early stopping."""
        return FEW_HELD_OUT if self.dataset == "digits" else HELD_OUT

    @property
    def attack(self) -> Attack:
        """Return the attack of a training step: seven steps of a quarter of ε."""
        return Attack(self.epsilon, steps=_TRAINING_STEPS, step_size=self.epsilon / 4, pixels=PIXELS)

    @property
    def final_attack(self) -> Attack:
        """Return the attack that is reported: twenty steps of an eighth of ε, the best of them."""
        return Attack(self.epsilon, steps=_STEPS, step_size=self.epsilon / 8, pixels=PIXELS)

    @classmethod
    def compute(cls, stack: Sequence[AdversarialTraining], conditions: Conditions) -> Outcome:
        """Train the stack and measure it as early stopping on held-out images, on test images and no stopping leave it.

        The second choice is that of Wu et al.'s code: it is there to measure its bias, and decides nothing.
        """
        task = stack[0]
        data, held_out = split(task, conditions)
        network = build(task, data, len(stack), conditions.device)
        history = fit(task, network, data, held_out, task.strength, conditions)
        return outcome(task, network, data, history)


def split(task: AdversarialTraining, conditions: Conditions) -> tuple[Dataset, Dataset]:
    """Return the training images, with the test set, and those that are held out."""
    samples = task.samples + task.held_out
    data = load(task.dataset, root=conditions.root, scaling="raw", samples=samples, dtype=torch.float32)
    return hold_out(with_test_set(data).to(conditions.device), task.held_out)


def build(task: AdversarialTraining, data: Dataset, replicas: int, device: str) -> Stack:
    """Return a stack of a task's architecture at its initialization."""
    options = {"replicas": replicas, "seed": task.seed, "dtype": torch.float32, "device": device}
    if task.architecture == "cnn":
        return CNN(task.width, task.depth, IMAGES[task.dataset], data.out_features, "he", **options)
    return FCN(task.width, task.depth, data.in_features, data.out_features, "he", **options)


def fit(
    task: AdversarialTraining,
    network: Stack,
    data: Dataset,
    held_out: Dataset,
    strength: float | Float[Tensor, " R"],
    conditions: Conditions,
    adapt: Callable[[Epoch], Float[Tensor, " R"]] | None = None,
) -> AdversarialHistory:
    """Train a stack as a task says, with a λ of its own; `adapt` may change λ after every epoch."""

    def observe(epoch: Epoch) -> Tensor | None:
        conditions.wait_while_paused()
        return None if adapt is None else adapt(epoch)

    return train_adversarially(
        network,
        data,
        task.attack,
        task.objective,
        strength,
        epochs=task.epochs,
        batch_size=task.batch_size,
        lr=task.lr,
        momentum=task.momentum,
        watch={
            "held-out": (held_out.x, held_out.y),
            "test": (data.x_test[:MEASURED], data.y_test[:MEASURED]),
        },
        observe=observe,
    )


def outcome(task: AdversarialTraining, network: Stack, data: Dataset, history: AdversarialHistory) -> Outcome:
    """Measure a trained stack at each choice of its epoch, and tell how its training went.

    held_out_robust_accuracy, under the training's attack, is that by which a λ is chosen: test images choose nothing.
    """
    measurements: list[list[dict[str, Any]]] = [[] for _ in network.seeds]
    last = [weight.detach().clone() for weight in network.weights]
    for selection in (*history.best, "last"):
        if selection == "last":
            with torch.no_grad():
                for weight, kept in zip(network.weights, last, strict=True):
                    weight.copy_(kept)
            epochs = [task.epochs] * network.replicas
        else:
            history.best[selection].restore(network)
            epochs = history.best[selection].epoch.tolist()
        for r, seen in enumerate(measure(network, data, task.final_attack)):
            when = {"epoch": epochs[r], "reached": None, "selection": selection}
            epoch = history.epochs[epochs[r] - 1]
            then = {
                "lambda": short(epoch.strength[r]),
                "held_out_robust_accuracy": short(epoch.robust["held-out"][r]),
            }
            measurements[r].append({**when, **then, **seen})
    failures = [
        None if math.isfinite(float(risk)) else "diverged: the training loss is not finite"
        for risk in history.epochs[-1].natural
    ]
    traces = [_trace(history, r) for r in range(network.replicas)]
    return Outcome(measurements, failures, history.seconds, history.cpu_seconds, traces=traces)


def _trace(history: AdversarialHistory, r: int) -> dict[str, Any]:
    """Return how the training of a replica went, a list a column: λ and both parts of the risk in every epoch."""
    return {
        "epoch": [epoch.number for epoch in history.epochs],
        "lr": [short(epoch.lr) for epoch in history.epochs],
        "lambda": [short(epoch.strength[r]) for epoch in history.epochs],
        "natural": [short(epoch.natural[r]) for epoch in history.epochs],
        "regularization": [short(epoch.regularization[r]) for epoch in history.epochs],
        "held_out_robust_accuracy": [short(epoch.robust["held-out"][r]) for epoch in history.epochs],
    }


def measure(network: Stack, data: Dataset, attack: Attack) -> list[dict[str, Any]]:
    """Return one measurement a replica, on the first `MEASURED` test images but for test_accuracy.

    natural_accuracy, robust_accuracy and stability (Wu's), by one attack; divergence_slope, the mean over points of
    Wu's local Lipschitzness (they sum over a batch); P and relative_stability (Zhu's).
    """
    few = first(data, MEASURED)
    x, y = few.x_test, few.y_test
    found = robustness(network, x, y, attack)
    stability = perturbation_stability(network, x)
    f = outputs(network, x)
    columns = {
        "test_accuracy": (predicted(outputs(network, data.x_test)) == data.y_test).double().mean(dim=1),
        "natural_accuracy": found.correct.double().mean(dim=1),
        "robust_accuracy": found.robust.double().mean(dim=1),
        "stability": found.stable.double().mean(dim=1),
        "divergence_slope": divergence_slope(network, x, attack).double().mean(dim=1),
        "P": stability.mean(dim=1),
        "relative_stability": relative_to_output(stability, f, x),
        "output_norm": torch.linalg.vector_norm(f.double(), dim=-1).mean(dim=1),
    }
    return [{name: short(values[r]) for name, values in columns.items()} for r in range(network.replicas)]


def short(value: Any) -> float | None:
    """Return a number as rows keep it: six digits; None for what is not finite."""
    return float(f"{float(value):.{_DIGITS}g}") if math.isfinite(float(value)) else None


WIDTHS = {"fcn": (32, 64, 128, 256, 512), "cnn": (4, 8, 16, 32)}
DEPTHS = {"fcn": 3, "cnn": 4}


def adversarial(round: int = 1) -> list[AdversarialTraining]:
    """Return width × λ of TRADES, and Madry et al.'s objective, for both architectures; round 1 had none.

    Fashion-MNIST repeats every other width and λ of TRADES.
    """
    there = () if round == 1 else seeds(AdversarialTraining.kind, round)
    madry = [(1.0, "cross_entropy")]
    grids = [
        ("mnist", 1, [*((strength, "trades") for strength in STRENGTHS), *madry]),
        ("fashion-mnist", 2, [(strength, "trades") for strength in STRENGTHS[::2]]),
    ]
    return [
        AdversarialTraining(
            dataset, architecture, width, DEPTHS[architecture], EPSILONS[architecture], strength, seed, objective
        )
        for dataset, every, objectives in grids
        for architecture in ARCHITECTURES
        for width in WIDTHS[architecture][::every]
        for strength, objective in objectives
        for seed in there
    ]
