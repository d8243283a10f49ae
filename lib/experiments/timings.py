"""Read the recorded benchmarks: what was timed side by side, and which targets it reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def recorded(benchmark: str, device: str = "cpu") -> dict[str, Any] | None:
    """Return the record of a benchmark on a kind of device, or None where this checkout has none.

    A record is {"benchmark", "command", "environment", "protocol", "targets", "cells"}; a cell holds its settings, the
    seconds of each contender in every repeat, and the ratios of repeats that ran side by side.

    Used by: chapters 90 and 91.
    """
    path = RESULTS / f"{benchmark}-{device}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def times(record: dict[str, Any]) -> pd.DataFrame:
    """Return one line a cell and contender: its settings, and min, median and max of its seconds."""
    return pd.DataFrame(_lines(record, "contenders", "contender"))


def ratios(record: dict[str, Any]) -> pd.DataFrame:
    """Return one line a cell and ratio: its settings, and min, median and max over the paired repeats."""
    return pd.DataFrame(_lines(record, "ratios", "ratio"))


def _lines(record: dict[str, Any], part: str, name: str) -> Iterator[dict[str, Any]]:
    for cell in record["cells"]:
        for key, value in cell[part].items():
            yield {**cell["settings"], name: key, **{which: value[which] for which in ("min", "median", "max")}}


def against_targets(record: dict[str, Any]) -> pd.DataFrame:
    """Return one line a target: its settings, the ratio, what was asked for, what is, and by how much it misses.

    `median` is missing where the cell was not measured; `missed` is 1 − median/target, 0 where it is reached.
    """
    lines = []
    for target in record["targets"]:
        found = [
            cell["ratios"][target["ratio"]]
            for cell in record["cells"]
            if target["ratio"] in cell["ratios"] and target["settings"].items() <= cell["settings"].items()
        ]
        median = found[0]["median"] if found else None
        missed = None if median is None else max(0.0, 1 - median / target["at_least"])
        line = {**target["settings"], "ratio": target["ratio"], "target": target["at_least"]}
        lines.append({**line, "median": median, "missed": missed})
    return pd.DataFrame(lines)
