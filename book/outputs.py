"""The store of executed chapters: `_build/executed/<profile>/NN_name.ipynb` with a small record beside it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.execute import Run
from book.files import write_atomically
from book.parameters import Value
from book.project import Project


@dataclass(frozen=True)
class Record:
    """How one chapter was executed; `digest` ties it to the notebook that it describes."""

    chapter: str
    profile: str | None
    key: str
    digest: str
    parameters: dict[str, Value]
    seconds: float
    executed: str
    device: str
    versions: dict[str, str]
    commit: str | None
    dirty: bool


class Outputs:
    """Executed chapters of one profile."""

    def __init__(self, project: Project, profile: str) -> None:
        self._project = project
        self._profile = profile
        self._folder = project.executed(profile)

    def record(self, chapter: str, key: str) -> Record | None:
        """Return the record of a chapter whose stored outputs belong to this key, or None."""
        try:
            record = Record(**json.loads((self._folder / f"{chapter}.json").read_bytes()))
            whole = record.digest == _digest((self._folder / f"{chapter}.ipynb").read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        return record if whole and record.key == key else None

    def notebook(self, chapter: str) -> NotebookNode:
        """Return the stored executed notebook."""
        return nbformat.read(self._folder / f"{chapter}.ipynb", as_version=4)

    def save(self, chapter: str, key: str, parameters: Mapping[str, Value], run: Run) -> Record:
        """Store a finished run; killed at any moment, the store holds the old run or the new one or none."""
        record, data = describe(self._project, chapter, self._profile, key, parameters, run)
        write_atomically(self._folder / f"{chapter}.ipynb", data)
        write_atomically(self._folder / f"{chapter}.json", json.dumps(asdict(record), indent=1).encode() + b"\n")
        return record


def describe(
    project: Project, chapter: str, profile: str | None, key: str, parameters: Mapping[str, Value], run: Run
) -> tuple[Record, bytes]:
    """Return the record of a run and the bytes of its notebook."""
    data = nbformat.writes(run.notebook).encode()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(
        chapter, profile, key, _digest(data), dict(parameters), round(run.seconds, 1), now, run.device, run.versions,
        *commit(project.root),
    ), data  # fmt: skip


def commit(root: Path) -> tuple[str | None, bool]:
    """Return the checkout's commit, None outside of git, and whether the sources differ from it."""
    try:
        head = _git(root, "rev-parse", "--short=10", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "chapters", "lib", "params", "results", "constraints.txt")
    except (OSError, subprocess.CalledProcessError):
        return None, False
    return head, bool(changed)


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
