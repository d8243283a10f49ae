"""When two trainings of one configuration count as the same result, and stores merged by that rule."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from lib.rows.store import Store

# Largest relative difference of P after one epoch and after more of them, on one kind of device and on another. A
# rounding error grows while a network trains; two seeds differ by much more than this.
_ALLOWED = {("one epoch", True): 1e-4, ("one epoch", False): 1e-3, ("more", True): 1e-2, ("more", False): 3e-2}
# Training losses are looked at every 100 steps, so that on other hardware a matched loss may be seen a look earlier or
# later, or no more before the end; what is measured there is then not quite the same network.
_LOOK, _ALLOWED_NEARBY = 100, 0.3
# What names a moment is no measurement of it.
WHEN = ("epoch", "step", "reached", "share", "common", "time", "width")


class Difference(NamedTuple):
    """One stored value beside the same one of another training.

    Attributes:
        moment: "epoch 10", "loss 0.5", "width 1000", "trace", or "" for the whole row.
        allowed: the largest deviation with which the two agree.
    """

    moment: str
    quantity: str
    stored: Any
    replayed: Any
    deviation: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.deviation <= self.allowed


def allowed(one_epoch: bool, same_hardware: bool) -> float:
    """Return the largest relative deviation of P that two trainings of one configuration may show."""
    return _ALLOWED["one epoch" if one_epoch else "more", same_hardware]


def same_processor(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two provenances tell one kind of hardware: one name and the same instructions.

    A name may be a whole family's. Early rows do not tell the instructions: they are of one kind with each other alone.
    """
    return all(one.get(name) == other.get(name) for name in ("hardware", "instructions"))


def deviation(one: Any, other: Any, absolute: bool = False) -> float:
    """Return |a − b| / max(|a|, |b|), or |a − b|; the largest of lists, and infinity for what cannot be compared.

    What is undefined (None) agrees with nothing but itself, as do truth values and texts.
    """
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((deviation(a, b, absolute) for a, b in zip(one, other, strict=True)), default=0.0)
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in (one, other)):
        return 0.0 if type(one) is type(other) and one == other else math.inf
    return abs(one - other) / (1.0 if absolute else max(abs(one), abs(other)) or 1.0)


def moment(measurement: Mapping[str, Any]) -> str:
    """Return when a measurement was taken, in words that name it among the measurements of its row."""
    reached, share, common = (measurement.get(name) for name in ("reached", "share", "common"))
    if "width" in measurement:
        return f"width {measurement['width']}"
    if isinstance(reached, (int, float)) and not isinstance(reached, bool):
        return f"loss {reached:g}"
    if share is not None or common is not None:
        return f"share {share}, {common}"
    epoch = measurement.get("epoch")
    return f"epoch {epoch:g}" if isinstance(epoch, (int, float)) else f"epoch {epoch!r}"


def names(row: Mapping[str, Any]) -> set[str]:
    """Return the quantities that a row has, at any moment."""
    return {name for measurement in row["measurements"] for name in measurement}


