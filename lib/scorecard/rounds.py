"""The verdicts of two rounds by two versions of the rules: counted, and which of round 1 came back on fresh seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from lib.verdicts.published import VERDICTS, published_verdicts
from lib.verdicts.table import waits


class Comeback(NamedTuple):
    """What fresh seeds did to verdicts; only claims that rest on rows are counted, both rounds by version 2.

    Attributes:
        same, other: numbers of the claims whose verdict came back, and of those that have another one now.
        new: numbers of the claims that round 1 could not test.
        waiting: numbers of the claims that round 2 cannot judge yet.
    """

    same: tuple[int, ...]
    other: tuple[int, ...]
    new: tuple[int, ...]
    waiting: tuple[int, ...]


def words_of(claim: Mapping[str, Any]) -> dict[tuple[int, int], str | None]:
    """Return the verdicts of a claim by round and version of the rules; None where a version does not have it."""
    first = claim["first_round"]
    return {
        (1, 1): first["verdict"] if first["rules"] == 1 else None,
        (1, 2): first["version_2"],
        (2, 1): claim["version_1"],
        (2, 2): claim["verdict"],
    }


def counts() -> pd.DataFrame:
    """Return how many claims have each verdict, one line a round and version; the last column counts who waits."""
    lines = []
    for round, rules in ((1, 1), (1, 2), (2, 1), (2, 2)):
        claims = [c for c in published_verdicts().values() if words_of(c)[round, rules] is not None]
        judged = [c for c in claims if round == 1 or not waits(c)]
        words = Counter(words_of(claim)[round, rules] for claim in judged)
        line = {"round": round, "rules": rules} | {word: words[word] for word in VERDICTS}
        lines.append(line | {"not judged yet": len(claims) - len(judged)})
    return pd.DataFrame(lines)


def comeback() -> Comeback:
    """Return which verdicts of round 1 came back in round 2, by version 2 of the rules."""
    claims = [c for c in published_verdicts().values() if c["coverage"]["planned"]]
    judged = {c["number"]: words_of(c) for c in claims if not waits(c)}
    new = tuple(number for number, words in judged.items() if words[1, 2] == "not testable")
    same = tuple(number for number, words in judged.items() if number not in new and words[1, 2] == words[2, 2])
    other = tuple(number for number in judged if number not in (*same, *new))
    return Comeback(same, other, new, tuple(c["number"] for c in claims if waits(c)))


def turned(before: tuple[int, int], after: tuple[int, int]) -> dict[int, tuple[str, str]]:
    """Return the claims whose verdict differs between two pairs of round and version, with both verdicts."""
    found = {n: (words_of(claim)[before], words_of(claim)[after]) for n, claim in published_verdicts().items()}
    return {n: pair for n, pair in found.items() if None not in pair and pair[0] != pair[1]}
