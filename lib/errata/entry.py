"""What became of one entry of the errata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

KINDS = {
    "slip": "{} are slips",
    "one is right": "in {} one statement is right",
    "both stand": "in {} both can stand",
    "wording": "in {} the wording goes beyond its source",
    "neither": "in {} our rows show neither",
    "undecided": "{} is undecided",
    "open": "{} are open with these parameters",
}


class Entry(NamedTuple):
    """The outcome of an entry, with what its page shows.

    Attributes:
        kind: one of `KINDS`.
        outcome: the outcome in words, with formulas in dollars.
        texts: numbers for the prose, by name.
        table: what decides, for the page.
    """

    kind: str
    outcome: str
    texts: Mapping[str, str] = MappingProxyType({})
    table: pd.DataFrame | None = None

    def unless(self, holds: bool) -> Entry:
        """Return the entry, or one that is open where the computation of this run does not support it."""
        return self if holds else self._replace(kind="open", outcome="not settled with these parameters")


def summary(entries: Iterable[Entry]) -> str:
    """Return one sentence that counts the entries by kind."""
    kinds = Counter(entry.kind for entry in entries)
    parts = [text.format(kinds[kind]) for kind, text in KINDS.items() if kinds[kind]]
    sentence = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return sentence[0].upper() + sentence[1:]
