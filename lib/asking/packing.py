"""The trainings of all networks, packed for the page: their cells and seeds, and their quantities at their moments."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lib.prose import initialization_label
from lib.verdicts.cells import WHOLE, Cells
from lib.verdicts.claims import Register

# What the page may weigh, in bytes of its data script.
LIMIT = 900_000


class Quantity(NamedTuple):
    """A measured quantity: what it is called, whether its logarithm is drawn and tested, and the unit of a share."""

    label: str
    log: bool = True
    unit: int | None = None


QUANTITIES: dict[str, Quantity] = {
    "P": Quantity("P, perturbation stability"),
    "relative_stability": Quantity("relative stability, P over the output"),
    "P_train": Quantity("P on training points"),
    "max_gradient_norm": Quantity("largest gradient norm"),
    "output_norm": Quantity("norm of the output"),
    "kappa": Quantity("κ, relative change of the weights"),
    "train_loss": Quantity("training loss"),
    "test_accuracy": Quantity("test accuracy", log=False, unit=10_000),
    # Counts of 1,000 to 60,000 points, 16,000 among them.
    "train_accuracy": Quantity("training accuracy", log=False, unit=240_000),
    "noise_accuracy_0.5": Quantity("accuracy under noise of half the mean input norm", log=False, unit=1000),
    "pgd_accuracy_0.05": Quantity("accuracy under PGD of 0.05 of the mean input norm", log=False, unit=1000),
    "pgd_accuracy_0.1": Quantity("accuracy under PGD of 0.1 of the mean input norm", log=False, unit=1000),
}
# What is measured under attack alone, on 1,000 points, and the choices of an epoch in the place of moments.
ATTACKED: dict[str, Quantity] = {
    "natural_accuracy": Quantity("accuracy on the attacked points", log=False, unit=1000),
    "robust_accuracy": Quantity("robust accuracy", log=False, unit=1000),
    "stability": Quantity("stability of Wu et al.", log=False, unit=1000),
    "divergence_slope": Quantity("local Lipschitzness of Wu et al."),
}
CHOICES = {
    "held-out": "under attack: the best epoch on held-out images",
    "test": "under attack: the best epoch on test images",
    "last": "under attack: the last epoch",
}
MOMENTS = {
    "epoch_0": "initialization",
    "epoch_1": "one epoch",
    "epoch_10": "10 epochs",
    "epoch_25": "25 epochs",
    "epoch_50": "the end, 50 epochs",
    "loss_1": "training loss 1",
    "loss_0.5": "training loss 0.5",
}
# What all trainings of Eq. (2) on the page share; those of the other kinds are published by one plan.
_COMMON = {"lr": 1e-3, "batch_size": 64, "loss": "cross_entropy", "weight_decay": 0.0, "alpha": 1.0}
_DATASETS = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}


# The kinds of tasks in the order of the page, and at which moment (None is the one that is chosen) an accuracy above
# which threshold of the register says that a network has learned.
_KINDS = ("", "convolutional", "adversarial")
_LEARNED = {
    "": ("epoch_50", "trained_accuracy"),
    "convolutional": ("epoch_50", "trained_accuracy"),
    "adversarial": (None, "learned_accuracy"),
}


class Setting(NamedTuple):
    """What is chosen together: the data, their scaling and number, the momentum, and the kind of task."""

    dataset: str
    scaling: str
    momentum: float
    samples: int
    kind: str = ""

    @property
    def label(self) -> str:
        """Return the setting in words: "MNIST, raw pixels, no momentum"."""
        scaling = {"raw": "raw pixels", "standard": "standardized pixels", "unit": "inputs of norm 1"}[self.scaling]
        momentum = f"momentum {self.momentum:g}" if self.momentum else "no momentum"
        some = "" if self.samples == WHOLE[self.dataset] else f", {self.samples:,} images"
        how = {"convolutional": ", convolutional", "adversarial": ", trained under attack"}.get(self.kind, "")
        return f"{_DATASETS[self.dataset]}{how}, {scaling}, {momentum}{some}"

    @property
    def sweeps(self) -> tuple[str, ...]:
        """Return the register's sweeps that have its rows."""
        if self.kind:
            return (self.kind if self.dataset == "mnist" else f"{self.kind}-fashion",)
        if self.dataset == "fashion-mnist":
            return ("fashion",)
        if self.samples != WHOLE[self.dataset]:
            return ("samples",)
        return ("grid", "nonlazy", "wide") if (self.scaling, self.momentum) == ("raw", 0) else ("setting",)


