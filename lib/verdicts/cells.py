"""Published rows as arrays: one line a cell, one column a seed, read once and without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib.rows import RESULTS, Store
from lib.theory.early_training import theorem3

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Settings, Measurement = Mapping[str, Any], Mapping[str, Any]
# A data set's whole training set is written as its size, so that it compares with the subsets of `samples`.
WHOLE = {"mnist": 60_000, "fashion-mnist": 60_000, "digits": 1_437}
# Features and classes of the data sets: the d and o of the bounds.
SIZES = {"mnist": (784, 10), "fashion-mnist": (784, 10), "digits": (64, 10)}
# Factors that a measurement brings along because one row holds several networks.
WITHIN_ROW = {"width-scan": ("width",)}
# Kinds of tasks whose rows are compared with those of another kind, and stand in its `Cells`.
BESIDE = {"width-adjusted": "adversarial"}


class _Entry(NamedTuple):
    """A network: where it is read, its cell, its seed, its row and its own measurements."""

    place: str
    cell: tuple[Any, ...]
    seed: int
    row: Mapping[str, Any]
    measurements: list[Mapping[str, Any]]


class Cells:
    """Keep replicated measurements of one kind of task: N cells (all settings but the seed) × S seeds.

    Args:
        kind: the kind of task, empty for trainings of Eq. (2).
        rows: its rows, each with the place ("grid.jsonl, line 3") that an error names; of several rows of one
            configuration the last counts.

    Attributes:
        factors: setting -> its value in each cell, shape (N,).
        seeds: the S seeds, increasing.
        keys: the key of each row, shape (N, S), empty where there is none.
        failed: where a row says that its computation failed, shape (N, S); it has no values.
    """

    def __init__(self, kind: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        self.kind = kind
        last = {row["key"]: (place, row) for place, row in rows}
        entries = [entry for place, row in last.values() for entry in _networks(kind, place, row)]
        cells = sorted({entry.cell for entry in entries}, key=_order)
        settings = [dict(cell) for cell in cells]
        names = list(dict.fromkeys(name for one in settings for name in one))
        self.factors = {name: _column([one.get(name) for one in settings]) for name in names}
        self.seeds = np.array(sorted({entry.seed for entry in entries}), dtype=int)
        shape = (len(cells), len(self.seeds))
        self.keys = np.full(shape, "", dtype="<U16")
        self.failed = np.zeros(shape, dtype=bool)
        self._settings = settings
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._lines: dict[str, Int[np.ndarray, "N S"]] = {}
        self._measurements: list[tuple[str, Mapping[str, Any]]] = []
        self._flat: dict[str, Float[np.ndarray, " lines"]] = {}
        self._runs: dict[str, Float[np.ndarray, "N S"]] = {}
        row_of = {cell: position for position, cell in enumerate(cells)}
        column_of = {seed: position for position, seed in enumerate(self.seeds.tolist())}
        for entry in entries:
            at = row_of[entry.cell], column_of[entry.seed]
            self.keys[at] = entry.row["key"]
            self.failed[at] = entry.row.get("failure") is not None
            self._entries[at] = entry
            for measurement in entry.measurements:
                for moment in MOMENTS[kind](settings[at[0]], measurement):
                    self._lines.setdefault(moment, np.full(shape, -1))[at] = len(self._measurements)
                self._measurements.append((entry.place, measurement))

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def there(self) -> Bool[np.ndarray, "N S"]:
        """Return where a row is, failed or not."""
        return self.keys != ""

    def values(self, column: str, moment: str) -> Float[np.ndarray, "N S"]:
        """Return a measured quantity at a moment; NaN where a seed lacks it, failed, diverged or is dead.

        Raises:
            ValueError: a row holds a value that the quantity cannot have.
        """
        if moment == "all":
            values = self._run(column).copy()
        elif moment in self._lines:
            lines = self._lines[moment]
            values = np.where(lines >= 0, self._line(column)[lines], np.nan)
        else:
            values = np.full(self.keys.shape, np.nan)
        values[self.failed | ~np.isfinite(values)] = np.nan
        return values

    def _line(self, name: str) -> Float[np.ndarray, " lines"]:
        if name not in self._flat:
            self._flat[name] = np.array([number(place, name, m.get(name)) for place, m in self._measurements])
        return self._flat[name]

    def _run(self, name: str) -> Float[np.ndarray, "N S"]:
        if name not in self._runs:
            self._runs[name] = np.full(self.keys.shape, np.nan)
            run = RUNS.get(self.kind, {}).get(name)
            for at, entry in self._entries.items() if run else ():
                trace = entry.row.get("trace") or {}
                self._runs[name][at] = run(entry.place, self._settings[at[0]], entry.measurements, trace)
        return self._runs[name]


def read(folder: Path | str = RESULTS) -> dict[str, Cells]:
    """Return the published rows of a folder, one `Cells` a kind of task.

    A row counts wherever it was published, and once.

    Raises:
        ValueError: a line is not a row.
    """
    by_kind: dict[str, list[tuple[str, Mapping[str, Any]]]] = {kind: [] for kind in MOMENTS}
    for path in sorted(Path(folder).glob("*.jsonl")):
        for row in Store(path):
            kind = row["configuration"].get("kind", "")
            kind = BESIDE.get(kind, kind)
            if kind in by_kind:
                by_kind[kind].append((row.where, row))
    return {kind: Cells(kind, rows) for kind, rows in by_kind.items() if rows}


def _networks(kind: str, place: str, row: Mapping[str, Any]) -> list[_Entry]:
    settings = _settings(row["configuration"])
    seed = settings.pop("seed")
    within = WITHIN_ROW.get(kind, ())
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for measurement in row["measurements"]:
        groups.setdefault(tuple(measurement[name] for name in within), []).append(measurement)
    return [
        _Entry(place, (*settings.items(), *zip(within, own, strict=True)), seed, row, measurements)
        for own, measurements in groups.items()
    ]


def _order(cell: tuple[Any, ...]) -> list[tuple[str, str, Any]]:
    return [(name, str(type(value)), value) for name, value in cell if value is not None]


def _settings(configuration: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in configuration.items() if name not in ("kind", "widths")}
    if "dataset" in settings and settings["samples"] is None:
        settings["samples"] = WHOLE[settings["dataset"]]
    if "gamma" in settings:
        # β_1 = β_2 = m^-c is the point (2c, 0) of Luo et al.'s plane, and only that one has the name.
        settings["initializer"] = "" if settings["gamma_prime"] else f"power-{settings['gamma'] / 2:g}"
    settings.setdefault("depth", 2)
    return settings


def _column(values: list[Any]) -> np.ndarray:
    """Return one setting over cells; numbers stay numbers, a setting that a cell lacks is NaN or empty."""
    if all(isinstance(value, (int, float)) or value is None for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    return np.array(["" if value is None else str(value) for value in values])


def number(place: str, name: str, value: Any) -> float:
    """Return a measured value, NaN for null.

    Raises:
        ValueError: it is no number, or one that the quantity cannot be; the sentence begins with the place.
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{place}: {name} must be a number or null, got {value!r}; compute the row again.")
    high = 1.0 if "accuracy" in name else math.inf
    if not 0 <= value <= high and math.isfinite(value):
        limits = "between 0 and 1" if high == 1 else "at least 0"
        raise ValueError(f"{place}: {name} must be {limits}, got {value!r}; compute the row again.")
    return float(value)


