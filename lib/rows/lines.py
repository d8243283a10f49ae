"""The lines of a store: what one must hold to be a row, and how a file ends that is only appended to."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import NoneType
from typing import IO, Any, NoReturn

# 2: a row has a "trace" (None where no training was followed), and its provenance tells routes; 1: it lacks both.
SCHEMA = 2
_BLOCK = 2**16
_NUMBERS, _TEXTS = ("seconds", "cpu_seconds", "stacked", "threads"), ("hardware", "date")


class Row(dict[str, Any]):
    """A row, and `where` it was read: "store results/grid.jsonl: line 3"."""

    where: str


def parse(line: bytes, where: str) -> Row:
    """Return the row of a line of a store.

    Raises:
        ValueError: it is none, or one of a newer version of this library; the sentence begins with `where`.
    """
    try:
        try:
            content = _loads(line)
        except ValueError:
            content = _strict(line)  # says what is wrong
        row, wrong = Row(content if isinstance(content, dict) else ()), defect(content)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        row, wrong = Row(), "it is no JSON"
    except ValueError as error:
        row, wrong = Row(), str(error)
    if isinstance(schema := row.get("schema"), int) and schema > SCHEMA:  # which may have other parts
        raise ValueError(f"{where} has schema {schema}, newer than this library's {SCHEMA}; update the library.")
    if wrong:
        raise ValueError(f"{where} is not a row ({wrong}); restore the file or delete the line.")
    row.where = where
    return row


def defect(row: Mapping[str, Any]) -> str | None:
    """Return what a mapping lacks to be a row, such as "configuration must be an object, got None"; None if nothing."""
    if not isinstance(row, dict):
        return "it is no object"
    get = row.get
    if type(get("schema")) is not int:
        return f"schema must be an integer, got {get('schema')!r}"
    if type(key := get("key")) is not str or not key:
        return f"key must be a text, got {key!r}"
    if not isinstance(get("configuration"), dict):
        return f"configuration must be an object, got {get('configuration')!r}"
    if not isinstance(provenance := get("provenance"), dict):
        return f"provenance must be an object, got {provenance!r}"
    measurements = get("measurements")
    if not isinstance(measurements, list) or not {dict}.issuperset(map(type, measurements)):
        return f"measurements must be a list of objects, got {repr(measurements)[:80]}"
    if not isinstance(get("failure"), (str, NoneType)):
        return f"failure must be a text or null, got {row['failure']!r}"
    said = provenance.get
    for name in _NUMBERS:
        if not isinstance(value := said(name), (float, int, NoneType)):
            return f"{name} of the provenance must be a number or null, got {value!r}"
    for name in _TEXTS:
        if not isinstance(value := said(name), (str, NoneType)):
            return f"{name} of the provenance must be a text or null, got {value!r}"
    return None


def tail(file: IO[bytes]) -> tuple[int, bytes]:
    """Return where the last whole line of a file ends, and what stands after it."""
    start = end = file.seek(0, os.SEEK_END)
    after = b""
    while start and b"\n" not in after:
        start = max(0, start - _BLOCK)
        file.seek(start)
        after = file.read(end - len(after) - start) + after
    after = after[after.rfind(b"\n") + 1 :]
    return end - len(after), after


def mend_tail(file: IO[bytes], complete: Callable[[bytes], bool]) -> tuple[int, bytes]:
    """Drop a torn last line; return where the next one begins and what must be written before it.

    That is a newline where a complete last line lacks its own. It is written with the next line, so that a failed write
    can go back to the bytes that were there.
    """
    end, last = tail(file)
    if last and complete(last):
        return end + len(last), b"\n"
    if last:
        file.truncate(end)
    return end, b""


def write(file: IO[bytes], content: bytes) -> None:
    """Write all of it: a file without a buffer may take a part."""
    while content:
        content = content[file.write(content) :]


def sync_folder(file: Path) -> None:
    """Wait until a new file's name is on the disk: syncing the file alone does not keep it."""
    with contextlib.suppress(OSError):  # some file systems sync no folders
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _refuse(token: str) -> NoReturn:
    raise ValueError(f"it holds the number {token}; what is undefined is null")


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


_strict = partial(json.loads, parse_constant=_refuse, parse_float=_number)
try:
    # Five times as fast, and as strict, where it is installed.
    from orjson import loads as _loads
except ImportError:
    _loads = _strict
