"""The rounds of evidence: which seeds each of them uses, and the round that a row belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pandas as pd

ROUNDS = (1, 2)
# For each kind of task, the seeds of the rounds; the kind of a training is empty. No two rounds share a seed. Round 0
# is the pilot, which decides nothing: what decides must not have been seen when its rule was written.
SEEDS: dict[str, dict[int, range]] = {
    "": {0: range(3), 1: range(3, 8), 2: range(8, 16)},
    "early-training": {1: range(3, 8), 2: range(8, 13)},
    "width-scan": {1: range(3, 10), 2: range(10, 17)},
    "noise-fitting": {1: range(3, 8), 2: range(8, 13)},
    "initial-law": {1: range(20), 2: range(20, 40)},
    "untrained-network": {1: range(3, 23), 2: range(23, 43)},
    # Planned after round 1.
    "convolutional": {2: range(8, 13)},
    "adversarial": {2: range(8, 13)},
    "width-adjusted": {2: range(8, 13)},
}

Rows = TypeVar("Rows", "list[dict[str, Any]]", "pd.DataFrame")


def seeds(kind: str, round: int, count: int | None = None) -> range:
    """Return the seeds of a round for tasks of a kind, all of them or the first `count`.

    Raises:
        ValueError: no seeds are set apart for the kind in this round, or they are fewer than `count`.
    """
    there = SEEDS.get(kind, {}).get(round)
    if there is None:
        raise ValueError(f"round must be one that has seeds for {kind or 'trainings'}, got {round!r}.")
    if count is not None and count > len(there):
        raise ValueError(f"count must be at most {len(there)}, the seeds of round {round}, got {count!r}.")
    return there[:count]


def round_of(configuration: Mapping[str, Any]) -> int | None:
    """Return the round whose seeds hold a row's "configuration"; None where none does."""
    kind = configuration.get("kind", "")
    rounds = SEEDS.get(kind if isinstance(kind, str) else "", {})
    return next((number for number, there in rounds.items() if configuration["seed"] in there), None)


def in_round(rows: Rows, *rounds: int) -> Rows:
    """Return the rows of some rounds.

    Args:
        rows: a list as from `Store.rows`, or a frame as from `Store.frame`, whose settings are columns.
        rounds: 1, 2; 0 is the pilot.
    """
    if isinstance(rows, list):
        return [row for row in rows if round_of(row["configuration"]) in rounds]
    settings = rows[["kind", "seed"]] if "kind" in rows else rows[["seed"]]
    return rows[[round_of(line) in rounds for line in settings.to_dict("records")]]
