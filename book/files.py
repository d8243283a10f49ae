"""Files that are read strictly and written all at once."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from book.errors import BookError


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice and reads `1e-3` as a number (YAML 1.1 wants `1.0e-3`)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key}" is given twice', node.value[position][0].start_mark
                )
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def parse_yaml(text: str, where: str) -> Any:
    """Parse one YAML value; `where` names its origin in the error."""
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise BookError(f"{where}{line} is not valid YAML: {getattr(error, 'problem', None) or error}.") from error


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
    """Write beside the file and rename, so that a reader finds the old or the new bytes, never half of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.writing")
    with open(beside, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)


def write_if_changed(path: Path, data: bytes) -> None:
    """Leave a file alone whose bytes are right already."""
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)
