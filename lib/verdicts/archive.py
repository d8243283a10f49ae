"""The rows of every registered sweep: its cells, the quantities derived from their columns, and conditions on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.theory.bounds import critical_width, theorem1_terms
from lib.theory.initialization import mean_square_gain
from lib.theory.logspace import log
from lib.theory.parameters import number_of_parameters
from lib.verdicts.cells import SIZES, WHOLE, WITHIN_ROW, Cells, read
from lib.verdicts.claims import Register

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Mask = Bool[np.ndarray, " cells"]
    Values = Float[np.ndarray, "cells seeds"]

# How rows of sweeps are told apart that are not trainings of Eq. (2): the kind of task, and settings of their own.
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "line": ("width-scan", {"data": "line"}),
    "map": ("width-scan", {"data": "line"}),
    "teacher": ("width-scan", {"data": "teacher"}),
    "signs": ("width-scan", {"data": "signs"}),
    "early": ("early-training", {"in_features": 20, "lr": 0.05}),
    "random-labels": ("noise-fitting", {}),
    "draws": ("initial-law", {}),
    "drawn": ("initial-law", {}),
    "untrained": ("untrained-network", {}),
    "convolutional": ("convolutional", {"dataset": "mnist"}),
    "convolutional-fashion": ("convolutional", {"dataset": "fashion-mnist"}),
    "adversarial": ("adversarial", {"dataset": "mnist", "objective": "trades"}),
    "adversarial-fashion": ("adversarial", {"dataset": "fashion-mnist", "objective": "trades"}),
    "madry": ("adversarial", {"dataset": "mnist", "objective": "cross_entropy"}),
    "war": ("adversarial", {"dataset": "mnist"}),
    "war-half": ("adversarial", {"dataset": "mnist"}),
    "war-double": ("adversarial", {"dataset": "mnist"}),
    "war-end": ("adversarial", {"dataset": "mnist"}),
}
# The sweep that has no names for its initializations: the plane of Luo et al. that it scans.
PLANES = {
    "map": {
        "gamma": tuple(round(0.6 + 0.1 * i, 1) for i in range(9)),
        "gamma_prime": tuple(round(-0.4 + 0.1 * i, 1) for i in range(9)),
    }
}
# Epochs of the sweep at a constant learning rate.
_CONSTANT = {"constant": [200]}
# The setting of a cell that each list of a block holds.
BLOCK = {
    "initializers": "initializer",
    "depths": "depth",
    "widths": "width",
    "samples": "samples",
    "features": "in_features",
    "architectures": "architecture",
    "strengths": "strength",
    "epsilons": "epsilon",
    "rates": "rate",
    "references": "reference",
}
# Trainings of a search for λ: its values in lib.experiments.adversarial.
GRID = 5
# What version 1 calls a sweep that has another name in `rounds`.
_RENAMED = {"draws": "drawn"}


class Archive:
    """The published rows by kind of task, with what the registers' sweeps consist of.

    Args:
        pools: as `lib.verdicts.cells.read` returns them.
        rounds: the register that lists the seeds of every round.
    """

    def __init__(self, pools: Mapping[str, Cells], rounds: Register) -> None:
        self.pools = pools
        self._rounds = rounds
        self._members: dict[tuple[int, str], Mask] = {}
        self._planned: dict[tuple[int, str, int], Bool[np.ndarray, "cells seeds"]] = {}

    @classmethod
    def of(cls, folder: Path | str, rounds: Register) -> Archive:
        """Return the archive of a folder of published rows. Errors are those of `lib.verdicts.cells.read`."""
        return cls(read(folder), rounds)

    def members(self, register: Register, sweep: str) -> Mask:
        """Return which cells a sweep of a register consists of."""
        key = register.version, sweep
        if key not in self._members:
            cells = self.pools[kind_of(sweep)]
            self._members[key] = members(cells, sweep, register.vocabulary["sweeps"][sweep])
        return self._members[key]

    def there(self, register: Register, sweep: str, round: int) -> Bool[np.ndarray, "cells seeds"]:
        """Return where rows of a sweep are that belong to a round: its cells and the seeds registered for them."""
        key = register.version, sweep, round
        if key not in self._planned:
            cells = self.pools[kind_of(sweep)]
            found = np.zeros(cells.keys.shape, dtype=bool)
            for cell in np.flatnonzero(self.members(register, sweep)):
                initializer = str(cells.factors["initializer"][cell]) if "initializer" in cells.factors else ""
                seeds = self._rounds.seeds(
                    _RENAMED.get(sweep, sweep), round, int(cells.factors["width"][cell]), initializer
                )
                found[cell] = np.isin(cells.seeds, list(seeds))
            self._planned[key] = found & cells.there
        return self._planned[key]


def kind_of(sweep: str) -> str:
    """Return the kind of task whose rows a registered sweep selects from."""
    return _KINDS.get(sweep, ("", {}))[0]


def within_row(sweep: str) -> tuple[str, ...]:
    """Return the factors whose levels one row of a registered sweep holds together."""
    return WITHIN_ROW.get(kind_of(sweep), ())


def members(cells: Cells, sweep: str, definition: Mapping[str, Any]) -> Mask:
    """Return which cells a registered sweep consists of, whichever file published them."""
    factors = cells.factors
    chosen = np.ones(len(cells), dtype=bool)
    if sweep in _KINDS:
        for name, value in _KINDS[sweep][1].items():
            chosen &= factors[name] == value
    else:
        chosen &= _trainings(factors, sweep, definition)
    for name, values in PLANES.get(sweep, {}).items():
        chosen &= np.isin(factors[name], values)
    inside = np.zeros(len(cells), dtype=bool)
    for block in definition["blocks"]:
        part = np.ones(len(cells), dtype=bool)
        for name, values in block.items():
            # The map has no names for its initializations; it is the plane above.
            if name in BLOCK and values:
                # A setting that no row of the kind has is in none of its cells.
                part &= np.isin(factors.get(BLOCK[name], np.full(len(cells), np.nan)), values)
        inside |= part
    return chosen & inside


def _trainings(factors: Mapping[str, np.ndarray], sweep: str, definition: Mapping[str, Any]) -> Mask:
    """The settings that a sweep of trainings shares: the paper's, where it does not say otherwise."""
    whole = WHOLE[definition["dataset"]]
    chosen = factors["dataset"] == definition["dataset"]
    chosen &= np.isin(factors["scaling"], definition["scalings"]) & np.isin(factors["momentum"], definition["momenta"])
    chosen &= np.isin(factors["samples"], definition.get("samples", [whole]))
    chosen &= np.isin(factors["lr"], definition.get("lr", [1e-3]))
    epochs = _CONSTANT.get(sweep, definition.get("epochs"))
    if epochs is not None:
        chosen &= np.isin(factors["epochs"], epochs) & (factors["schedule"] == "constant")
    else:
        full = (factors["schedule"] == "paper") & (factors["epochs"] == 50)
        chosen &= np.where(factors["samples"] == whole, full, factors["schedule"] == "proportional")
    for name, value in (("batch_size", 64), ("loss", "cross_entropy"), ("weight_decay", 0.0), ("alpha", 1.0)):
        chosen &= factors[name] == value
    if "precision" in factors:
        # Sweeps are in float32. What bf16 changes in the same cells is judged apart, by `lib.verdicts.precision`.
        chosen &= factors["precision"] == ""
    return chosen


