"""Read the recorded benchmarks: what was timed side by side, and which targets it reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parent / "results"
FIRST_PAINT = "first paint"


def recorded(benchmark: str, device: str = "cpu") -> dict[str, Any] | None:
    """Return the record of a benchmark on a kind of device, or None where this checkout has none.

    A record is {"benchmark", "command", "environment", "protocol", "targets", "cells"}; a cell holds its settings, the
    seconds of each contender in every repeat, and the ratios of repeats that ran side by side.
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


def why_missed(record: dict[str, Any], line: dict[str, Any]) -> str:
    """Return why a line of `against_targets` is missed, from the same record, or nothing."""
    if record["benchmark"] in ("training", "attacked") and line["ratio"] != "roof/ours":
        seconds = times(record).set_index(["width", "depth", "replicas", "contender"])["median"]
        here = seconds[line["width"], line["depth"], line["replicas"]] * 1e6
        other, ours = line["ratio"].split("/")
        floor = ours.replace("ours", "floor")
        if floor not in here:
            return ""
        rest, most = here[ours] - here[floor], here[other] / here[floor]
        text = f"{rest:.0f} of {here[ours]:.0f} µs of a step are no products, {rest / line['depth']:.1f} µs a layer"
        return text + (f"; the bare products alone would reach {most:.3g}" if most < line["target"] else "")
    if record["benchmark"] == "estimators":
        return f"counted multiplications allow a factor of {allowed_speed(line['width'], line['depth']):.2f}"
    if record["benchmark"] == "scaling":
        (cell,) = record["cells"]
        speeds = {int(m): 1e-9 / found["median"] for m, found in cell["contenders"].items()}
        least, most = min(speeds, key=speeds.get), max(speeds, key=speeds.get)
        slow, fast = f"{speeds[least]:.0f} GFLOP/s at m = {least:,}", f"{speeds[most]:.0f} at m = {most:,}"
        return f"{slow}, where products are small; {fast}"
    if record["benchmark"] == "sweep":
        (cell,) = record["cells"]
        both = cell["contenders"]["two"]["median"]
        return f"{cell['start']:.1f} of {both:.1f} seconds with two workers are their start"
    return ""


def page_words(record: dict[str, Any] | None) -> str:
    """Return what pages weigh and how soon they are seen, from the record of `benchmarks.pages`."""
    if record is None or not record["cells"]:
        return "Not measured yet."
    cells, seen = record["cells"], times(record)
    heavy, late = max(cells, key=lambda cell: cell["bytes"]), seen.loc[seen["min"].idxmax()]
    where, repeats = record["environment"], record["protocol"]["repeats"]
    load = max(cell["load"] for cell in cells)
    return (
        f"Each of the {len(cells)} pages weighs at most {heavy['bytes'] / 1e6:.1f} MB with all it loads, unpacked. "
        f"The first paint comes {seen['min'].median():.2f} s after the call (median over pages; {late['min']:.2f} s at "
        f"most), the soonest of {repeats} openings, in Chromium {where['browser'].split('.')[0]} with nothing cached, "
        f"on the machine that serves the site ({where['hardware']}, {where['cores']} cores, load up to {load:.0f})."
    )


def allowed_speed(m: int, L: int, d: int = 784, o: int = 10) -> float:
    """Return the multiplications a point for J Jᵀ through the whole Jacobian, over those of ours."""
    pulled = d * m + (1 + o) * m**2 * (L - 2) + m * o
    whole = pulled + o * m * d + o**2 * d
    return 1.0 if m >= d else whole / (pulled + o * m**2 + o**2 * m)
