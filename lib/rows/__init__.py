"""Rows on disk, and the tasks that they answer. Reading them needs pandas alone: no torch is imported here."""

from lib.rows.published import RESULTS, published
from lib.rows.rounds import ROUNDS, SEEDS, in_round, round_of, seeds
from lib.rows.store import Store
from lib.rows.task import Conditions, Outcome, Task, never_reached, stacks

__all__ = [
    "RESULTS",
    "ROUNDS",
    "SEEDS",
    "Conditions",
    "Outcome",
    "Store",
    "Task",
    "in_round",
    "never_reached",
    "published",
    "round_of",
    "seeds",
    "stacks",
]
