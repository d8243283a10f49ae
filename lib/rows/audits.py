"""What became of published rows that were computed again: results/audits.csv, one line a row and audit, appended.

A row **passes** where every value that was compared deviates by no more than the tolerance. It **fails** where one does
on the same kind of processor, or on any once the whole row was computed again. Where only the beginning was, on another
kind, rounding alone can move a narrow deep network as far: that is **inconclusive**, and a whole replay decides.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lib.rows.lines import mend_tail, tail, write
from lib.rows.published import RESULTS

PATH = RESULTS / "audits.csv"
OUTCOMES = ("pass", "fail", "inconclusive")


class Audited(NamedTuple):
    """One row, computed again.

    Attributes:
        key: the row's.
        experiment: whose published rows it is among.
        date: "2026-01-31".
        outcome: of `OUTCOMES`.
        tolerance: the largest deviation with which the value that deviates most, beside its tolerance, agrees.
        deviation: of that value; infinity where one of the two has none there.
        value: its name and moment; empty where nothing deviates.
        compared: values that were.
        unseen: values of later moments, which were not.
        processor: that computed the row again.
    """

    key: str
    experiment: str
    date: str
    outcome: str
    tolerance: float
    deviation: float
    value: str
    compared: int
    unseen: int
    processor: str


def outcome(agrees: bool, same_processor: bool, whole: bool) -> str:
    """Return what the replay of a row says of it."""
    return "pass" if agrees else "fail" if same_processor or whole else "inconclusive"


def append(audited: Iterable[Audited], path: Path = PATH) -> None:
    """Append outcomes to a file, which begins with the names of its columns.

    Raises:
        OSError: it cannot be written; it then holds what it held before.
    """
    with open(path, "a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end, separator = mend_tail(file, _complete)
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if not end:
            lines.writerow(Audited._fields)
        lines.writerows(
            one._replace(tolerance=f"{one.tolerance:g}", deviation=f"{one.deviation:.2g}") for one in audited
        )
        try:
            write(file, separator + text.getvalue().encode())
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def last(path: Path = PATH) -> dict[str, Audited]:
    """Return the last outcome of each row that was ever audited, by its key.

    A torn last line, which the next `append` replaces, is reported and left out.

    Raises:
        ValueError: a line is no outcome.
    """
    try:
        with open(path, "rb") as file:
            end, after = tail(file)
            file.seek(0)
            content = file.read(end)
    except FileNotFoundError:
        return {}
    if _complete(after):
        content += after
    elif after:
        warnings.warn(f"audits {path}: the last line is torn (a killed writer) and was left out.", stacklevel=2)
    try:
        lines = list(_lines(content))
    except csv.Error as error:
        raise ValueError(f"audits {path} is no table ({error}); restore the file from version control.") from None
    found: dict[str, Audited] = {}
    for number, line in enumerate(lines, start=1):
        if number > 1:
            audited = _parsed(line, f"audits {path}: line {number}")
            found.pop(audited.key, None)  # in the order of the last audits
            found[audited.key] = audited
        elif tuple(line) != Audited._fields:
            raise ValueError(f"audits {path}: its columns must be {', '.join(Audited._fields)}; restore the file.")
    return found


def _lines(content: bytes) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), strict=True)


def _complete(line: bytes) -> bool:
    """Return whether a last line without its newline is an outcome all the same: an editor may have dropped that."""
    try:
        (columns,) = _lines(line)
        _parsed(columns, "the last line")
    except (ValueError, csv.Error):  # torn within a number, or within quotes
        return False
    return True


def _parsed(line: list[str], where: str) -> Audited:
    try:
        key, experiment, date, word, tolerance, deviation, value, compared, unseen, processor = line
        numbers = float(tolerance), float(deviation), value, int(compared), int(unseen)
        if not key or word not in OUTCOMES:
            raise ValueError
    except ValueError:
        raise ValueError(f"{where} is no outcome of an audit; restore the file from version control.") from None
    return Audited(key, experiment, date, word, *numbers, processor)
