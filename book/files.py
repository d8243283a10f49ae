"""Files that are read strictly and written all at once."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from book.errors import BookError
from book.plain_yaml import parse_yaml


def read_mapping(path: Path, shown: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping."""
    value = parse_yaml(read_text(path, shown), shown)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BookError(f"{shown} must be a mapping of names to values, not {type(value).__name__}.")
    return value


def read_text(path: Path, shown: str) -> str:
    """Read a UTF-8 file; `shown` is the name that the user knows it by."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BookError(f"{shown} does not exist.") from None
    except UnicodeDecodeError as error:
        raise BookError(f"{shown} is not UTF-8 text ({error.reason} at byte {error.start}).") from error
    except OSError as error:
        raise BookError(f"{shown} cannot be read: {error.strerror}.") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the file and rename, so that a reader finds the old or the new bytes, never half of them.

    The name beside is of this call alone: two writers of one file do not meet, and what has that name was not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}.writing")
    try:
        with open(beside, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # the name that the user knows
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a rename in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_if_changed(path: Path, data: bytes) -> None:
    """Leave a file alone whose bytes are right already."""
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)
