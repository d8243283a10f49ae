"""Compute again what rows say was computed, with their own seeds, and compare every value. Chance draws the cells."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import lib.experiments.plan  # noqa: F401 - defines all kinds of tasks
from lib import checks, products
from lib.prose import scientific
from lib.rows import RESULTS, Task, audits, stacks
from lib.rows.agreement import differences, moment, names, same_processor
from lib.rows.audits import Audited
from lib.sweeps.computing import train_stack
from lib.sweeps.executors import check_device
from lib.sweeps.progress import Progress

# What a page can afford while it is built: cells that take so many seconds are repeated whole.
_AFFORDED = 5.0
# What killed the process that computed it would kill this one.
_DEADLY = ("KilledWorker", "WorkerDied")

Row = Mapping[str, Any]
Cell = list[tuple[Task, Row]]  # each row with the task that it answers


@dataclass(frozen=True)
class Audit:
    """What replays found.

    Attributes:
        lines: one line a row: its key, its `training` in words and its settings, where it deviates most (moment,
            quantity, stored, replayed, deviation, allowed), the verdict ("agrees" or "deviates"), the processor of the
            replay and whether the row was made on the `same` kind, how many of its values were compared and how many of
            them were not (`unseen`), and the seconds of its replay.
        seed: of the draw.
        cells: how many there are.
        chances: of each of them to be drawn.
    """

    lines: pd.DataFrame
    seed: int
    cells: int
    chances: tuple[float, ...]

    @property
    def deviating(self) -> int:
        """Return how many rows deviate."""
        return int((self.lines["verdict"] != "agrees").sum())

    @property
    def passing(self) -> tuple[float, float]:
        """Return the probability that a forgery of one cell passes: of the cell drawn most often, and of the rarest."""
        undrawn = 1.0 if len(self.chances) < self.cells else 1 - min(self.chances)
        return 1 - max(self.chances), undrawn


def audit(
    rows: Iterable[Mapping[str, Any]],
    cells: int = 2,
    seed: int | None = None,
    epochs: int | None = None,
    root: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    weights: Mapping[str, float] | None = None,
) -> Audit:
    """Replay cells drawn from rows, with their own seeds, and compare every stored value.

    A replay takes the row's weights, batches, schedule, threads and routes of products. Values may deviate by 1 %
    (relative; accuracies by their difference) on the same hardware and by 3 % on other, P after one epoch by 10⁻⁴ and
    10⁻³ (`lib.rows.agreement`).

    Args:
        rows: as from `Store.rows`. Every row of a drawn cell is compared, several of one configuration too; a failure
            must fail again.
        cells: how many cells (a configuration and all its seeds) to draw; all of them where there are fewer.
        seed: of the draw; None takes the date.
        epochs: compare only the measurements of the first 1, 5, 10, 25 or 50 of the paper's 50 epochs (as large a part
            of a "proportional" schedule); None compares all. What cannot be left half-way is computed whole.
        root: the data root.
        device: the torch device.
        weights: by the key of a row, how much it decides (`lib.experiments.audit.decisions`): a cell is drawn in
            proportion to 1 + the largest of its rows.

    Raises:
        ValueError: an option is out of range, there is nothing to replay, or a row's key is not its configuration's.
    """
    check_device(device, local=True)
    if epochs is not None:
        checks.one_of((1, 5, 10, 25, 50), epochs=epochs)
    return _audit(_cells(rows), cells, seed, lambda cell: _until(cell, epochs), root, device, weights)


def audit_of_build(
    rows: Iterable[Mapping[str, Any]],
    cells: int = 1,
    widest: int = 32,
    seed: int | None = None,
    weights: Mapping[str, float] | None = None,
) -> Audit | None:
    """Replay cells that a page can afford while it is built; None where their data are not there.

    Cells that took a few seconds are replayed whole, others for one epoch; of trainings wider than `widest`, and of
    other tasks that take longer, none is drawn.

    Args:
        rows: as in `audit`.
        cells: as there.
        seed: as there.
        weights: as there.
        widest: where all trainings are wider, the narrowest are drawn from.

    Raises:
        ValueError: as `audit`.
    """
    found = _cells(rows)
    trained = [cell[0][0].width for cell in found if not cell[0][0].kind]
    limit = max(widest, min(trained, default=widest))
    whole = {id(cell) for cell in found if _seconds(cell) <= _AFFORDED}
    afforded = [cell for cell in found if id(cell) in whole or (not cell[0][0].kind and cell[0][0].width <= limit)]
    try:
        until = lambda cell: None if id(cell) in whole else _until(cell, 1)  # noqa: E731
        return _audit(afforded, cells, seed, until, weights=weights, of=len(found))
    except FileNotFoundError:
        return None


def _size(deviation: float) -> str:
    """Return a deviation as text; what one of the two alone has deviates without bound."""
    return scientific(deviation, 1) if math.isfinite(deviation) else "unbounded (one of the two has no value there)"


def in_words(outcome: Audit | None) -> str:
    """Return what `audit_of_build` found as sentences for a page."""
    if outcome is None:
        return (
            "No row was replayed when this page was built, because the data set was not there; `make data` fetches it, "
            "and the next build replays."
        )
    lines, (least, most) = outcome.lines, outcome.passing
    named = "; ".join(dict.fromkeys(lines["training"]))
    unseen = int(lines["unseen"].sum())
    left = f" The other {unseen:,} values of these rows, of later moments, were not looked at." if unseen else ""
    chance = f"{most:.3f}" if f"{least:.3f}" == f"{most:.3f}" else f"{least:.3f} to {most:.3f}"
    agree, largest, allowed = (
        len(lines) - outcome.deviating,
        _size(float(lines["deviation"].max())),
        scientific(float(lines["allowed"][lines["allowed"] > 0].min())),
    )
    return (
        f"When this page was built, {len(lines)} rows were computed again with their own seeds: {named}. "
        f"{agree} of {len(lines)} agree with what is published, in {int(lines['compared'].sum()):,} values; the "
        f"largest relative deviation is {largest}, where {allowed} is allowed at the least.{left} Seed {outcome.seed} "
        f"drew {lines['cell'].nunique()} of {outcome.cells:,} cells: a forgery of one cell passes such a replay with "
        f"probability {chance}; its digest tells it all the same."
    )


def outcomes(found: Audit, experiments: Mapping[str, str]) -> list[Audited]:
    """Return an audit as the lines that are published of it, one a row; of equal keys the one that deviates comes last.

    Args:
        found: the audit.
        experiments: by the key of a row, the experiment that it is published with.
    """
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return [
        Audited(
            line["key"],
            experiments[line["key"]],
            date,
            audits.outcome(line["verdict"] == "agrees", line["same"], not line["unseen"]),
            float(line["allowed"]),
            float(line["deviation"]),
            " at ".join(filter(None, (line["quantity"], line["moment"]))) if line["deviation"] else "",
            int(line["compared"]),
            int(line["unseen"]),
            line["processor"],
        )
        for line in found.lines.sort_values("verdict", kind="stable").to_dict("records")
    ]


def _cells(rows: Iterable[Row]) -> list[Cell]:
    """Return the cells of rows; a failure that went well later is left out, and what would end this process too."""
    by_key: dict[str, Cell] = {}
    for row in rows:
        where = getattr(row, "where", f"row {row['key']}")
        try:
            task = Task.of(row["configuration"])
        except ValueError as error:
            raise ValueError(f"{where}: {error} Restore the file or delete the line.") from None
        if task.key != row["key"]:
            raise ValueError(f"{where} was altered: its key is {row['key']}, its configuration has the key {task.key}.")
        by_key.setdefault(task.key, []).append((task, row))
    found: dict[str, Cell] = {}
    for same in by_key.values():
        well = [(task, row) for task, row in same if row.get("failure") is None]
        counted = well or [(task, row) for task, row in same[-1:] if not row["failure"].startswith(_DEADLY)]
        for task, row in counted:
            found.setdefault(repr((task.kind, task.cell)), []).append((task, row))
    if not found:
        raise ValueError("there are no rows, so that none can be replayed.")
    return [found[name] for name in sorted(found)]


def _seconds(cell: Cell) -> float:
    """Return what a cell took when it was computed."""
    return sum(row["provenance"].get("seconds") or 0.0 for _, row in cell)


def _until(cell: Cell, epochs: int | None) -> int | None:
    """Return the epoch at which a training is left; None computes it whole, as all other tasks are."""
    task = cell[0][0]
    if epochs is None or task.kind:
        return None
    whole = [m for _, row in cell for m in row["measurements"] if moment(m).startswith("epoch ") and _timed(m)]
    ends = {end for m in whole if (end := int(m["epoch"])) > 0}
    last = max((end for end in ends if end <= round(epochs * _stretch(task))), default=min(ends, default=task.epochs))
    return None if last >= task.epochs else last


def _stretch(task: Task) -> float:
    """Return how much longer than the paper's a training is, where its schedule is stretched with it."""
    return task.epochs / 50 if not task.kind and task.schedule == "proportional" else 1