def differences(
    stored: Mapping[str, Any], again: Mapping[str, Any], expected: Collection[str] = (), tight_until: float = 0
) -> list[Difference]:
    """Compare every moment and value of a row with another training of its configuration.

    Values that only the other one has, as an early row lacks later quantities and all matched losses, are not held
    against the row, unless it lacks them at some moment alone, or other rows of its cell have them.

    Args:
        stored: a row.
        again: the row of the other training; it may lack the trace.
        expected: quantities that the row must have.
        tight_until: up to this epoch P has to agree as after one.
    """
    same = same_processor(stored["provenance"], again["provenance"])
    limit, required = allowed(False, same), {*names(stored), *expected}
    failed = [row.get("failure") is not None for row in (stored, again)]
    apart = math.inf if failed[0] != failed[1] else 0.0
    found = [Difference("", "failure", stored.get("failure"), again.get("failure"), apart, limit)]
    end = None if same else min(_last_step(stored), _last_step(again))
    left = {moment(measurement): measurement for measurement in again["measurements"]}
    for measurement in stored["measurements"]:
        when = moment(measurement)
        other = left.pop(when, None)
        if other is None:  # also one that stands there twice
            apart = 0.0 if _at_the_end(measurement, end) else math.inf
            found.append(Difference(when, "moment", measurement.get("epoch"), None, apart, limit))
            continue
        if _reached_by_one(measurement, other, end):
            found.append(Difference(when, "moment", measurement.get("epoch"), other.get("epoch"), 0.0, limit))
            continue
        nearby = not same and _moved(measurement, other)
        for name in {*measurement, *(required & other.keys())}:
            value, replayed = measurement.get(name), other.get(name)
            apart = deviation(value, replayed, absolute="accuracy" in name)
            most = limit
            if nearby and name in ("step", "epoch"):
                apart = 0.0
            elif nearby and name not in WHEN:
                most = _ALLOWED_NEARBY
            elif name == "P" and (other.get("epoch") or 0) <= tight_until:
                most = allowed(True, same)
            # What the other one does not speak of is undefined there, as early rows say of `reached` by None.
            found.append(Difference(when, name, value, replayed, apart, most))
    found += [
        Difference(when, "moment", None, other.get("epoch"), 0.0 if _at_the_end(other, end) else math.inf, limit)
        for when, other in left.items()
        if "reached" in required or not when.startswith("loss")
    ]
    if stored.get("trace") and again.get("trace"):
        for name, series in stored["trace"].items():
            replayed = again["trace"].get(name)
            found.append(Difference("trace", name, None, None, deviation(series, replayed), limit))
    return found


def _moved(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a matched loss was seen a look earlier or later."""
    steps = one.get("step"), other.get("step")
    if not all(isinstance(step, int) for step in steps) or moment(one).startswith("epoch"):
        return False
    return 0 < abs(steps[0] - steps[1]) <= max(_LOOK, 0.03 * max(steps))


def _last_step(row: Mapping[str, Any]) -> float:
    """Return the last step at which something was measured; infinity where none is told."""
    steps = [m["step"] for m in row["measurements"] if isinstance(m.get("step"), int)]
    return max(steps, default=math.inf)


def _at_the_end(measurement: Mapping[str, Any], end: float | None) -> bool:
    """Return whether a matched loss was seen so near the end that other hardware may not see it before (None: it must).

    A loss that is crossed a look before a training is left, one training reaches in time and the other does not.
    """
    step = measurement.get("step")
    if end is None or not isinstance(step, int) or not moment(measurement).startswith("loss"):
        return False
    return abs(end - step) <= max(_LOOK, 0.03 * end)


def _reached_by_one(one: Mapping[str, Any], other: Mapping[str, Any], end: float | None) -> bool:
    """Return whether one of two trainings reached a loss at its very end, and the other one never did."""
    never = [measurement.get("step") is None for measurement in (one, other)]
    return never[0] != never[1] and _at_the_end(one if never[1] else other, end)


_SETTINGS = ("dataset", "scaling", "initializer", "width", "depth", "seed")
_COLUMNS = ("key", *_SETTINGS, "store", "other", "quantity", "moment", "deviation", "allowed")


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
        ValueError, OSError: a store cannot be read, or `into` cannot be written; nothing in it is lost. A row was
            altered (`lib.rows.digests`).
        FileNotFoundError: a store has no file.
    """
    for store in stores:
        if not store.path.exists():
            raise FileNotFoundError(f"store {store.path} does not exist; give the .jsonl files whose rows to merge.")
    found: dict[str, list[tuple[Store, dict[str, Any]]]] = {}
    for store in (into, *stores):
        rows, findings = store.examined()
        findings.refuse()
        for key, row in {row["key"]: row for row in rows}.items():
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
    worst = ("", "", 0.0)
    here, there = ({moment(m): m for m in each["measurements"]} for each in (row, other))
    for when in here.keys() & there.keys():
        if when.startswith("loss"):
            continue
        for name in (here[when].keys() & there[when].keys()) - set(WHEN):
            apart = deviation(here[when][name], there[when][name], absolute="accuracy" in name)
            worst = max(worst, (name, when, apart), key=lambda found: found[2])
    quantity, when, apart = worst
    same = same_processor(row["provenance"], other["provenance"])
    return {
        "key": row["key"],
        **{name: row["configuration"].get(name) for name in _SETTINGS},
        "store": str(store.path),
        "other": str(other_store.path),
        "quantity": quantity,
        "moment": when,
        "deviation": apart,
        "allowed": allowed(one_epoch=False, same_hardware=same),
    }
