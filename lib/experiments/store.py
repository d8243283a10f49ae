"""Rows on disk: JSON lines, one a trained replica, appended so that a kill or a second writer loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pandas as pd

SCHEMA = 1


class Store:
    """Keep rows in a JSON-lines file.

    A row is {"schema", "key", "configuration", "measurements", "failure", "provenance"}. Appending writes one line
    under a lock and waits until it is on the disk. A line torn by a kill is not a row: it is reported, and the next
    append replaces it.

    Args:
        path: the file; it may not exist yet, its folder must.

    Raises:
        ValueError: a line is not a row, or was written by a newer version of this library.

    Used by: chapters 06 to 12.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows, in the order in which they were appended."""
        return list(self._read())

    def keys(self, failed: bool = True) -> set[str]:
        """Return the keys of the configurations that have a row; without `failed`, one of a training that went well."""
        return {row["key"] for row in self._read() if failed or row.get("failure") is None}

    def frame(self) -> pd.DataFrame:
        """Return a tidy frame: one line a measurement, with its configuration and provenance beside it.

        A configuration that has several rows (tried again after a failure, trained by two sweeps at once) counts
        once, by its last one: two lines of one seed would pass for two seeds.
        """
        lines = []
        for row in {row["key"]: row for row in self._read()}.values():
            lines += [
                {
                    "key": row["key"],
                    **row["configuration"],
                    **row["provenance"],
                    "failure": row.get("failure"),
                    **measurement,
                }
                for measurement in row["measurements"]
            ]
        return pd.DataFrame(lines)

    def append(self, row: dict[str, Any]) -> None:
        """Append one row and return when it is on the disk.

        Raises:
            ValueError: the row holds a value that JSON cannot (NaN and infinity included: write None).
            OSError: the file cannot be written; it then holds what it held before.
        """
        try:
            line = json.dumps({"schema": SCHEMA, **row}, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"row {row.get('key')} cannot be stored: {error}; write None for what is undefined."
            ) from None
        try:
            # Unbuffered: after a failed write a buffer would be written again when the file is closed.
            with open(self.path, "a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                end, separator = _mend_tail(file)
                left = separator + line.encode()
                try:
                    while left:
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(end)
                    raise
        except OSError as error:
            raise self._not_writable(error) from error

    def check_writable(self) -> None:
        """Raise OSError where a row could not be appended: better before a training than after it."""
        try:
            with open(self.path, "ab"):
                pass
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> OSError:
        return OSError(
            f"store {self.path} could not be written ({error.strerror}); the rows in it are intact: free some "
            "space or make the file and its folder writable, and run the sweep again."
        )

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            # Without the lock a row that another process is appending would look torn.
            fcntl.flock(file, fcntl.LOCK_SH)
            lines = file.read().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                row = json.loads(line)
                _key, newer = row["key"], row["schema"] > SCHEMA
            except (ValueError, KeyError, TypeError):
                if number == len(lines):
                    warnings.warn(
                        f"store {self.path}: the last line is torn (a killed writer) and was left out.", stacklevel=3
                    )
                    return
                raise ValueError(
                    f"store {self.path}: line {number} is not a row; restore the file or delete the line."
                ) from None
            if newer:
                raise ValueError(
                    f"store {self.path}: line {number} has schema {row['schema']}, newer than this library's {SCHEMA}; "
                    "update the library."
                )
            yield row


def _mend_tail(file: IO[bytes]) -> tuple[int, bytes]:
    """Drop a torn last line; return where the next row begins and what must be written before it.

    That is a newline where a complete last line lacks its own. It is written with the row, so that a failed write
    can go back to the bytes that were there.
    """
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0, b""
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return end, b""
    file.seek(0)
    start = file.read().rfind(b"\n") + 1
    file.seek(start)
    try:
        json.loads(file.read())
    except ValueError:
        file.truncate(start)
        return start, b""
    return end, b"\n"
