"""Train again what rows say was trained, with its own seeds, and compare."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterable
from typing import Any

import pandas as pd
import torch

from lib.estimators import perturbation_stability
from lib.experiments import hardware
from lib.experiments.agreement import after_epochs, allowed, deviation
from lib.experiments.configuration import Configuration
from lib.experiments.measurement import EPOCHS
from lib.experiments.rows import build, load_data, training_options
from lib.experiments.stacks import stacks
from lib.prose import scientific
from lib.training import Moment, train


class _Enough(Exception):
    """Raised when a replay has reached the epoch that is compared."""


def audit(
    rows: Iterable[dict[str, Any]],
    cells: int = 2,
    seed: int = 0,
    epochs: int = 1,
    root: str | os.PathLike[str] | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Replay cells drawn from rows, with their own seeds, and compare P on the test points with what is stored.

    A replay is the beginning of the stored training: its weights, its batches and its schedule. P may deviate by 10⁻⁴
    (relative) after one epoch and by 1 % after more where the row comes from the same hardware, by 10⁻³ and 3 % where
    it comes from other hardware.

    Args:
        rows: as from `Store.rows`; of several rows of a configuration the last counts, failed ones are left out.
        cells: how many cells (a configuration and all its seeds) to draw; all of them where there are fewer.
        seed: of the draw.
        epochs: 1, 5, 10, 25 or 50 epochs of the paper's 50; a shorter training is replayed to its end, one with the
            "proportional" schedule for as large a part of it.
        root, device: as in `lib.experiments.sweep`.

    Returns:
        One line a replica: its cell and seed, the epoch, P stored and replayed, their deviation, what is allowed, the
        verdict ("agrees" or "deviates"), and the seconds of its replay.

    Raises:
        ValueError: an option is out of range, there is nothing to replay, or a row's key is not its configuration's.

    Used by: chapters that draw published rows.
    """
    for name, value in (("cells", cells), ("epochs", epochs)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if epochs not in EPOCHS:
        raise ValueError(f"epochs must be one of {', '.join(map(str, EPOCHS[1:]))}, which rows report, got {epochs!r}.")
    chosen = _draw(rows, cells, seed)
    return pd.DataFrame([line for stack, stored in chosen for line in _replay(stack, stored, epochs, root, device)])


def audit_of_build(
    rows: Iterable[dict[str, Any]], cells: int = 1, widest: int = 32, seed: int = 0
) -> pd.DataFrame | None:
    """Replay one epoch of cells that a page can afford while it is built; None where their data are not there.

    Args:
        rows, cells, seed: as in `audit`.
        widest: cells up to this width are drawn from; where all are wider, those of the narrowest.

    Raises:
        ValueError: as `audit`.

    Used by: chapters 09 and 93.
    """
    trained = [row for row in rows if "kind" not in row["configuration"] and row.get("failure") is None]
    limit = max(widest, min((row["configuration"]["width"] for row in trained), default=widest))
    try:
        return audit([row for row in trained if row["configuration"]["width"] <= limit], cells, seed)
    except FileNotFoundError:
        return None


def in_words(outcome: pd.DataFrame | None) -> str:
    """Return what `audit_of_build` found as a sentence for a page."""
    if outcome is None:
        return (
            "No row was replayed when this page was built, because the data set was not there; `make data` fetches it, "
            "and the next build replays."
        )
    drawn = outcome[["initializer", "depth", "width", "scaling", "momentum"]].drop_duplicates()
    named = ", ".join(f"{c.initializer}, L = {c.depth}, m = {c.width} ({c.scaling})" for c in drawn.itertuples())
    agreeing = int((outcome["verdict"] == "agrees").sum())
    epoch = ", ".join(str(value) for value in sorted(outcome["epoch"].unique()))
    return (
        f"When this page was built, {len(outcome)} trainings were repeated to epoch {epoch} with their own seeds: "
        f"{named}. "
        f"P of {agreeing} of {len(outcome)} agrees with the published row; the largest relative deviation is "
        f"{scientific(outcome['deviation'].max(), 1)}, where {scientific(outcome['allowed'].min())} is allowed."
    )


def _draw(
    rows: Iterable[dict[str, Any]], count: int, seed: int
) -> list[tuple[list[Configuration], list[dict[str, Any]]]]:
    """Return stacks, with their rows, of so many cells."""
    stored: dict[Configuration, dict[str, Any]] = {}
    for row in {row["key"]: row for row in rows}.values():
        if "kind" in row["configuration"]:
            continue  # another task than a training: nothing here can replay it
        configuration = Configuration(**row["configuration"])
        if configuration.key != row["key"]:
            raise ValueError(f"row {row['key']} was altered: its configuration has the key {configuration.key}.")
        if row.get("failure") is None:
            stored[configuration] = row
    there = sorted({repr(configuration.cell) for configuration in stored})
    if not there:
        raise ValueError("there are no rows of trainings that went well, so that none can be replayed.")
    drawn = set(random.Random(seed).sample(there, min(count, len(there))))
    chosen = stacks(configuration for configuration in stored if repr(configuration.cell) in drawn)
    return [(stack, [stored[configuration] for configuration in stack]) for stack in chosen]


def _replay(
    stack: list[Configuration],
    rows: list[dict[str, Any]],
    epochs: int,
    root: str | os.PathLike[str] | None,
    device: str,
) -> list[dict[str, Any]]:
    first, stored = stack[0], [after_epochs(row) for row in rows]
    stretch = first.epochs / EPOCHS[-1] if first.schedule == "proportional" else 1
    measured = sorted(set.intersection(*(set(measurements) for measurements in stored)) - {0})
    if not measured:
        raise ValueError(f"rows of {first} have no measurement at the end of an epoch that could be compared.")
    last = max((epoch for epoch in measured if epoch <= round(epochs * stretch)), default=measured[0])
    start = time.perf_counter()
    replayed = _stability_after(last, stack, root, device)
    seconds = (time.perf_counter() - start) / len(stack)
    lines = []
    for configuration, row, measurements, value in zip(stack, rows, stored, replayed, strict=True):
        was = measurements[last].get("P")
        same = row["provenance"]["hardware"] == hardware.describe(device)
        deviates, limit = deviation(was, value), allowed(last <= max(1, round(stretch)), same)
        lines.append(
            {
                **configuration.asdict(),
                "epoch": last,
                "stored": was,
                "replayed": value,
                "deviation": deviates,
                "allowed": limit,
                "verdict": "agrees" if deviates <= limit else "deviates",
                "seconds": seconds,
            }
        )
    return lines


def _stability_after(
    epoch: int, stack: list[Configuration], root: str | os.PathLike[str] | None, device: str
) -> list[float | None]:
    """Return P of every replica after an epoch of a training that would go on.

    The training is told its whole length, since a schedule may depend on it, and left when the epoch has ended.
    """
    data = load_data(stack[0], root)
    network = build(stack, data, device)

    def leave(moment: Moment) -> None:
        if moment.epoch == epoch:
            raise _Enough

    with contextlib.suppress(_Enough):
        train(network, data, **training_options(stack[0]), observe=leave)
    x = data.x_test.to(network.weights[0])
    values = perturbation_stability(network, x).mean(dim=1)
    return [float(value) if torch.isfinite(value) else None for value in values]
