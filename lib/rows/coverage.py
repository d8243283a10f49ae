"""Which of an experiment's planned rows are there, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lib.rows.task import Task


def coverage(tasks: Iterable[Task], rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one line a planned cell: its settings, and how many of its seeds are planned, there and failed.

    A row counts wherever it was published: experiments that share a configuration share its row. Of several rows of one
    configuration the last counts.

    Args:
        tasks: what an experiment plans (`lib.experiments.plan.EXPERIMENTS`).
        rows: as from `Store.rows`, of all stores that may hold them.

    Returns:
        The settings but the seed, then `planned`, `there` (trained and kept) and `failed` (a row with a reason, no
        values); what is neither is missing.
    """
    failed = {row["key"]: row.get("failure") is not None for row in rows}
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for task in tasks:
        settings = {name: value for name, value in task.asdict().items() if name != "seed"}
        line = lines.setdefault(task.cell, {**settings, "planned": 0, "there": 0, "failed": 0})
        line["planned"] += 1
        line["there"] += failed.get(task.key) is False
        line["failed"] += failed.get(task.key) is True
    return pd.DataFrame(list(lines.values()))


def missing(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of `coverage` that lack a seed, with the number that each lacks as `missing`."""
    lacking = table.assign(missing=table["planned"] - table["there"] - table["failed"])
    return lacking[lacking["missing"] > 0]