def measured(cells: Cells, column: str, moment: str) -> Values:
    """Return a column or a derived quantity at a moment, NaN where it is missing or not finite.

    Source: lib/verdicts/register.yml, `columns` and `derived`.
    """
    if column not in DERIVED:
        return cells.values(column, moment)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = DERIVED[column](cells, moment)
    values[~np.isfinite(values)] = np.nan
    return values


@lru_cache(maxsize=16)
def log_bounds(cells: Cells) -> tuple[Float[np.ndarray, " cells"], Float[np.ndarray, " cells"]]:
    """Return log B and log T2 of each cell: Eq. (3) with all constants 1 and its second term.

    NaN for cells that are no networks of Eq. (2) on a data set, or have more outputs than neurons.
    """
    found = np.full((2, len(cells)), np.nan)
    names = ("width", "depth", "dataset", "initializer")
    if all(name in cells.factors for name in names):
        for cell, (width, depth, dataset, name) in enumerate(zip(*(cells.factors[n] for n in names), strict=True)):
            if width >= SIZES[dataset][1]:
                terms = theorem1_terms(int(width), int(depth), *SIZES[dataset], str(name))
                found[:, cell] = np.logaddexp(log(terms.transition), log(terms.plateau)), log(terms.plateau)
    return found[0], found[1]


