"""A digest a row, in a file beside the store: an edited row is named by file and line.

`results/grid.jsonl.sha256` holds one line a row, its SHA-256 and its key, appended like the row itself. The two files
are committed together, so that the digests tell an edit of the rows, and git one of the digests.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lib.rows.lines import tail, write

_SHOWN = 3


class Findings(NamedTuple):
    """What digests say about a store.

    Attributes:
        altered: one sentence a row that was edited, removed or repeated.
        new: the lines of rows that have no digest yet.
    """

    altered: list[str]
    new: list[int]

    def refuse(self) -> None:
        """Raise ValueError where a row was altered."""
        if self.altered:
            more = len(self.altered) - _SHOWN
            raise ValueError("; ".join(self.altered[:_SHOWN]) + (f"; and {more} more." if more > 0 else "."))


def file_of(store: Path) -> Path:
    """Return the file of a store's digests."""
    return store.with_name(f"{store.name}.sha256")


def compare(store: Path, lines: Iterable[bytes]) -> Findings:
    """Compare the lines of a store with their digests.

    A line without a digest is new, unless a row with its key is told by the digests: then it was edited, or repeats a
    row that went well (the last one of a configuration counts).

    Raises:
        ValueError: the file of the digests is damaged.
    """
    left = Counter(recorded := _recorded(store))
    unknown: list[tuple[int, str]] = []
    well: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        told = (_digest(line), _key(line))
        if left[told] > 0:
            left[told] -= 1
            if b'"failure": null' in line or b'"failure"' not in line:
                well.add(told[1])
        else:
            unknown.append((number, told[1]))
    gone = [told for told in dict.fromkeys(recorded) for _ in range(left[told])]
    by_key: dict[str, list[str]] = defaultdict(list)
    for _, key in gone:
        by_key[key].append(key)
    altered, new = [], []
    for number, key in unknown:
        where = f"store {store}: line {number}"
        if by_key[key]:
            by_key[key].pop()
            altered.append(f"{where} was edited: row {key} has another digest; restore the file from version control")
        elif key in well:
            altered.append(f"{where} repeats row {key}, which went well, and has no digest; delete the line")
        else:
            new.append(number)
    for key in (key for keys in by_key.values() for key in keys):
        # Its line has another key now, or is gone.
        place = f"line {new.pop(0)} was edited: row {key} stood there" if new else f"row {key} was removed"
        altered.append(f"store {store}: {place}; restore the file from version control")
    return Findings(altered, new)


def append(store: Path, line: bytes, key: str) -> None:
    """Write a row's digest; the caller holds the store's lock.

    Raises:
        OSError: it could not be written; the file then holds what it held before.
    """
    _append(store, [(_digest(line), key)])


def seal(store: Path, lines: list[bytes]) -> int:
    """Write the digests of rows that have none, and return their number; the caller holds the store's lock.

    Raises:
        ValueError: a row was altered.
        OSError: they could not be written.
    """
    findings = compare(store, lines)
    findings.refuse()
    _append(store, [(_digest(lines[number - 1]), _key(lines[number - 1])) for number in findings.new])
    return len(findings.new)


def _append(store: Path, told: list[tuple[str, str]]) -> None:
    with open(file_of(store), "a+b", buffering=0) as file:
        end, _ = tail(file)
        file.truncate(end)  # the row of a digest that a kill has torn is a new one
        try:
            write(file, "".join(f"{digest} {key}\n" for digest, key in told).encode())
        except OSError:
            file.truncate(end)
            raise


def _recorded(store: Path) -> list[tuple[str, str]]:
    path = file_of(store)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    for number, line in enumerate(lines, start=1):
        if len(line.partition(" ")[0]) != 64 or not line[65:]:
            raise ValueError(f"digests {path}: line {number} is no digest; restore the file from version control.")
    return [(line[:64], line[65:]) for line in lines]


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _key(line: bytes) -> str:
    """Return the key of a line, from its text where that is as `Store.append` writes it."""
    head = line[:80].split(b'"key": "', 1)
    if len(head) == 2 and b'"' in head[1]:
        return head[1].split(b'"', 1)[0].decode(errors="replace")
    try:
        return str(json.loads(line)["key"])
    except (ValueError, KeyError, TypeError):
        return "?"