# -- moments ---------------------------------------------------------------------------------------------------------


def _training_moments(settings: Settings, measurement: Measurement) -> list[str]:
    if measurement.get("reached") is not None:
        return [] if measurement["epoch"] is None else [f"loss_{measurement['reached']:g}"]
    # Fewer points are trained for as many steps, and their moments are stretched with the epochs.
    epoch, epochs = measurement["epoch"], settings["epochs"]
    if settings["schedule"] == "proportional":
        return [f"epoch_{k}" for k in (0, 1, 5, 10, 25, 50) if round(k * epochs / 50) == epoch]
    return [f"epoch_{epoch:g}"]


def _early_moments(settings: Settings, measurement: Measurement) -> list[str]:
    if measurement.get("reached") is not None:
        return [] if measurement["epoch"] is None else [f"fit_{measurement['reached']:g}"]
    named = (("time", "share"), ("common", "common"))
    moments = [f"{name}_{measurement[field]:g}" for name, field in named if measurement[field] is not None]
    return [*moments, "epoch_0"] if measurement["share"] == 0 else moments


def _noise_moments(settings: Settings, measurement: Measurement) -> list[str]:
    if measurement.get("reached") is not None:
        return [] if measurement["epoch"] is None else [f"mse_{measurement['reached']:g}"]
    return ["init"] if measurement["step"] == 0 else []


def _choices(settings: Settings, measurement: Measurement) -> list[str]:
    return [measurement["selection"]]


def _start(settings: Settings, measurement: Measurement) -> list[str]:
    return ["epoch_0"]


def _never(settings: Settings, measurement: Measurement) -> list[str]:
    return []


# Kind of task -> the moments of a measurement, in the register's words.
MOMENTS: dict[str, Callable[[Settings, Measurement], list[str]]] = {
    "": _training_moments,
    "early-training": _early_moments,
    "noise-fitting": _noise_moments,
    "width-scan": _never,
    "initial-law": _start,
    "untrained-network": _start,
    "convolutional": _training_moments,
    "adversarial": _choices,
}


# -- numbers of a whole run, the moment "all" ------------------------------------------------------------------------

Run = Callable[[str, Settings, Sequence[Measurement], Mapping[str, Any]], float]


