"""Width adjusted regularization, reconstructed: a wide network's λ follows what a small network was tuned to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import torch

from lib import checks
from lib.experiments.adversarial import (
    DEPTHS,
    EPSILONS,
    STRENGTHS,
    WIDTHS,
    AdversarialTraining,
    build,
    fit,
    outcome,
    short,
    split,
)
from lib.rows import Conditions, Outcome, seeds

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.adversarial.training import Epoch

# λ stays within this factor of what the small network was tuned to.
LARGEST_FACTOR = 100.0
REFERENCES = ("curve", "end")


@dataclass(frozen=True)
class WidthAdjustedTraining(AdversarialTraining):
    """Describe one replica's training by the reconstruction; `strength` is 0, since λ comes from the small network.

    1. The small network is trained once for every λ of `STRENGTHS`, and the λ* of the highest robust accuracy on the
       held-out images is taken, for each seed.
    2. ρ(t), its robust regularization over its natural risk in epoch t, is kept for that λ*.
    3. The wide network begins with λ*. After every epoch t its λ is multiplied by (ρ_wide(t)/ρ(t))^rate: where the wide
       network has more regularization left for its natural risk than the small one had, λ grows.

    The rule is **ours**: of Wu et al.'s Algorithm 1 only the aim is known, to keep that ratio as the small network's.

    Attributes:
        small: width of the small network.
        rate: exponent of the correction.
        reference: "curve" compares with ρ in the same epoch, "end" with ρ in the last one.

    Raises:
        ValueError: a value is out of range.

    Source: Wu et al. 2021, §5, by its aim.
    """

    kind: ClassVar[str] = "width-adjusted"
    small: int = 4
    rate: float = 1.0
    reference: str = "curve"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integers(small=self.small)
        checks.one_of((0.0,), strength=self.strength)
        checks.positive(rate=self.rate)
        checks.one_of(REFERENCES, reference=self.reference)

    @property
    def stacked(self) -> bool:
        """Return False for the widest networks of the plan: claim 83 compares times, and a stack has one."""
        return self.width != WIDTHS[self.architecture][-1]

    def seconds(self, replicas: int) -> float:
        """Return a guess on one thread: the small trainings and the wide one."""
        wide = super().seconds(replicas)
        return wide * (
            1 + len(STRENGTHS) * dataclasses.replace(self, width=self.small).pass_seconds / self.pass_seconds
        )

    @classmethod
    def compute(cls, stack: Sequence[WidthAdjustedTraining], conditions: Conditions) -> Outcome:
        """Tune the small network, train the wide one after it, and measure it as an `AdversarialTraining` is.

        Every measurement also has tuned_lambda (λ*), tuning_seconds and wide_seconds (of the processor, a replica), and
        the trace has goal, the ρ of the small network that λ was adapted to after each epoch.
        """
        task, replicas = stack[0], len(stack)
        data, held_out = split(task, conditions)
        tuned, ratio, tuning = _tune(_small(task), replicas, conditions)
        network = build(task, data, replicas, conditions.device)

        goals = ratio if task.reference == "curve" else ratio[-1:].expand_as(ratio)

        def adapt(epoch: Epoch) -> Tensor:
            now = epoch.regularization / epoch.natural
            factor = (now / goals[epoch.number - 1]).pow(task.rate).nan_to_num(1.0, 1.0, 1.0)
            return torch.minimum(torch.maximum(epoch.strength * factor, tuned / LARGEST_FACTOR), tuned * LARGEST_FACTOR)

        history = fit(task, network, data, held_out, tuned, conditions, adapt)
        done = outcome(task, network, data, history)
        costs = {"tuning_seconds": round(tuning / replicas, 3), "wide_seconds": round(done.cpu_seconds / replicas, 3)}
        for listed, best in zip(done.measurements, tuned.tolist(), strict=True):
            for measurement in listed:
                measurement |= {"tuned_lambda": best, **costs}
        for trace, goal in zip(done.traces, goals.mT.tolist(), strict=True):
            trace["goal"] = [short(value) for value in goal]
        return dataclasses.replace(done, cpu_seconds=done.cpu_seconds + tuning, seconds=done.seconds + tuning)


def _small(task: WidthAdjustedTraining) -> AdversarialTraining:
    """Return the training of the small network, whatever the wide one is and however λ follows."""
    shared = {field.name: getattr(task, field.name) for field in dataclasses.fields(AdversarialTraining)}
    return AdversarialTraining(**shared | {"width": task.small})


@lru_cache(maxsize=16)  # what depends on the small network alone is trained once a process, and its seconds are told
def _tune(
    small: AdversarialTraining, replicas: int, conditions: Conditions
) -> tuple[Float[Tensor, " R"], Float[Tensor, "T R"], float]:
    """Return λ* of every seed, ρ (epochs, R) of its training, and the processor's seconds that this took."""
    data, held_out = split(small, conditions)
    reached, ratios, spent = [], [], 0.0
    for strength in STRENGTHS:
        history = fit(small, build(small, data, replicas, conditions.device), data, held_out, strength, conditions)
        reached.append(history.best["held-out"].robust)
        ratios.append(torch.stack([epoch.regularization / epoch.natural for epoch in history.epochs]))
        spent += history.cpu_seconds
    best = torch.stack(reached).argmax(dim=0)
    ratio = torch.stack([ratios[index][:, replica] for replica, index in enumerate(best.tolist())], dim=1)
    return torch.tensor(STRENGTHS, dtype=torch.float64)[best], ratio, spent


def war(round: int = 1) -> list[WidthAdjustedTraining]:
    """Return the reconstruction on wider networks of `adversarial`, and its variants on the widest; round 1 had none.

    The variants change what the reconstruction guesses: the rate, and what ρ is compared with.
    """
    return [
        WidthAdjustedTraining(
            "mnist",
            architecture,
            width,
            DEPTHS[architecture],
            EPSILONS[architecture],
            0.0,
            seed,
            small=widths[0],
            **how,
        )
        for architecture, widths in WIDTHS.items()
        for width in widths[1:]
        for how in ({}, *(_VARIANTS if width == widths[-1] else ()))
        for seed in (() if round == 1 else seeds(WidthAdjustedTraining.kind, round))
    ]


_VARIANTS = ({"rate": 0.5}, {"rate": 2.0}, {"reference": "end"})
