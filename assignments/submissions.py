"""Read a submission as what it is, a file that may be anything, and take from it only what a student may write."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import shutil
import stat
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from assignments.course import alike
from assignments.masters import Master, mark
from book.imports import imported_names, without_magics

_LARGEST = 10 * 2**20  # bytes of a notebook
_LARGEST_FOLDER = 50 * 2**20  # bytes of what lies beside it


class Unreadable(Exception):
    """There is no notebook that could be graded; the message says why, in words for the student."""


@dataclass(frozen=True)
class Submission:
    """A student's folder `submitted/STUDENT/ASSIGNMENT`, not read yet."""

    student: str
    folder: Path
    clash: str | None = None  # another folder of the same name, but for case, accents' form or spaces


def submissions(submitted: Path, assignment: str) -> list[Submission]:
    """List who has handed in an assignment, by name."""
    if not submitted.is_dir():
        return []
    folders = sorted(
        each.name for each in submitted.iterdir() if (each / assignment).is_dir() and not each.is_symlink()
    )
    groups: dict[str, list[str]] = defaultdict(list)
    for name in folders:
        groups[alike(name)].append(name)
    clashes = {name: other for names in groups.values() for name in names for other in names if other != name}
    return [Submission(name, submitted / name / assignment, clashes.get(name)) for name in folders]


def find_notebook(submission: Submission, assignment: str) -> Path:
    """Return the one notebook of a submission.

    Raises:
        Unreadable: there is none, or it is not clear which.
    """
    if submission.clash:
        raise Unreadable(f"two submissions of one name: {submission.student} and {submission.clash}; rename one")
    found = sorted(path for path in submission.folder.glob("*.ipynb") if not path.name.startswith("."))
    if not found:
        raise Unreadable(f"no notebook; {assignment}.ipynb is missing")
    if len(found) > 1:
        raise Unreadable(f"{len(found)} notebooks ({', '.join(path.name for path in found)}); keep one")
    return found[0]


def read_notebook(path: Path) -> tuple[NotebookNode, str]:
    """Return a notebook and the digest of its bytes; links are not followed.

    Raises:
        Unreadable: it is no notebook.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable(f"{path.name} is no file")
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read ({error.strerror})") from None
    if len(data) > _LARGEST:
        raise Unreadable(f"{path.name} is larger than {_LARGEST // 2**20} MiB; clear its outputs")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells without ids, and other small faults that do not matter here
            notebook = nbformat.reads(data.decode("utf-8-sig"), as_version=4)
        cells = [(cell.cell_type, cell.source, cell.metadata.get("nbgrader")) for cell in notebook.cells]
    except RecursionError:
        raise Unreadable(f"{path.name} is no notebook (nested too deeply)") from None
    except Exception as error:
        kind = "broken JSON" if isinstance(error, json.JSONDecodeError) else "its JSON is no notebook"
        if "JSON" in type(error).__name__ or isinstance(error, UnicodeDecodeError):
            kind = "broken JSON"
        raise Unreadable(f"{path.name} is no notebook ({kind})") from None
    if not all(isinstance(source, str) for _, source, _ in cells):
        raise Unreadable(f"{path.name} is no notebook (a cell is no text)")
    for cell in notebook.cells:
        cell.source = storable(cell.source)
    return notebook, hashlib.sha256(data).hexdigest()


def storable(text: str) -> str:
    """Return a text that UTF-8 can hold: a submission may hold, and print, half of a character."""
    return text.encode("utf-8", "replace").decode()


def merge(release: NotebookNode, submitted: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Return the release with what the student may write put into it, and what was put back.

    Read-only cells and tests are those of the release, whatever the submission has in their place. Cells of solutions
    are the submission's; one that was deleted is the release's empty one. Code cells that the student has added follow
    the cell that they followed.
    """
    notebook = copy.deepcopy(release)
    known = {mark(cell)["grade_id"]: cell for cell in notebook.cells if mark(cell)}
    seen: set[str] = set()
    edited: list[str] = []
    added: dict[str, list[NotebookNode]] = defaultdict(list)
    anchor = ""
    for cell in submitted.cells:
        marked = cell.metadata.get("nbgrader")
        name = str(marked.get("grade_id")) if isinstance(marked, dict) else ""
        if name in known and name not in seen and cell.cell_type == known[name].cell_type:
            seen.add(name)
            anchor = name
            if mark(known[name]).get("solution"):
                known[name].source = cell.source
            elif cell.source.strip() != known[name].source.strip():
                edited.append(name)
        elif cell.cell_type == "code" and cell.source.strip():
            added[anchor].append(nbformat.v4.new_code_cell(cell.source))
    cells = list(added[""])
    for cell in notebook.cells:
        cells += [cell, *(added[mark(cell)["grade_id"]] if mark(cell) else [])]
    notebook.cells = cells
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"
    deleted = [name for name in known if name not in seen]
    notes = [f"put back as released: {', '.join(edited)}"] if edited else []
    return notebook, notes + ([f"missing, put back empty: {', '.join(deleted)}"] if deleted else [])


def taught_imports(master: Master, notebook: NotebookNode) -> list[str]:
    """Return what a student's own cells import of what the assignment teaches, as far as the text tells."""
    found: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code" and not mark(cell).get("locked"):
            with contextlib.suppress(ValueError, RecursionError, MemoryError):  # a submission may be no Python
                found |= set(imported_names(without_magics(cell.source)))
    return [each for each in master.taught if any(f"{name}.".startswith(f"{each}.") for name in found)]


def copy_beside(source: Path, target: Path) -> None:
    """Copy the files of a submission's folder for its process to read; links and what is no file stay behind."""
    left = _LARGEST_FOLDER
    target.mkdir(parents=True)
    target.chmod(0o755)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        with contextlib.suppress(OSError):
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                place.mkdir(exist_ok=True)
                place.chmod(0o755)
            elif stat.S_ISREG(mode) and path.lstat().st_size <= left and place.parent.is_dir():
                left -= path.lstat().st_size
                shutil.copyfile(path, place, follow_symlinks=False)
                place.chmod(0o644)
