"""Which cells of the published rows a registered test selects, and the curves that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.theory.regimes import boundary
from lib.verdicts.archive import CONDITIONS, RUNS, Archive, Cut, kind_of, log_bounds, mean, measured
from lib.verdicts.cells import Cells
from lib.verdicts.claims import AXIS_FACTORS, MINIMUM_SEEDS, Component, Register

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Mask = Bool[np.ndarray, " cells"]

_FACTOR = {"features": "in_features"}
# Kinds of tasks whose networks have to have trained, and the moment at which that is asked; None is the test's own.
_TRAINED = {"": "epoch_50", "convolutional": "epoch_50", "adversarial": None}


@dataclass(frozen=True)
class Curve:
    """The measurements of one curve of a test: one line a cell, one column a seed.

    Attributes:
        where: the factors that name the curve, such as {"depth": 6}.
        matrix: the measurement of each cell and seed, NaN where it is missing, shape (cells, seeds).
        versus: the second measurement of a correlation, of the same shape; None where there is none.
        axis: the place of each cell on the test's axis; None without an axis.
        factors: the settings of the cells, each of shape (cells,).
        seeds: the seeds of the columns.
        keys: the keys of the rows behind it, of the shape of the matrix.
    """

    where: Mapping[str, Any]
    matrix: Float[np.ndarray, "cells seeds"]
    axis: Float[np.ndarray, " cells"] | None
    factors: Mapping[str, np.ndarray]
    seeds: Int[np.ndarray, " seeds"]
    keys: np.ndarray
    versus: Float[np.ndarray, "cells seeds"] | None = None

    @property
    def levels(self) -> Float[np.ndarray, " levels"]:
        """Return the distinct places of the cells on the axis, increasing."""
        return np.unique(self.axis) if self.axis is not None else np.array([])


@dataclass
class Selected:
    """What a test finds in the rows: its curves, and what was left out of them.

    Attributes:
        curves: those that can be made at all.
        left_out: cells that do not count, each named with its reason.
        absent: sweeps of the test, not optional, that have no rows at all.
        untrained: the cells that the test names and that have not trained.
    """

    curves: list[Curve] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    untrained: set[int] = field(default_factory=set)


_AXES: dict[str, Callable[[Cells], np.ndarray]] = {
    "log2_width": lambda cells: np.log2(cells.factors["width"]),
    "log_width": lambda cells: np.log(cells.factors["width"]),
    "depth": lambda cells: cells.factors["depth"].astype(float),
    "log_depth": lambda cells: np.log(cells.factors["depth"]),
    "log2_depth": lambda cells: np.log2(cells.factors["depth"]),
    "log2_samples": lambda cells: np.log2(cells.factors["samples"]),
    "log_samples": lambda cells: np.log(cells.factors["samples"]),
    "log_bound_over_plateau": lambda cells: np.subtract(*log_bounds(cells)),
    "exponent": lambda cells: cells.factors["gamma"] / 2,
    # The adjusted trainings, whose own λ is 0, have no place.
    "log_strength": lambda cells: np.log(np.where(cells.factors["strength"] > 0, cells.factors["strength"], np.nan)),
    "boundary_distance": lambda cells: np.round(
        cells.factors["gamma"] - np.array([boundary(p) for p in cells.factors["gamma_prime"]]), 9
    ),
}


@dataclass(frozen=True)
class Choice:
    """How a test's rows are chosen where that is not written in the test itself.

    Attributes:
        round: whose seeds count.
        trained_accuracy: the threshold below which a network counts as untrained.
        setting: (scaling, momentum) on the sweep `setting`; None for the sweeps and settings of the test.
        moment, column: instead of the test's own.
    """

    round: int
    trained_accuracy: float = 0.80
    setting: tuple[str, float] | None = None
    moment: str | None = None
    column: str | None = None


def select(test: Component, register: Register, archive: Archive, choice: Choice) -> Selected:
    """Return the curves of a test in the rows of a round, before any rule about levels and seeds.

    Args:
        test: as registered.
        register: the version whose sweeps and conditions hold.
        archive: the rows.
        choice: the round, and what a universe changes.
    """
    selected = Selected()
    kind = kind_of(test.sweeps[0])
    cells = archive.pools.get(kind)
    sweeps = ("setting",) if choice.setting else test.sweeps
    if cells is None:
        selected.absent += sweeps
        return selected
    there = np.zeros(cells.keys.shape, dtype=bool)
    for name in sweeps:
        part = archive.there(register, name, choice.round)
        there |= part
        if not part.any() and not register.vocabulary["sweeps"][name].get("optional"):
            selected.absent.append(name)
    chosen = there.any(axis=1)
    if kind == "" and (choice.setting or test.settings == "primary"):
        primary = register.vocabulary["primary_setting"]
        scaling, momentum = choice.setting or (primary["scaling"], primary["momentum"])
        chosen &= (cells.factors["scaling"] == scaling) & (cells.factors["momentum"] == momentum)
    chosen &= _named(test, cells)
    usable = there & chosen[:, None]
    within = ("depth",) if register.version == 1 else ("initializer", "architecture", "depth")
    cut = Cut(cells, chosen, usable, tuple(name for name in within if name in cells.factors))
    for name in test.cells:
        if name in RUNS:
            usable = usable & (cells.values(name, "all") == 1)
        else:
            chosen = chosen & CONDITIONS[name](cut)
    if kind in _TRAINED:
        moment, least = _TRAINED[kind], choice.trained_accuracy
        if moment is None:
            moment, least = choice.moment or test.moment, register.vocabulary["learned_accuracy"]
        chosen, usable = _trained(test, cells, chosen, usable, moment, least, register.version, selected)
    _curves(test, cells, chosen, usable, choice, selected)
    return selected


def _named(test: Component, cells: Cells) -> Mask:
    """Return the cells with the settings that a test names."""
    chosen = np.ones(len(cells), dtype=bool)
    named = {"initializer": test.initializers, "depth": test.depths, "width": test.widths}
    named |= {"samples": test.samples, "in_features": test.features, "architecture": test.architectures}
    if test.strengths is not None:
        # The adjusted trainings have no λ of their own; their sweeps say which of them count.
        chosen &= np.isin(cells.factors["strength"], [*test.strengths, 0.0])
    for name, values in named.items():
        if values is not None:
            chosen &= np.isin(cells.factors[name], values)
    if test.levels is not None:
        factor = AXIS_FACTORS[test.axis]
        places = cells.factors["gamma"] / 2 if factor == "exponent" else cells.factors[factor]
        chosen &= np.isin(places, test.levels)
    return chosen


def _trained(
    test: Component,
    cells: Cells,
    chosen: Mask,
    usable: np.ndarray,
    moment: str,
    least: float,
    version: int,
    selected: Selected,
) -> tuple[Mask, np.ndarray]:
    """Leave out what has not trained: by version 1 cells by their mean, by version 2 replicas."""
    accuracy = np.where(usable, cells.values("test_accuracy", moment), np.nan)
    good = accuracy >= least
    by_mean = mean(accuracy) < least
    untrained = by_mean if version == 1 else good.sum(axis=1) < MINIMUM_SEEDS
    selected.untrained = set(np.flatnonzero(chosen & untrained).tolist())
    if not test.trained:
        return chosen, usable
    if version > 1:
        return chosen, usable & good
    selected.left_out += [f"{describe(cells, cell)} (untrained)" for cell in sorted(selected.untrained)]
    return chosen & ~untrained, usable


def describe(cells: Cells, cell: int) -> str:
    """Return a cell in words: "he, L = 6, m = 256"."""
    factors = cells.factors
    parts = [str(factors["initializer"][cell])] if "initializer" in factors and factors["initializer"][cell] else []
    for name, letter in (("gamma", "γ"), ("gamma_prime", "γ'"), ("depth", "L"), ("width", "m")):
        if name in factors and not (name.startswith("gamma") and parts):
            parts.append(f"{letter} = {factors[name][cell]:g}")
    return ", ".join(parts)


def _curves(
    test: Component, cells: Cells, chosen: Mask, usable: np.ndarray, choice: Choice, selected: Selected
) -> None:
    index = np.flatnonzero(chosen)
    columns = usable[index].any(axis=0)
    if not len(index) or not columns.any():
        return
    mask = usable[np.ix_(index, columns)]
    moment = choice.moment or test.moment

    def values(column: str, transform: str) -> np.ndarray:
        found = np.where(mask, measured(cells, column, moment)[np.ix_(index, columns)], np.nan)
        if transform == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                found = np.log(found)
        found[~np.isfinite(found)] = np.nan
        return found

    matrix = values(choice.column or test.column, test.transform)
    versus = values(test.versus, "none") if test.versus else None
    axis = _AXES[test.axis](cells)[index] if test.axis else None
    factors = {name: column[index] for name, column in cells.factors.items()}
    factors["untrained"] = np.isin(index, list(selected.untrained))
    keys, seeds = cells.keys[np.ix_(index, columns)], cells.seeds[columns]
    names = [_FACTOR.get(name, name) for name in test.curves]
    labels = list(zip(*(factors[name].tolist() for name in names), strict=True)) if names else [()] * len(index)
    for label in sorted(set(labels)):
        rows = np.array([i for i, one in enumerate(labels) if one == label])
        rows = rows[np.lexsort([factors[n][rows] for n in ("width", "depth") if n in factors])]
        if axis is not None:
            rows = rows[np.argsort(axis[rows], kind="stable")]
        curve = Curve(
            {name: _plain(value) for name, value in zip(test.curves, label, strict=True)},
            matrix[rows],
            axis[rows] if axis is not None else None,
            {name: column[rows] for name, column in factors.items()},
            seeds,
            keys[rows],
            versus[rows] if versus is not None else None,
        )
        selected.curves += _arms(curve, test) if test.arms else [curve]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _arms(curve: Curve, test: Component) -> list[Curve]:
    """Return the differences between arms, on the cells that both have: of the first pair, or of every pair."""
    arms = test.arms
    pairs = [arms] if test.effect == "difference" else [(a, b) for i, a in enumerate(arms) for b in arms[i + 1 :]]
    names = [name for name in curve.factors if name not in ("initializer", "gamma", "gamma_prime", "untrained")]
    labels = list(zip(*(curve.factors[name].tolist() for name in names), strict=True))
    found = []
    for pair in pairs:
        sides = [{labels[i]: i for i in np.flatnonzero(curve.factors["initializer"] == arm)} for arm in pair]
        common = [label for label in sides[0] if label in sides[1]]
        if not common:
            continue
        first, second = (np.array([side[label] for label in common]) for side in sides)
        found.append(
            Curve(
                curve.where if test.effect == "difference" else {**curve.where, "arms": " minus ".join(pair)},
                curve.matrix[first] - curve.matrix[second],
                curve.axis[first] if curve.axis is not None else None,
                {name: curve.factors[name][first] for name in names},
                curve.seeds,
                # Both arms stand behind the difference.
                np.char.add(np.char.add(curve.keys[first], " "), curve.keys[second]),
            )
        )
    return found


def steps(curve: Curve) -> list[Curve]:
    """Return every pair of neighbouring levels as a curve of its own: the second minus the first."""
    return [
        Curve(
            {**curve.where, "step": f"{_level(curve, i)} to {_level(curve, i + 1)}"},
            (curve.matrix[i + 1] - curve.matrix[i])[None],
            None,
            {name: column[i + 1 : i + 2] for name, column in curve.factors.items()},
            curve.seeds,
            np.char.add(np.char.add(curve.keys[i : i + 1], " "), curve.keys[i + 1 : i + 2]),
        )
        for i in range(len(curve.matrix) - 1)
    ]


def _level(curve: Curve, cell: int) -> str:
    return f"{curve.factors['width'][cell]:g}"


def peaks_over_plateaus(curve: Curve) -> Curve:
    """Return a curve of one cell a level: the measurement at the width of its largest mean minus at the widest."""
    places, rows = [], []
    for level in curve.levels:
        at = np.flatnonzero(curve.axis == level)
        peak = at[mean(curve.matrix[at]).argmax()]
        rows.append(curve.matrix[peak] - curve.matrix[at[curve.factors["width"][at].argmax()]])
        places.append(peak)
    return Curve(
        curve.where,
        np.array(rows),
        curve.axis[places],
        {name: column[places] for name, column in curve.factors.items()},
        curve.seeds,
        curve.keys[places],
    )
