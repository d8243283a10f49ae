"""Draw a variant of an assignment for each name of a roster, within what its parameters allow."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np

from assignments.course import alike, checked
from assignments.masters import Master
from book.errors import BookError
from book.files import read_text
from book.parameters import Choices, Interval, Parameter, Value

_DETAILS = ("first_name", "last_name", "email")


def read_roster(path: Path) -> dict[str, dict[str, str]]:
    """Return the students of a CSV file (column `student`), with first_name, last_name and email where it has them."""
    lines = csv.DictReader(io.StringIO(read_text(path, str(path)).removeprefix("\ufeff")))
    try:
        return _roster(lines, path)
    except csv.Error as error:  # such as a quotation mark that never closes
        raise BookError(f"{path} must be a CSV file, and is none after line {lines.line_num} ({error}).") from None


def _roster(lines: csv.DictReader, path: Path) -> dict[str, dict[str, str]]:
    if "student" not in (lines.fieldnames or ()):
        raise BookError(f"{path} needs a column `student`; it has {', '.join(lines.fieldnames or ()) or 'none'}.")
    roster: dict[str, dict[str, str]] = {}
    known: dict[str, str] = {}
    for line in lines:
        name = checked((line["student"] or "").strip())
        if name in roster:
            raise BookError(f"{path} names {name} twice; give each student a name of its own.")
        if (other := known.setdefault(alike(name), name)) != name:  # grading would refuse both, at the end of a term
            raise BookError(f"{path} names {other} and {name}, which may be one folder; give names that differ more.")
        roster[name] = {key: line[key].strip() for key in _DETAILS if line.get(key)}
    if not roster:
        raise BookError(f"{path} names no student.")
    return roster


def draw(master: Master, student: str, secret: str) -> dict[str, Value]:
    """Return a student's values of all parameters; the same secret and name give the same values."""
    digest = hashlib.sha256(f"{secret}\0{master.name}\0variant\0{student}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    return {name: _draw(parameter, random) for name, parameter in master.parameters.items()}


def _draw(parameter: Parameter, random: np.random.Generator) -> Value:
    allowed = parameter.allowed
    if isinstance(allowed, Choices) and not parameter.many:
        return allowed.values[int(random.integers(len(allowed.values)))]
    if isinstance(allowed, Interval) and parameter.kind == "int" and not parameter.many:
        return int(random.integers(int(allowed.low), int(allowed.high) + 1))
    return parameter.default  # lists and real numbers are the class's