def gamma_power(cells: Cells) -> Float[np.ndarray, " cells"]:
    """Return γ^(L-2) of each cell, γ = 1 for He and NTK, √½ for LeCun and the value in the name of gamma-<γ>."""
    named = {"lecun": np.sqrt(0.5)}
    gammas = [named.get(n, float(n.split("-")[1]) if n.startswith("gamma-") else 1.0) for n in _names(cells)]
    return np.array(gammas) ** (cells.factors["depth"] - 2)


def _names(cells: Cells) -> list[str]:
    return [str(name) for name in cells.factors["initializer"]]


def _over_bound(cells: Cells, moment: str) -> Values:
    return cells.values("P", moment) / np.exp(log_bounds(cells)[0])[:, None]


def _over_plateau(cells: Cells, moment: str) -> Values:
    return cells.values("P", moment) / np.exp(log_bounds(cells)[1])[:, None]


def _law_ratio(cells: Cells, moment: str) -> Values:
    law = np.sqrt(cells.factors["samples"] / cells.factors["width"])
    return cells.values("lipschitz", moment) / law[:, None]


def _exact(cells: Cells) -> Float[np.ndarray, " cells"]:
    """Return √E‖J(x)u‖² of each cell."""
    sizes = zip(cells.factors["width"], cells.factors["depth"], _names(cells), strict=True)
    return np.array([np.sqrt(mean_square_gain(int(m), int(L), *SIZES["mnist"], name)) for m, L, name in sizes])


def _finite_ratio(length: str) -> Callable[[Cells, str], Values]:
    return lambda cells, moment: cells.values(f"finite_change_{length}", moment) / cells.values("linear_change", moment)


def _kappa_share(cells: Cells, moment: str) -> Values:
    late = cells.values("kappa", "epoch_25")
    return (late - cells.values("kappa", "epoch_10")) / late


def _seconds_ratio(cells: Cells, moment: str) -> Values:
    """The seconds of tuning and training a network by those of a grid over λ on it, one measured time each."""
    tuning, wide = cells.values("tuning_seconds", moment), cells.values("wide_seconds", moment)
    again = np.zeros(tuning.shape, dtype=bool)
    for s in range(1, tuning.shape[1]):  # replicas of a stack share its time, which is one observation
        again[:, s] = ((tuning[:, :s] == tuning[:, [s]]) & (wide[:, :s] == wide[:, [s]])).any(axis=1)
    return np.where(again, np.nan, (tuning + wide) / (GRID * wide))


DERIVED: dict[str, Callable[[Cells, str], Values]] = {
    "bound_ratio": _over_bound,
    "plateau_ratio": _over_plateau,
    "gamma_free": lambda cells, moment: cells.values("P", moment) / gamma_power(cells)[:, None],
    "init_ratio": lambda cells, moment: cells.values("P", moment) / cells.values("P", "epoch_0"),
    "law_ratio": _law_ratio,
    # The peak over the widest is taken over a curve (lib.verdicts.selection); a row gives P.
    "peak_ratio": lambda cells, moment: cells.values("P", moment),
    "accuracy_times_stability": lambda cells, moment: (
        cells.values("natural_accuracy", moment) * cells.values("stability", moment)
    ),
    "seconds_ratio": _seconds_ratio,
    "late_growth": lambda cells, moment: cells.values("P", "epoch_50") / cells.values("P", "epoch_25"),
    **{f"finite_ratio_{e}": _finite_ratio(e) for e in ("0.01", "0.03", "0.1")},
    "kappa_early": lambda cells, moment: cells.values("kappa", "epoch_25") / cells.values("kappa", "epoch_1"),
    "kappa_growth": lambda cells, moment: cells.values("kappa", "epoch_50") / cells.values("kappa", "epoch_1"),
    "kappa_late": lambda cells, moment: cells.values("kappa", "epoch_50") / cells.values("kappa", "epoch_25"),
    "kappa_share": _kappa_share,
    "rms_over_exact": lambda cells, moment: cells.values("rms_derivative", moment) / _exact(cells)[:, None],
    "rms_over_gamma": lambda cells, moment: cells.values("rms_derivative", moment) / gamma_power(cells)[:, None],
    "rms_over_output": lambda cells, moment: (
        np.sqrt(SIZES["mnist"][0] / (SIZES["mnist"][0] + 2))
        * cells.values("rms_derivative", moment)
        / cells.values("rms_output", moment)
    ),
}


