"""The rows behind each claim as tables: what identifies a network, and the values that the tests took from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.verdicts.archive import measured
from lib.verdicts.cells import Cells, read
from lib.verdicts.claims import Claim
from lib.verdicts.published import published_verdicts
from lib.verdicts.register import PATHS
from lib.verdicts.register import read as read_register
from lib.verdicts.table import standing

# What identifies a network to a reader, also where all rows of a claim agree.
_ALWAYS = ("key", "initializer", "depth", "width", "seed")


def rows_of_claims() -> dict[int, pd.DataFrame]:
    """Return the rows of each claim that has any: one line a network, for the verdict that stands.

    The columns are the key of the row, the settings in which the claim's rows differ, the seed, and each measurement
    of the claim's tests at its moment, "P at epoch_50".

    Raises:
        FileNotFoundError: no verdicts have been made.
        ValueError: a row cannot be used.
    """
    pools = read()
    places = {kind: _places(cells) for kind, cells in pools.items()}
    registers = {version: read_register(version) for version in PATHS}
    found = {}
    for number, published in published_verdicts().items():
        judged = standing(published).judgement
        claim = registers[judged["rules"]].claims.get(number) if judged["rows"] else None
        if claim is not None:
            found[number] = _table(claim, judged, pools, places)
    return found


def _places(cells: Cells) -> dict[str, list[tuple[int, int]]]:
    """Return where each row's networks are; one row may hold several."""
    found: dict[str, list[tuple[int, int]]] = {}
    for cell, seed in np.argwhere(cells.there).tolist():
        found.setdefault(str(cells.keys[cell, seed]), []).append((cell, seed))
    return found


def _table(
    claim: Claim,
    judged: Mapping[str, Any],
    pools: Mapping[str, Cells],
    places: Mapping[str, Mapping[str, list[tuple[int, int]]]],
) -> pd.DataFrame:
    parts, measurements = [], set()
    for kind, cells in pools.items():
        at = [(key, *place) for key in judged["rows"] for place in places[kind].get(key, ())]
        if not at:
            continue
        keys, rows, columns = (np.array(part) for part in zip(*at, strict=True))
        part = {"key": keys} | {name: values[rows] for name, values in cells.factors.items()}
        part["seed"] = cells.seeds[columns]
        for test in claim.tests:
            for column in (test.column, test.versus):
                if test.computation is None and column is not None:
                    name = column if test.moment == "all" else f"{column} at {test.moment}"
                    measurements.add(name)
                    part[name] = measured(cells, column, test.moment)[rows, columns]
        parts.append(pd.DataFrame(part))
    table = pd.concat(parts, ignore_index=True)
    alike = [name for name in table if table[name].nunique(dropna=False) == 1 and name not in measurements]
    return table.drop(columns=[name for name in alike if name not in _ALWAYS])
