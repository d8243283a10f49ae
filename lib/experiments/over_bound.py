"""Published trainings beside what Theorem 1 predicts for their cells: P over the bound and over its two terms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.experiments.trainings import published_trainings
from lib.theory.bounds import theorem1_terms
from lib.theory.initialization import mean_stability, rms_stability
from lib.trends import Interval, mean_interval

# The setting that verdicts are about, and where its rows lie.
_SETTING = {
    "dataset": "mnist",
    "scaling": "raw",
    "momentum": 0.0,
    "epochs": 50,
    "loss": "cross_entropy",
    "alpha": 1.0,
}
_ROWS = ("grid", "setting", "nonlazy", "paper-he", "paper-lecun", "paper-widest", "pilot")
_FEATURES, _CLASSES = 784, 10
# The seeds that were looked at when the rules were written, and how many a cell needs to decide.
_PILOT, _SEEDS, _LEVELS = range(3), 5, 3
_CELL = ["initializer", "depth", "width"]


def trained_over_bound(initializers: Iterable[str]) -> pd.DataFrame:
    """Return the published measurements of the primary setting on MNIST with what Eq. (3) says of their cells.

    Beside the columns of `published_trainings`: T1 and T2, the transition and the plateau term; finite, T2 with the
    exact dependence on the width at initialization, T2 · P/P_rms; bound, T1 + T2; bound_ratio, P over it.
    """
    rows = published_trainings(*_ROWS)
    for column, value in _SETTING.items():
        rows = rows[rows[column] == value]
    rows = rows[rows["samples"].isna() & rows["reached"].isna() & (rows["P"] > 0)]
    rows = rows[rows["initializer"].isin(list(initializers))].astype({"epoch": int})
    cells = rows[_CELL].drop_duplicates().itertuples(index=False, name=None)
    predicted = pd.DataFrame(
        [(*cell, *_predictions(*cell)) for cell in cells], columns=[*_CELL, "T1", "T2", "finite"]
    ).astype({"depth": rows["depth"].dtype, "width": rows["width"].dtype})
    rows = rows.merge(predicted, on=_CELL)
    rows["bound"] = rows["T1"] + rows["T2"]
    return rows.assign(bound_ratio=rows["P"] / rows["bound"])


def _predictions(initializer: str, depth: int, width: int) -> tuple[float, float, float]:
    arguments = width, depth, _FEATURES, _CLASSES, initializer
    transition, plateau = theorem1_terms(*arguments)
    return transition, plateau, plateau * mean_stability(*arguments) / rms_stability(*arguments)


def cells_that_decide(rows: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the rows of registered seeds in the cells that have five of them at an epoch."""
    registered = rows[~rows["seed"].isin(_PILOT)]
    counts = registered[registered["epoch"] == epoch].groupby(_CELL)["seed"].nunique()
    full = counts[counts >= _SEEDS].index
    return registered[pd.MultiIndex.from_frame(registered[_CELL]).isin(full)]


def spanning(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each initialization that has enough depths and widths to tell them apart, by its name."""
    parts = {name: rows[rows["initializer"] == name] for name in dict.fromkeys(rows["initializer"])}
    return {
        name: part
        for name, part in parts.items()
        if part["depth"].nunique() >= _LEVELS and part["width"].nunique() >= _LEVELS
    }


class Shape(NamedTuple):
    """How P goes beside a prediction that may be off by one constant.

    Attributes:
        on_width, on_depth: slopes of log(P/prediction) on log m and on L, one regression a seed, over seeds.
        constant: the geometric mean of P/prediction over cells.
        left: the typical factor that it leaves, the exponential of the standard deviation over cells.
    """

    on_width: Interval
    on_depth: Interval
    constant: float
    left: float


def shape(rows: pd.DataFrame, prediction: str) -> Shape:
    """Compare P with a column of predictions over the cells of one initialization and epoch."""
    slopes = []
    for _, one in rows.groupby("seed"):
        design = np.column_stack([np.ones(len(one)), np.log(one["width"]), one["depth"]])
        fit, *_ = np.linalg.lstsq(design, np.log(one["P"] / one[prediction]), rcond=None)
        slopes.append(fit[1:])
    means = np.log(rows["P"] / rows[prediction]).groupby([rows["depth"], rows["width"]]).mean()
    on_width, on_depth = (mean_interval(list(slope)) for slope in zip(*slopes, strict=True))
    return Shape(on_width, on_depth, math.exp(means.mean()), math.exp(means.std()))


def power_of_depth(rows: pd.DataFrame, prediction: str) -> tuple[float, float]:
    """Return q of P = b · prediction · L^q over cells, and the typical factor that this fit leaves."""
    means = np.log(rows["P"] / rows[prediction]).groupby([rows["depth"], rows["width"]]).mean()
    log_depth = np.log(means.index.get_level_values("depth").to_numpy(dtype=float))
    power, at_1 = np.polyfit(log_depth, means, 1)
    left = math.sqrt(((means - power * log_depth - at_1) ** 2).sum() / (len(means) - 2))
    return float(power), math.exp(left)
