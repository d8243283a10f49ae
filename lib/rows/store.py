"""Rows on disk: JSON lines, one a trained replica, appended so that a kill or a second writer loses nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lib.rows import digests
from lib.rows.lines import SCHEMA, Row, defect, mend_tail, parse, sync_folder, tail, write

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 2**20  # bytes that are read at once
# What a file system says that has no locks, as some that are shared over a network.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Store:
    """Keep rows in a JSON-lines file.

    A row is {"schema", "key", "configuration", "measurements", "failure", "provenance"}, from schema 2 on also "trace":
    how a training went, epoch by epoch, None where none was followed. Appending writes one line under a lock, waits
    until it is on the disk, and writes the line's digest beside it (`lib.rows.digests`). A line torn by a kill is not a
    row: it is reported, and the next append replaces it.

    Args:
        path: the file; it may not exist yet, its folder must.

    Raises:
        ValueError: a line is not a row, or was written by a newer version of this library.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def rows(self) -> list[Row]:
        """Return all rows, in the order in which they were appended."""
        return list(self)

    def __iter__(self) -> Iterator[Row]:
        return self._parsed(self._lines())

    def examined(self) -> tuple[list[Row], digests.Findings]:
        """Return all rows and what their digests say, from one reading of the file."""
        lines = list(self._lines())
        return list(self._parsed(lines)), digests.compare(self.path, lines)

    def keys(self, failed: bool = True) -> set[str]:
        """Return the keys of the configurations that have a row; without `failed`, one of a training that went well."""
        return {row["key"] for row in self if failed or row.get("failure") is None}

    def frame(self) -> pd.DataFrame:
        """Return a tidy frame: one line a measurement, with its configuration and provenance beside it.

        A configuration that has several rows (tried again after a failure, trained by two sweeps at once) counts
        once, by its last one: two lines of one seed would pass for two seeds.
        """
        from lib.rows.frame import frame  # pandas takes longer to import than most stores to read

        return frame(self)

    def digests(self) -> digests.Findings:
        """Compare every row with its digest: which were edited or removed, and which have none yet."""
        return digests.compare(self.path, self._lines())

    def seal(self) -> int:
        """Write the digests of rows that have none, and return their number.

        Raises:
            ValueError: a row was edited or removed.
            OSError: they cannot be written.
        """
        with self._locked("a+b") as file:
            end, _ = mend_tail(file, _complete)
            file.seek(0)
            return digests.seal(self.path, file.read(end).split(b"\n"))

    def append(self, row: dict[str, Any]) -> None:
        """Append one row and return when it is on the disk.

        Raises:
            ValueError: it is no row, or holds a value that JSON cannot (NaN and infinity included: write None).
            OSError: the file cannot be written; it then holds what it held before.
        """
        row = {"schema": SCHEMA, **row}
        try:
            wrong = defect(row)
            line = json.dumps(row, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            wrong = f"{error}; write None for what is undefined"
        if wrong:
            raise ValueError(f"row {row.get('key')} cannot be stored: {wrong}.")
        with self._locked("a+b") as file:
            end, separator = mend_tail(file, _complete)
            try:
                write(file, separator + line + b"\n")
                os.fsync(file.fileno())
                digests.append(self.path, line, row["key"])
            except OSError:
                file.truncate(end)
                raise

    def check_writable(self) -> None:
        """Raise OSError where a row could not be appended: better before a training than after it."""
        with self._locked("ab"):
            pass

    @contextlib.contextmanager
    def _locked(self, mode: str) -> Iterator[IO[bytes]]:
        """Open the file for writing, alone; every OSError in here becomes one sentence."""
        try:
            new = not self.path.exists()
            # Unbuffered: after a failed write a buffer would be written again when the file is closed.
            with open(self.path, mode, buffering=0) as file:
                if new:
                    sync_folder(self.path)
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
        except OSError as error:
            remedy = "free some space or make the file and its folder writable, and run the sweep again"
            if error.errno in _WITHOUT_LOCKS:
                remedy = "without locks two writers could mix their rows: move it to a file system that has them"
            raise OSError(
                f"store {self.path} could not be written ({error.strerror}); the rows in it are intact: {remedy}."
            ) from error

    def _parsed(self, lines: Iterable[bytes]) -> Iterator[Row]:
        for number, line in enumerate(lines, start=1):
            if line:
                yield parse(line, f"store {self.path}: line {number}")

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines, a torn last one left out."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        except OSError as error:
            raise OSError(
                f"store {self.path} could not be read ({error.strerror}); it must be a file that can be."
            ) from error
        with file:
            try:
                # Without the lock a row that another process is appending would look torn.
                fcntl.flock(file, fcntl.LOCK_SH)
            except OSError as error:
                if error.errno not in _WITHOUT_LOCKS:
                    raise
            end, last = tail(file)
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # what stands before the last line's end never changes
            file.seek(0)
            begun = b""
            while end:
                block = file.read(min(_BLOCK, end))
                end -= len(block)
                *lines, begun = (begun + block).split(b"\n")
                yield from lines
        if last and _complete(last):
            yield last
        elif last:
            warnings.warn(f"store {self.path}: the last line is torn (a killed writer) and was left out.", stacklevel=4)


def _complete(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
