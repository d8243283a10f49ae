"""The published rows of width scans as a table: one line a network, with its relative distance."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING

import pandas as pd

from lib.experiments import published
from lib.experiments.plan import EXPERIMENTS

if TYPE_CHECKING:
    from lib.experiments.regimes import WidthScan

# A task that experiments share has its row with the first of them.
_SHARED = ("regime-slopes", "regime-powers", "regime-map")


def published_scans(*experiments: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the published rows of experiments of this kind, and how many each of them lacks.

    Beside the columns of `measure`, one line a width: RD, the largest relative change of the input layer on the way
    (Luo et al.'s sup RD(θ_w)), and RD_least, the smallest over layers. Both are NaN where training did not reach its
    loss, so that no slope is taken over such a network.

    Used by: chapter 06.
    """
    rows, lacking = {}, {}
    for path in sorted({path for name in experiments for path in (name, *_SHARED)}):
        with contextlib.suppress(FileNotFoundError):
            rows |= {row["key"]: row for row in published(path).rows() if row["failure"] is None}
    wanted: dict[str, WidthScan] = {}
    for name in experiments:
        tasks = {task.key: task for task in EXPERIMENTS[name]()}
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