def pack(pools: Mapping[str, Cells], rounds: Mapping[int, range], register: Register) -> dict[str, Any]:
    """Return the data of the page, ready for JSON.

    Numbers are doubles without their last three bytes, shares whole multiples of their unit; each quantity is
    compressed, byte by byte of equal place, in the order of moments and then of networks. What is measured under attack
    alone is there with its rows.

    Args:
        pools: the trainings, by kind of task (`lib.verdicts.cells.read`); other kinds are left out.
        rounds: number -> seeds.
        register: whose thresholds say which networks have learned.

    Raises:
        ValueError: a share is no multiple of its unit, or the data weigh more than the page may carry.
    """
    parts = [_Part(pools[kind], kind, _chosen(pools[kind], kind), rounds) for kind in _KINDS if kind in pools]
    attacked = any(part.kind == "adversarial" and len(part.rows) for part in parts)
    quantities = QUANTITIES | (ATTACKED if attacked else {})
    moments = MOMENTS | (CHOICES if attacked else {})
    settings = [setting for part in parts for setting in part.settings]
    kinds = sorted(set(settings), key=lambda s: (_KINDS.index(s.kind), s.dataset != "mnist", -s.samples, *s[1:3]))
    labels = {name: label for part in parts for name, label in part.names}
    names = list(labels)
    learned = {kind: (moment, register.vocabulary[least]) for kind, (moment, least) in _LEARNED.items()}
    packed = {
        "settings": [
            {"label": s.label, "primary": s.sweeps != ("setting",), "learned": learned[s.kind]} | s._asdict()
            for s in kinds
        ],
        "initializers": [{"name": name, "label": labels[name]} for name in names],
        "moments": moments,
        "quantities": {name: quantity._asdict() for name, quantity in quantities.items()},
        "rounds": {str(number): [span[0], span[-1]] for number, span in rounds.items()},
        "cells": [
            [kinds.index(setting), names.index(name), *_size(part.cells, c)]
            for part in parts
            for setting, (name, _), c in zip(part.settings, part.names, part.chosen, strict=True)
        ],
        "networks": [
            [at + before for part, before in _offsets(parts) for at in part.place],
            [seed for part in parts for seed in part.seeds],
        ],
        "values": {
            name: _packed(np.concatenate([part.values(name, moments) for part in parts], axis=1), quantity.unit, name)
            for name, quantity in quantities.items()
        },
    }
    weight = sum(map(len, packed["values"].values()))
    if weight > LIMIT:
        raise ValueError(f"the page's data weigh {weight:,} bytes, more than {LIMIT:,}; give it fewer moments.")
    return packed


class _Part:
    """The trainings of one kind: their cells, of each its setting and name, and the networks in them."""

    def __init__(self, cells: Cells, kind: str, chosen: np.ndarray, rounds: Mapping[int, range]) -> None:
        self.cells, self.kind, self.chosen = cells, kind, chosen
        self.settings = [_setting(cells, cell)._replace(kind=kind) for cell in chosen]
        self.names = [_name(cells, cell) for cell in chosen]
        of_rounds = np.isin(cells.seeds, [seed for span in rounds.values() for seed in span])
        at = np.argwhere(cells.there[chosen] & of_rounds)
        self.place, self.seeds = at[:, 0].tolist(), cells.seeds[at[:, 1]].tolist()
        self.rows, self._columns = chosen[at[:, 0]], at[:, 1]

    def values(self, name: str, moments: Iterable[str]) -> np.ndarray:
        return np.array([self.cells.values(name, moment)[self.rows, self._columns] for moment in moments])


def _offsets(parts: Sequence[_Part]) -> list[tuple[_Part, int]]:
    """Return each part with the number of cells before it."""
    before = np.cumsum([0, *(len(part.chosen) for part in parts)]).tolist()
    return list(zip(parts, before, strict=False))


def _name(cells: Cells, cell: int) -> tuple[str, str]:
    """Return what is chosen as the initialization, and its label; under attack it is architecture and λ."""
    factors = cells.factors
    if "strength" not in factors:
        name = str(factors["initializer"][cell])
        return name, initialization_label(name)
    architecture, strength = str(factors["architecture"][cell]), f"{factors['strength'][cell]:g}"
    words = {"fcn": "fully connected", "cnn": "convolutional"}[architecture]
    if factors["objective"][cell] == "cross_entropy":
        return f"{architecture}-madry", f"{words}, Madry"
    return f"{architecture}-{strength}", f"{words}, λ = {strength}"


def _chosen(cells: Cells, kind: str) -> np.ndarray:
    factors = cells.factors
    chosen = np.isin(factors["dataset"], list(_DATASETS))
    if "precision" in factors:
        chosen &= factors["precision"] == ""  # bf16 has a page of its own
    if kind == "adversarial":
        return np.flatnonzero(chosen & (factors["strength"] > 0))  # no adjusted ones: their λ moves
    if kind:
        return np.flatnonzero(chosen)
    for name, value in _COMMON.items():
        chosen &= factors[name] == value
    # Fewer points are trained for as many steps.
    whole = np.array([WHOLE.get(dataset) for dataset in factors["dataset"]]) == factors["samples"]
    full = (factors["schedule"] == "paper") & (factors["epochs"] == 50)
    return np.flatnonzero(chosen & np.where(whole, full, factors["schedule"] == "proportional"))


def _setting(cells: Cells, cell: int) -> Setting:
    factors = cells.factors
    return Setting(
        str(factors["dataset"][cell]),
        str(factors["scaling"][cell]) if "scaling" in factors else "raw",
        float(factors["momentum"][cell]),
        int(factors["samples"][cell]),
    )


def _size(cells: Cells, cell: int) -> tuple[int, int]:
    return int(cells.factors["depth"][cell]), int(cells.factors["width"][cell])


def _packed(values: np.ndarray, unit: int | None, name: str) -> str:
    """Return numbers as text: bytes of equal place together, which compress, then base64."""
    if unit is None:
        # 2⁻²⁹ of a number is what no test can tell, even of a loss that networks reach alike; 2⁻²⁴ is not.
        words = (np.ascontiguousarray(values, dtype="<f8").view("<u8") + 2**23) >> 24
        kept = 5
    else:
        counts = values * unit
        there = np.isfinite(counts)
        if np.abs(counts - counts.round())[there].max(initial=0) > 1e-6:
            raise ValueError(f"{name} must be a multiple of 1/{unit}; its unit is another now.")
        words = np.where(there, counts, 0).round().astype("<u8") + there  # 0 is missing
        kept = 4
    planes = words.astype("<u8").ravel().view(np.uint8).reshape(-1, 8)[:, :kept].T
    return base64.b64encode(gzip.compress(planes.tobytes(), 9, mtime=0)).decode()
