"""From a master to what students get: no solution, no hidden test, no output; a leak is refused."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

from assignments.masters import Master
from book.configuration import read_configuration
from book.errors import BookError
from book.project import Project
from book.set_up import insert_set_up, set_up_lines

_STEPS = (
    LockCells,
    ClearSolutions,
    ClearOutput,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ComputeChecksums,
)
_ROOT = Path(__file__).resolve().parents[1]
_REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(?P<text>.*?)### END \1", re.DOTALL)
_KEPT = ("nbgrader", "deletable", "editable", "tags")


def release_notebook(master: Master) -> NotebookNode:
    """Return the notebook that is handed out, with nbgrader's own preprocessors, its cell ids counted.

    The lines that fetch the book on a hosted machine stand where a chapter has them.

    Raises:
        BookError: something of a solution or of a hidden test would be in it.
    """
    notebook = copy.deepcopy(master.notebook)
    insert_set_up(notebook, _ROOT, set_up_lines(read_configuration(Project(_ROOT))["repository"]["url"]))
    resources = {"nbgrader": {"notebook": master.name, "assignment": master.name}}
    for step in _STEPS:
        notebook, resources = step().preprocess(notebook, resources)
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell.metadata = nbformat.NotebookNode({key: cell.metadata[key] for key in _KEPT if key in cell.metadata})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    if found := leaks(master, nbformat.writes(notebook)):
        raise BookError(f"the release of {master.name} would give away: {found[0]!r}.")
    return notebook


def secrets_of(master: Master) -> set[str]:
    """Return what no student may read before grading: the lines of solutions and hidden tests that stand nowhere else.

    A line of fewer than eight characters, or one that the visible part of the master has too, tells nothing.
    """
    lines: set[str] = set()
    shown: set[str] = set()
    for cell in master.notebook.cells:
        regions = [match["text"] for match in _REGION.finditer(cell.source)]
        marked = cell.metadata.get("nbgrader", {})
        if marked.get("solution") and not regions:
            regions, visible = [cell.source], ""
        else:
            visible = _REGION.sub("", cell.source)
        lines |= {line.strip() for region in regions for line in region.splitlines()}
        shown |= {line.strip() for line in visible.splitlines()}
    return {line for line in lines - shown if len(line) >= 8}


def leaks(master: Master, text: str) -> list[str]:
    """Return what of a master's secrets stands in a text: a notebook's JSON, a page."""
    marks = ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS")
    escaped = {json.dumps(line, ensure_ascii=False)[1:-1]: line for line in secrets_of(master)}
    return [word for word in marks if word in text] + sorted(
        line for form, line in escaped.items() if form in text or line in text
    )
