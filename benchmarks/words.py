"""Say what was recorded in words: a ratio with its spread, a cell in the letters of the paper, a table of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.timings import ratios, times
from lib.prose import significant

WORDS = {
    "tutorial/ours": "× the tutorial's loop",
    "autograd/ours": "× autograd in memory",
    "ensemble/ours": "× torch.func ensemble",
    "jax/ours": "× JAX",
    "jax/ours in bf16": "× JAX, ours in bf16",
    "jax in bf16/ours": "× JAX in bf16",
    "ours in bf16/ours": "× ours in bf16",
    "floor/ours": "share of bare products",
    "floor in bf16/ours": "× ours in fp32 of bare products in bf16",
    "floor in bf16/ours in bf16": "share of bare products in bf16",
    "roof/ours": "share of the roof",
    "jacrev/ours": "× vmap(jacrev)",
    "jax jacrev/ours": "× JAX's vmap(jacrev)",
    "monte carlo, 1 % error/ours": "× Monte Carlo, 1 % error",
    "monte carlo, equal error/ours": "× Monte Carlo, equal error",
    "loop/ours": "× a loop in memory",
    "batches/ours": "× that loop, all points at once",
    "func/ours": "× vmap(jacrev) without checks",
    "1.5 GiB/ours": "1.5 GiB over its peak of memory",
    "one/two": "× one worker",
    "least/most": "least over largest time of an operation",
}
_LETTERS = {"width": "m", "depth": "L", "replicas": "R", "points": "n"}


def spread(line: Mapping[str, Any]) -> str:
    """Return the median of a ratio with the smallest and largest of its repeats."""
    median, low, high = (significant(line[name]) for name in ("median", "min", "max"))
    return f"{median} [{low}, {high}]"


def where(line: Mapping[str, Any]) -> str:
    """Return the settings of a cell in the letters of the paper, in one word that no line breaks."""
    named = [f"{line['module']}, {line['outputs']} outputs"] if "module" in line else []
    named += [f"{letter} = {line[name]:.0f}" for name, letter in _LETTERS.items() if pd.notna(line.get(name))]
    return ", ".join(named).replace(" ", "\u00a0")


def side_by_side(record: dict[str, Any], *, low: bool = False) -> pd.DataFrame:
    """Return one line a cell: our time and the ratios, in words.

    Args:
        record: what was recorded.
        low: the ratios of products in bf16, which have a table of their own, and not the others.
    """
    table = ratios(record)
    table = table[table.ratio.str.contains("bf16") == low]
    table["text"] = [spread(line) for line in table.to_dict("records")]
    table["cell"] = [where(line) for line in table.to_dict("records")]
    own = {where(line): line["median"] for line in times(record).query("contender == 'ours'").to_dict("records")}
    cells = list(dict.fromkeys(table.cell))
    table = table.pivot(index="cell", columns="ratio", values="text").loc[cells, list(dict.fromkeys(table.ratio))]
    table = table.fillna("")  # what was not measured there
    table.insert(0, "ours", [f"{own[cell] * 1e6:,.0f}\u00a0µs" for cell in cells])
    return table.rename(columns=WORDS).rename_axis(columns=None).reset_index()