@dataclass(frozen=True)
class Cut:
    """What a condition looks at: all cells, those that are selected, and where their rows are."""

    cells: Cells
    chosen: Mask
    columns: Bool[np.ndarray, "cells seeds"]
    within: tuple[str, ...]

    def factor(self, name: str) -> np.ndarray:
        return self.cells.factors[name]

    def groups(self, *names: str) -> Iterator[Int[np.ndarray, " some"]]:
        """Yield the indices of the selected cells that share the named factors."""
        index = np.flatnonzero(self.chosen)
        keys = list(zip(*(self.factor(name)[index] for name in names), strict=True))
        for key in sorted(set(keys)):
            yield index[[one == key for one in keys]]

    def widest(self, count: int) -> Mask:
        found = np.zeros(len(self.cells), dtype=bool)
        for group in self.groups(*self.within):
            widths = np.unique(self.factor("width")[group])[-count:]
            found[group] = np.isin(self.factor("width")[group], widths)
        return found

    def depths(self, holds: Callable[[float, np.ndarray], bool]) -> Mask:
        """Return the cells of the depths whose widths fulfil a condition."""
        found = np.zeros(len(self.cells), dtype=bool)
        for group in self.groups("depth"):
            found[group] = holds(self.factor("depth")[group[0]], np.unique(self.factor("width")[group]))
        return found

    def values(self, column: str, moment: str) -> Float[np.ndarray, "cells seeds"]:
        return np.where(self.columns, measured(self.cells, column, moment), np.nan)


def place(depth: float, widths: np.ndarray) -> bool:
    """Return whether the peak that Theorem 1 places at a depth lies two octaves inside the widths on both sides."""
    peak = np.log2(critical_width(int(depth)))
    return bool(np.log2(widths[0]) + 2 <= peak <= np.log2(widths[-1]) - 2)


def _lazy(cut: Cut) -> Mask:
    return mean(cut.values("kappa", "epoch_50")) <= 0.1


CONDITIONS: dict[str, Callable[[Cut], Mask]] = {
    "under": lambda cut: cut.factor("width") < cut.factor("depth") ** 3 / 2,
    "polynomial": lambda cut: cut.factor("width") <= cut.factor("depth") ** 3,
    "settled": lambda cut: cut.factor("width") >= 10 * cut.factor("depth") ** 3,
    "widest": lambda cut: cut.widest(1),
    "widest_three": lambda cut: cut.widest(3),
    "place": lambda cut: cut.depths(place),
    "plateau": lambda cut: cut.depths(lambda depth, widths: widths[-1] >= 10 * depth**3),
    "lazy": _lazy,
    "inside": lambda cut: np.round(cut.factor("gamma_prime"), 6) <= 0.3,
    "roomy": lambda cut: (_weights(cut) >= 2 * cut.factor("samples")) & (cut.factor("width") >= 8),
    "neuron_a_point": lambda cut: cut.factor("width") == cut.factor("samples"),
}
# Conditions on runs, which leave single seeds out and not cells.
RUNS = ("fitted", "converged")


def _weights(cut: Cut) -> Float[np.ndarray, " cells"]:
    sizes = zip(*(cut.factor(name) for name in ("width", "depth", "in_features")), strict=True)
    return np.array([number_of_parameters(m, int(L), int(d), 1) for m, L, d in sizes])


def mean(values: Float[np.ndarray, "cells seeds"]) -> Float[np.ndarray, " cells"]:
    """Return the mean over the seeds that are there; NaN where none is."""
    counts = np.isfinite(values).sum(axis=1)
    totals = np.nansum(values, axis=1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def in_place(factors: Mapping[str, np.ndarray]) -> bool:
    """Return whether the theory's peak, L³/2, lies two steps inside the widths of a curve of one depth."""
    widths = np.unique(factors["width"])
    return len(widths) > 0 and place(float(factors["depth"][0]), widths)