def _audit(
    cells: list[Cell],
    count: int,
    seed: int | None,
    until: Callable[[Cell], int | None],
    root: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    weights: Mapping[str, float] | None = None,
    of: int | None = None,
) -> Audit:
    checks.integers(cells=count)
    seed = int(time.strftime("%Y%m%d", time.gmtime())) if seed is None else seed
    weigh = weights or {}
    found = chances([1 + max(weigh.get(row["key"], 0) for _, row in cell) for cell in cells], count)
    drawn = [cells[place] for place in draw(found, seed)]
    progress = Progress([_seconds(cell) or 1.0 for cell in drawn])
    lines = []
    for number, cell in enumerate(drawn):
        for stack in stacks({task: None for task, _ in cell}):
            rows = [(task, row) for task, row in cell if task in stack]
            lines += [
                {"cell": number, **line} for line in _replay(stack, rows, until(cell), _required(cell), root, device)
            ]
        progress.advance(_seconds(cell) or 1.0)
    return Audit(pd.DataFrame(lines), seed, of or len(cells), tuple(found))


def _required(cell: Cell) -> dict[int | None, set[str]]:
    """Return by schema (None: not stored yet) what a row of a cell must have: what others of its schema have."""
    found: dict[int | None, set[str]] = {}
    for _, row in cell:
        found.setdefault(row.get("schema"), set()).update(names(row))
    return found