def _least_change(place: str, settings: Settings, measurements: Sequence[Measurement], trace: Mapping) -> float:
    """The smallest over layers of the largest relative change over all moments."""
    changes = [m["relative_change"] for m in measurements if isinstance(m.get("relative_change"), list)]
    usable = [c for c in changes if all(isinstance(value, (int, float)) for value in c)]
    return float(np.max(usable, axis=0).min()) if usable else math.nan


def _last_kappa(place: str, settings: Settings, measurements: Sequence[Measurement], trace: Mapping) -> float:
    ends = [m for m in measurements if m.get("reached") is None and m["epoch"] == settings["epochs"]]
    return number(place, "kappa", ends[-1].get("kappa")) if ends else math.nan


def _fitted(place: str, settings: Settings, measurements: Sequence[Measurement], trace: Mapping) -> float:
    return float(any(m.get("reached") == 1.0 and m["epoch"] is not None for m in measurements))


def _late_trace(settings: Settings, trace: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs from 1 on and κ at them, where κ is positive; empty where no constant rate was followed."""
    if settings.get("schedule") != "constant" or not trace:
        return np.array([]), np.array([])
    epoch, kappa = (np.array(trace[name], dtype=float) for name in ("epoch", "kappa"))
    there = (epoch >= 1) & np.isfinite(kappa) & (kappa > 0)
    return epoch[there], kappa[there]


def _late_exponent(place: str, settings: Settings, measurements: Sequence[Measurement], trace: Mapping) -> float:
    epoch, kappa = _late_trace(settings, trace)
    late = epoch > settings["epochs"] / 2
    return float(np.polyfit(np.log(epoch[late]), np.log(kappa[late]), 1)[0]) if late.sum() > 1 else math.nan


_TIMES = np.geomspace(0.1, 10_000, 400)


def _saturation_aic(place: str, settings: Settings, measurements: Sequence[Measurement], trace: Mapping) -> float:
    """AIC of κ = a + b (1 − exp(−t/τ)) minus that of κ = a + b log(1 + t/τ), with as many parameters each."""
    epoch, kappa = _late_trace(settings, trace)
    if len(epoch) < 4:
        return math.nan
    scaled = epoch / _TIMES[:, None]
    return len(epoch) * math.log(_least_squares(-np.expm1(-scaled), kappa) / _least_squares(np.log1p(scaled), kappa))


def _least_squares(curves: np.ndarray, values: np.ndarray) -> float:
    """Return the least mean square of values about a + b·curve, over the curves."""
    x, y = curves - curves.mean(axis=1, keepdims=True), values - values.mean()
    squares = (x**2).sum(axis=1)
    explained = np.divide((x @ y) ** 2, squares, out=np.zeros(len(x)), where=squares > 0)
    return float(max((y @ y - explained).min(), 1e-300) / len(y))


def _exit_share(place: str, settings: Settings, measurements: Sequence[Measurement], trace: Mapping) -> float:
    """The time at which P first exceeds Eq. (4), log-linear between measurements, over the time of fit_0.5."""
    seen = {m["time"]: number(place, "P", m["P"]) for m in measurements if m.get("time") is not None}
    half = [m["time"] for m in measurements if m.get("reached") == 0.5 and m["epoch"] is not None]
    if not half or not seen:
        return math.nan
    time = np.array(sorted(seen))
    c = float(settings["initializer"].removeprefix("power-"))
    with np.errstate(divide="ignore"):
        above = np.log([seen[t] for t in time]) - math.log(
            theorem3(int(settings["width"]), int(settings["samples"]), c)
        )
    out = np.flatnonzero(above > 0)
    if not len(out):
        return math.nan
    k = out[0]
    exit_time = 0.0 if k == 0 else float(np.interp(0, above[k - 1 : k + 1], time[k - 1 : k + 1]))
    return exit_time / half[0]


def _scan(value: Callable[[str, Measurement], float]) -> Run:
    """Return a number of the single measurement that a network of a scan has."""
    return lambda place, settings, measurements, trace: value(place, measurements[0])


def _directions_ratio(place: str, measurement: Measurement) -> float:
    null = measurement.get("directions_null")
    return measurement["directions_half"] / null if null else math.nan


def _changes(place: str, measurement: Measurement) -> list[float]:
    return [number(place, "sup_change", value) for value in measurement["sup_change"]]


# Kind of task -> column -> the number of a run.
RUNS: dict[str, dict[str, Run]] = {
    "": {
        "sup_relative_change": _least_change,
        "last_kappa": _last_kappa,
        "fitted": _fitted,
        "late_exponent": _late_exponent,
        "saturation_aic": _saturation_aic,
    },
    "early-training": {"exit_share": _exit_share},
    "width-scan": {
        "converged": _scan(lambda place, m: float(m["reached"])),
        "sup_relative_change": _scan(lambda place, m: min(_changes(place, m))),
        "sup_input_change": _scan(lambda place, m: _changes(place, m)[0]),
        "directions_ratio": _scan(_directions_ratio),
        "kappa": _scan(lambda place, m: number(place, "kappa", m["kappa"])),
    },
}
