"""The rows of early training as tables: moments of a cell, slopes in n, when P leaves the bound, and a run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from lib.experiments.early import EarlyTraining
from lib.rows import ROUNDS, Store, in_round, published
from lib.sweeps import sweep
from lib.theory.early_training import guaranteed_time, theorem3

_RUN = ["c", "samples", "width", "seed"]
_COLUMNS = {"common": "common", "fit": "reached"}
# Places at which the break of a broken line is sought, and the first seed of runs that are not registered.
_BREAKS, _OWN_SEED = 60, 100


def published_early() -> pd.DataFrame:
    """Return the published measurements of early training, with the exponent of β = m^-c in c."""
    rows = in_round(published("early").frame(), *ROUNDS)
    return rows.assign(c=rows["initializer"].str.removeprefix("power-").astype(float))


def early_here(
    exponents: Iterable[float], widths: Iterable[int], samples: int, seeds: int, in_features: int, lr: float
) -> tuple[pd.DataFrame, int, list[str]]:
    """Run early training and return its measurements, how many runs failed, and the reasons.

    Seeds are 100, 101, ..., which no published row has.

    Args:
        exponents: c.
        widths: m of the networks.
        samples: n.
        in_features: d of the data.
        seeds: runs a cell.
        lr: the step size.
    """
    tasks = [
        EarlyTraining(f"power-{c:g}", m, samples, seed, in_features, lr)
        for c in sorted(set(exponents))
        for m in sorted(set(widths))
        for seed in range(_OWN_SEED, _OWN_SEED + seeds)
    ]
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "live.jsonl")
        failed = sweep(tasks, store)
        reasons = {row["failure"] for row in store.rows()} - {None}
        rows = store.frame().reindex(columns=["initializer", "width", "seed", "share", "reached", "P"])
    rows = rows[rows["P"] > 0]
    return rows.assign(c=rows["initializer"].str.removeprefix("power-").astype(float)), failed, sorted(reasons)


def at(rows: pd.DataFrame, moment: str, **cell: float) -> pd.DataFrame:
    """Return the rows of one moment and cell.

    Args:
        rows: measurements.
        moment: "epoch_0"; "time_0.25", a share of the clock T of the seed's narrowest network; "common_0.25", of the
            clock of its fewest points; "fit_0.5", when the own loss had fallen to this share.
        cell: values of columns.
    """
    kind, value = moment.split("_")
    table = rows[rows[_COLUMNS.get(kind, "share")] == float(value)]
    for name, wanted in cell.items():
        table = table[table[name] == wanted]
    return table


def slopes_in_n(table: pd.DataFrame) -> np.ndarray:
    """Return the slope of log P on log n with an intercept a width, one a seed; at t = 0 it is exactly zero."""
    found = []
    for _, one in table.groupby("seed"):
        centred = np.log(one[["samples", "P"]])
        centred -= centred.groupby(one["width"]).transform("mean")
        x, y = centred["samples"], centred["P"]
        found.append((x @ y) / (x @ x))
    return np.round(found, 9) + 0.0


def exits(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line a run with the times at which P leaves Eq. (4) and its own exponential growth.

    Columns: c, samples, width, seed; half, when the own loss has halved; exit, the first time at which P exceeds
    Eq. (4) with the constant 1, and fitted_exit, with the constant that is tight for the narrowest networks of the
    cell at initialization; break, the break of the broken line that fits log P best; proved, until when the growth of
    P is proved to stay below Eq. (4).
    """
    in_features = int(rows["in_features"].iloc[0])
    lines = []
    for run, table in rows[rows["epoch"].notna()].groupby(_RUN):
        c, n, m, _ = run
        table = table.sort_values("time").drop_duplicates("time")
        time, log_P = table["time"].to_numpy(), np.log(table["P"]).to_numpy()
        log_bound = np.log(theorem3(int(m), int(n), c))
        rate = np.sqrt(2 * table["train_loss"].iloc[0])
        lines.append(
            {
                **dict(zip(_RUN, run, strict=True)),
                "half": table.loc[table["reached"] == 0.5, "time"].iloc[0],
                "exit": first_above(time, log_P - log_bound),
                "break": change_point(time, log_P),
                "proved": guaranteed_time(int(m), int(n), in_features, c, rate),
                "time": time,
                "log_ratio": log_P - log_bound,
            }
        )
    table = pd.DataFrame(lines)
    start = pd.Series([ratio[0] for ratio in table["log_ratio"]], table.index)
    narrowest = table.groupby(["c", "samples"])["width"].transform("min") == table["width"]
    constant = start.where(narrowest).groupby([table["c"], table["samples"]]).transform("mean")
    runs = zip(table["time"], table["log_ratio"], constant, strict=True)
    table["fitted_exit"] = [first_above(time, ratio - k) for time, ratio, k in runs]
    return table.drop(columns=["time", "log_ratio"])


def first_above(time: Sequence[float], values: np.ndarray) -> float:
    """Return the first time at which values exceed 0, by interpolation; NaN if they never do."""
    k = int(np.argmax(values > 0))
    if not values[k] > 0:
        return np.nan
    return 0.0 if k == 0 else float(np.interp(0, values[k - 1 : k + 1], time[k - 1 : k + 1]))


def change_point(time: np.ndarray, values: np.ndarray) -> float:
    """Return the break of the broken line of two pieces that fits values best."""
    breaks = np.linspace(time[1], time[-2], _BREAKS)

    def misfit(place: float) -> float:
        design = np.column_stack([np.ones_like(time), time, np.maximum(0, time - place)])
        return np.linalg.lstsq(design, values, rcond=None)[1].sum()

    return float(breaks[np.argmin([misfit(place) for place in breaks])])