def _replay(
    stack: list[Task],
    rows: Cell,
    until: int | None,
    required: Mapping[int | None, set[str]],
    root: str | os.PathLike[str] | None,
    device: str,
) -> list[dict[str, Any]]:
    start, threads = time.perf_counter(), torch.get_num_threads()
    made = rows[0][1]["provenance"]
    try:
        with products.using(products.Routes.of_description(made.get("routes"))):
            replayed = train_stack(stack, device, root, made.get("threads") or None, until=until)
    finally:
        torch.set_num_threads(threads)
    again = dict(zip(stack, replayed, strict=True))
    lines = []
    for task, row in rows:
        seen = row if until is None else {**row, "trace": None, "measurements": _first(row, until)}
        found = differences(seen, again[task], required[row.get("schema")], tight_until=max(1, round(_stretch(task))))
        worst = max(found, key=lambda each: (not each.agrees, each.deviation / (each.allowed or 1)))
        lines.append(
            {
                "key": task.key,
                "training": _words(task),
                **task.asdict(),
                **worst._asdict(),
                "verdict": "agrees" if all(each.agrees for each in found) else "deviates",
                "processor": _processor(again[task]["provenance"]),
                "same": same_processor(row["provenance"], again[task]["provenance"]),
                "compared": len(found),
                "unseen": _values(row) - _values(seen),
                "seconds": (time.perf_counter() - start) / len(rows),
            }
        )
    return lines


def _processor(provenance: Row) -> str:
    return f"{provenance['hardware']} ({', '.join(provenance['instructions'] or ['a GPU'])})"


def _first(row: Row, until: int) -> list[Row]:
    """Return the measurements up to the end of an epoch, and what tells none where it must: no training has that."""
    return [
        m
        for m in row["measurements"]
        if (m["epoch"] <= until if _timed(m) else m.get("epoch") is not None or moment(m).startswith("epoch "))
    ]


def _timed(measurement: Row) -> bool:
    """Return whether a measurement tells the epoch of its moment, as one at a loss that was never reached does not."""
    return isinstance(measurement.get("epoch"), (int, float))


def _values(row: Row) -> int:
    return sum(map(len, row["measurements"])) + len(row.get("trace") or ())


def _words(task: Task) -> str:
    """Return a task's settings that have no default or another value, but the seed: "mnist, raw, he, width 16, ..."."""
    said = [task.kind] if task.kind else []
    for field in dataclasses.fields(task):
        value = getattr(task, field.name)
        if field.name != "seed" and value != field.default:
            said.append(value if isinstance(value, str) else f"{field.name.replace('_', ' ')} {value}")
    return ", ".join(said)


def chances(weights: Sequence[float], count: int) -> list[float]:
    """Return the chance of each to be among `count` drawn ones: proportional to its weight, and at most 1.

    Args:
        weights: positive.
        count: how many are drawn.
    """
    found = [0.0] * len(weights)
    left, places = count, set(range(len(weights)))
    while places and left > 0:
        total = sum(weights[i] for i in places)
        certain = {i for i in places if left * weights[i] >= total}
        if not certain:
            for i in places:
                found[i] = left * weights[i] / total
            break
        for i in certain:
            found[i] = 1.0
        left, places = left - len(certain), places - certain
    return found


def draw(chances: Sequence[float], seed: int) -> list[int]:
    """Return the places that are drawn, each with its chance exactly: systematic sampling of a shuffled list."""
    generator = random.Random(seed)
    order = list(range(len(chances)))
    generator.shuffle(order)
    mark, passed, drawn = generator.random(), 0.0, []
    for place in order:
        passed += chances[place]
        if passed > mark + 1e-9:
            drawn.append(place)
            mark += 1
    return sorted(drawn)


def decisions(folder: Path = RESULTS) -> Counter[str]:
    """Return, for each key of a row, how many entries of a folder's verdicts rest on it; nothing without any."""
    counted: Counter[str] = Counter()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            rows = value.get("rows")
            if isinstance(rows, list):
                counted.update({key for key in rows if isinstance(key, str)})
            value = list(value.values())
        if isinstance(value, list):
            for entry in value:
                look(entry)

    for path in (folder / "verdicts.json", folder / "verdict-details.json"):
        if path.exists():
            look(json.loads(path.read_bytes()))
    return counted
