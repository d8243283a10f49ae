"""Forged rows: each must be named by its digest and, without the digests, by a whole replay of its cell."""

from __future__ import annotations

import copy
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lib.experiments import Configuration, Store, sweep
from lib.experiments.audit import audit
from lib.experiments.noise_fitting import NoiseFitting
from lib.rows import Task
from lib.rows.digests import file_of

COUNT = 60
Row = dict[str, Any]


def torture(count: int, folder: Path, seed: int, say: Callable[[str], None]) -> list[str]:
    """Forge `count` stores; return a sentence for each forgery that was not named."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)  # a lock of its own: no benchmark is waited for
    try:
        return _torture(count, folder, random.Random(seed), say)
    finally:
        torch.set_num_threads(threads)
        tempfile.tempdir = before


def _torture(count: int, folder: Path, chance: random.Random, say: Callable[[str], None]) -> list[str]:
    honest = Store(folder / "honest.jsonl")
    settings = {"samples": 100, "epochs": 3, "lr": 0.1}
    tasks: list[Task] = [Configuration("digits", "unit", "he", w, 2, s, **settings) for w in (6, 8, 12) for s in (0, 1)]
    sweep([*tasks, *(NoiseFitting(16, 4, 8, 2, s, steps=20) for s in (0, 1))], honest)
    rows = [dict(row) for row in honest.rows()]
    found = []
    for number in range(count):
        name, forge = list(FORGERIES.items())[number % len(FORGERIES)]
        forged = copy.deepcopy(rows)
        changed = forge(forged, chance)
        store = Store(folder / f"forged-{number}.jsonl")
        store.path.write_text("".join(json.dumps(row) + "\n" for row in forged))
        file_of(store.path).write_bytes(file_of(honest.path).read_bytes())
        said = " ".join(store.digests().altered)
        if not all(f"{store.path}: line {place + 1} was edited" in said for place in changed):
            found.append(f"forgery {number} ({name}, rows {changed}): the digests say {said or 'nothing'!r}.")
        cell = _cell(rows[changed[0]])
        try:
            passed = audit([row for row, own in zip(forged, rows, strict=True) if _cell(own) == cell]).deviating == 0
        except ValueError as error:  # a row whose key is another configuration's
            passed = "was altered" not in str(error)
        if passed:
            found.append(f"forgery {number} ({name}, rows {changed}): a replay of its cell agrees.")
        say(f"forgeries {number + 1}/{count}, {len(found)} not named")
    return found


def _cell(row: Row) -> str:
    return repr(Task.of(row["configuration"]).cell)


def _numbers(row: Row) -> list[tuple[int, str]]:
    """Return where a row has values that a factor changes."""
    return [
        (place, name)
        for place, measurement in enumerate(row["measurements"])
        for name, value in measurement.items()
        if isinstance(value, float) and value and name not in ("epoch", "reached")
    ]


def _change(row: Row, place: int, name: str, factor: float) -> None:
    value = row["measurements"][place][name]
    # By more than an accuracy may deviate, and never beyond 1.
    row["measurements"][place][name] = (
        (value + 0.2 if value < 0.5 else value - 0.2) if "accuracy" in name else value * factor
    )


def _one_cell(rows: list[Row], chance: random.Random) -> list[int]:
    cell, factor = _cell(chance.choice(rows)), chance.choice([0.5, 0.9, 1.1, 2])
    changed = [place for place, row in enumerate(rows) if _cell(row) == cell]
    for place in changed:
        for at, name in _numbers(rows[place]):
            _change(rows[place], at, name, factor)
    return changed


def _one_column(rows: list[Row], chance: random.Random) -> list[int]:
    place, factor = chance.randrange(len(rows)), chance.choice([0.5, 0.9, 1.1, 2])
    column = chance.choice(sorted({name for _, name in _numbers(rows[place])}))
    for at, name in _numbers(rows[place]):
        if name == column:
            _change(rows[place], at, name, factor)
    return [place]


def _one_moment(rows: list[Row], chance: random.Random) -> list[int]:
    place = chance.randrange(len(rows))
    at = chance.choice(sorted({at for at, _ in _numbers(rows[place])}))
    if chance.random() < 0.3:
        del rows[place]["measurements"][at]
    else:
        at, name = chance.choice([found for found in _numbers(rows[place]) if found[0] == at])
        _change(rows[place], at, name, chance.choice([0.5, 0.9, 1.1, 2]))
    return [place]


def _one_key(rows: list[Row], chance: random.Random) -> list[int]:
    place = chance.randrange(len(rows))
    rows[place]["key"] = f"{chance.getrandbits(64):016x}"
    return [place]


def _one_file(rows: list[Row], chance: random.Random) -> list[int]:
    factor = chance.choice([0.5, 0.9, 1.1, 2])
    for row in rows:
        for at, name in _numbers(row):
            _change(row, at, name, factor)
    return list(range(len(rows)))


FORGERIES = {"cell": _one_cell, "column": _one_column, "moment": _one_moment, "key": _one_key, "file": _one_file}
