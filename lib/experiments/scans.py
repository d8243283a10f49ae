"""Width scans as tables, published or run here: one line a network, what its layers moved, where S_w vanishes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.experiments.plan import EXPERIMENTS
from lib.experiments.regimes import WidthScan, measure
from lib.rows import ROUNDS, in_round, published
from lib.trends import crossing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lib.rows import Task

# A task that experiments share has its row with the first of them.
_SHARED = ("regime-slopes", "regime-powers", "regime-map")


def published_scans(*experiments: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the published rows of experiments of this kind, and how many each of them lacks.

    Beside the columns of `measure`, one line a width: RD, the largest relative change of the input layer on the way
    (Luo et al.'s sup RD(θ_w)), and RD_least, the smallest over layers. Both are NaN where training did not reach its
    loss, so that no slope is taken over such a network.
    """
    rows, lacking = {}, {}
    for path in sorted({path for name in experiments for path in (name, *_SHARED)}):
        with contextlib.suppress(FileNotFoundError):
            rows |= {row["key"]: row for row in in_round(published(path).rows(), *ROUNDS) if row["failure"] is None}
    wanted: dict[str, Task] = {}
    for name in experiments:
        tasks = {task.key: task for round in ROUNDS for task in EXPERIMENTS[name](round)}
        lacking[name] = len(set(tasks) - set(rows))
        wanted |= tasks
    lines = [
        {**dataclasses.asdict(wanted[key]), **measurement}
        for key, row in rows.items()
        if key in wanted
        for measurement in row["measurements"]
    ]
    frame = pd.DataFrame(lines)
    if len(frame):
        # Only one experiment has this column, and its rows may be missing.
        frame = frame.reindex(columns=[*dict.fromkeys([*frame.columns, "directions_null"])])
        frame["RD"] = [c[0] if ok else math.nan for c, ok in zip(frame.sup_change, frame.reached, strict=True)]
        frame["RD_least"] = [min(c) if ok else math.nan for c, ok in zip(frame.sup_change, frame.reached, strict=True)]
    return frame, lacking


def scanned_here(gammas: Sequence[float], widths: Sequence[int], replicas: int) -> pd.DataFrame:
    """Train two-layer networks on Luo et al.'s line at (γ, 0) and return one line a network, with RD as in the rows.

    Seeds are 0 to replicas − 1.

    Raises:
        ValueError: a value is out of range.
    """
    return pd.DataFrame(
        [
            {"gamma": gamma, "seed": seed, **row, "RD": row["sup_change"][0]}
            for gamma in gammas
            for width in widths
            for seed, row in enumerate(measure(WidthScan("line", 2, gamma, 0.0, (width,), 0), width, replicas))
        ]
    )


def scanned_layers(scans: pd.DataFrame) -> pd.DataFrame:
    """Return one line a layer of scanned networks: layer (from 1) and change, the largest relative one on the way."""
    long = scans.explode("sup_change")
    layer = long.groupby(["depth", "width", "seed"]).cumcount() + 1
    return long.assign(layer=layer, change=long["sup_change"].astype(float))


def boundary_zeros(slopes: pd.DataFrame) -> pd.Series:
    """Return the γ at which S_w vanishes, one a γ' and seed, linear between neighbouring points; NaN if nowhere.

    Args:
        slopes: one line a point of the plane and seed: gamma, gamma_prime, seed, slope.
    """
    lines = slopes.sort_values("gamma").groupby(["gamma_prime", "seed"])
    return lines[["gamma", "slope"]].apply(lambda one: crossing(one["gamma"], one["slope"]))


def local_exponents(scans: pd.DataFrame, gamma: float, gamma_prime: float) -> pd.Series:
    """Return the power of m in RD from each width to the next, mean over seeds, by the wider of the two."""
    at = scans[(scans["gamma"] == gamma) & (scans["gamma_prime"] == gamma_prime)]
    rise = np.log(at.pivot(index="seed", columns="width", values="RD")).diff(axis=1).iloc[:, 1:].mean()
    return rise / np.diff(np.log(np.sort(at["width"].unique()).astype(float)))
