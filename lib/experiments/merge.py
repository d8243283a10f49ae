"""Stores → one store: what several machines have trained, with a report of what does not agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lib.experiments.agreement import after_epochs, allowed, deviation
from lib.experiments.store import Store

_SETTINGS = ("dataset", "scaling", "initializer", "width", "depth", "seed")
_COLUMNS = ("key", *_SETTINGS, "store", "other", "quantity", "epoch", "deviation", "allowed")
# When something was measured is not a measurement.
_MOMENT = ("epoch", "step", "reached")


def merge(stores: Sequence[Store], into: Store) -> pd.DataFrame:
    """Append to a store what it lacks of others, and return what does not agree.

    Rows of one configuration agree where every quantity that both measured at the end of an epoch does: to 1 % on one
    kind of hardware, to 3 % between two, accuracies by their difference. (The moment of a matched loss is left out: it
    jumps by 100 steps.) Of rows that agree the one with the most measurements is kept. A training that went well
    replaces one that failed. **Rows that do not agree are not chosen from**: none of them is appended, and each
    appears in the report.

    Args:
        stores: where rows come from; several rows of a configuration in one store count as its last one.
        into: where they go; rows that are there already stay, and are compared with.

    Returns:
        The conflicts: one line a configuration and other store, with the quantity that deviates most.

    Raises:
        ValueError, OSError: a store cannot be read, or `into` cannot be written; nothing in it is lost.
        FileNotFoundError: a store has no file.
    """
    for store in stores:
        if not store.path.exists():
            raise FileNotFoundError(f"store {store.path} does not exist; give the .jsonl files whose rows to merge.")
    found: dict[str, list[tuple[Store, dict[str, Any]]]] = {}
    for store in (into, *stores):
        for key, row in {row["key"]: row for row in store.rows()}.items():
            found.setdefault(key, []).append((store, row))
    conflicts = []
    for rows in found.values():
        well = [(store, row) for store, row in rows if row.get("failure") is None] or rows[:1]
        differing = [_conflict(*well[0], *other) for other in well[1:]]
        differing = [conflict for conflict in differing if conflict["deviation"] > conflict["allowed"]]
        conflicts += differing
        if not differing and into not in (store for store, _ in well):
            into.append(max((row for _, row in well), key=lambda row: sum(map(len, row["measurements"]))))
    return pd.DataFrame(conflicts, columns=_COLUMNS)


def _conflict(store: Store, row: dict[str, Any], other_store: Store, other: dict[str, Any]) -> dict[str, Any]:
    """Return where two rows of one configuration deviate most."""
    worst = ("", None, 0.0)
    here, there = after_epochs(row), after_epochs(other)
    for epoch in here.keys() & there.keys():
        for name in (here[epoch].keys() & there[epoch].keys()) - set(_MOMENT):
            value = _deviation(name, here[epoch][name], there[epoch][name])
            worst = max(worst, (name, epoch, value), key=lambda found: found[2])
    same = row["provenance"]["hardware"] == other["provenance"]["hardware"]
    quantity, epoch, value = worst
    return {
        "key": row["key"],
        **{name: row["configuration"].get(name) for name in _SETTINGS},
        "store": str(store.path),
        "other": str(other_store.path),
        "quantity": quantity,
        "epoch": epoch,
        "deviation": value,
        "allowed": allowed(one_epoch=False, same_hardware=same),
    }


def _deviation(name: str, one: Any, other: Any) -> float:
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((deviation(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    return deviation(one, other, absolute="accuracy" in name)
