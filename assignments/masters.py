"""A master: the notebook of an assignment with its solutions and hidden tests, as `masters/NAME.md` (MyST) holds it.

Cells carry nbgrader's metadata. Every code cell has a grade_id: it is read-only, or the student's to write, or a test
with points. A test's hidden part stands between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`; the grader
runs it, in its own process (`checking.py`). A variant is the master with other values in its `parameters` cell.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jupytext
from nbformat import NotebookNode

from book.errors import BookError, listing, nearest
from book.files import read_text
from book.parameters import Parameter, Value, fill, parse_cell

MASTERS = Path(__file__).with_name("masters")
_HEADING = re.compile(r"^## (?P<title>.+?)(?: \([\d.]+ points?\))?$", re.MULTILINE)
_HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n(?P<tests>.*?)^### END HIDDEN TESTS\n?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Question:
    """What points are given for: a test cell, or a text that a person grades (no hidden tests then)."""

    name: str
    title: str
    points: float
    hidden: str | None
    written: bool


@dataclass(frozen=True)
class Master:
    """An assignment with the values of its parameters filled in."""

    name: str
    notebook: NotebookNode
    parameters: dict[str, Parameter]
    values: dict[str, Value]

    @property
    def title(self) -> str:
        """The heading of the notebook."""
        return self.notebook.cells[0].source.partition("\n")[0].lstrip("# ")

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """What is graded, in order."""
        found, title = [], ""
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown" and (heading := _HEADING.search(cell.source)):
                title = heading["title"]
            if mark(cell).get("grade"):
                found.append(_question(cell, title))
        return tuple(found)

    @property
    def taught(self) -> tuple[str, ...]:
        """Modules of the library that do what is to be written, which the front matter names."""
        return tuple(self.notebook.metadata["classroom"]["taught"])

    @property
    def points(self) -> float:
        """The most that can be scored."""
        return sum(question.points for question in self.questions)

    def vary(self, values: Mapping[str, Any]) -> Master:
        """Return the variant with other values of some parameters.

        Raises:
            BookError: a parameter is not there, or a value is not allowed.
        """
        where = f"assignment {self.name}"
        for name in values:
            if name not in self.parameters:
                raise BookError(
                    f"{where} has no parameter {name}{nearest(name, self.parameters) or '.'} "
                    f"The parameters are: {listing(self.parameters)}."
                )
        accepted = {name: self.parameters[name].accept(value, where) for name, value in values.items()}
        notebook = copy.deepcopy(self.notebook)
        cell = _parameters_cell(notebook, self.name)
        filled = {**self.values, **accepted}
        cell.source = fill(cell.source, parse_cell(cell.source, where), filled)
        return Master(self.name, notebook, self.parameters, filled)


def mark(cell: NotebookNode) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell, empty where it has none."""
    return cell.metadata.get("nbgrader", {})


def names() -> list[str]:
    """List the assignments in order."""
    return sorted(path.stem for path in MASTERS.glob("*.md"))


def choose(name: str) -> str:
    """Return the name of an assignment, of which the number is enough, or say which are there."""
    found = [each for each in names() if name in (each, each.partition("_")[0], each.partition("_")[0].lstrip("0"))]
    if not found:
        raise BookError(
            f'There is no assignment "{name}"{nearest(name, names()) or "."} The assignments are: {listing(names())}.'
        )
    return found[0]


@cache
def read_master(name: str) -> Master:
    """Read a master with its default parameters, and check that it can be released and graded."""
    where = f"assignments/masters/{name}.md"
    notebook = jupytext.reads(read_text(MASTERS / f"{name}.md", where), fmt="md:myst")
    seen: set[str] = set()
    for cell in notebook.cells:
        marked = mark(cell)
        if cell.cell_type == "code" and not marked:
            raise BookError(f"{where}: a code cell has no nbgrader metadata: {cell.source[:60]!r}.")
        if marked and marked["grade_id"] in seen:
            raise BookError(f"{where}: two cells have the grade_id {marked['grade_id']}.")
        seen.add(marked.get("grade_id", ""))
        if marked.get("grade") and cell.cell_type == "code" and not _HIDDEN.search(cell.source):
            raise BookError(f"{where}: the test cell {marked['grade_id']} has no hidden tests.")
    source = _parameters_cell(notebook, name).source
    parameters = parse_cell(source, where)
    return Master(name, notebook, parameters, {key: each.default for key, each in parameters.items()})


def _parameters_cell(notebook: NotebookNode, name: str) -> NotebookNode:
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise BookError(f"assignments/masters/{name}.md must have one cell tagged parameters, not {len(tagged)}.")
    return tagged[0]


def _question(cell: NotebookNode, title: str) -> Question:
    hidden = _HIDDEN.search(cell.source)
    marked = mark(cell)
    return Question(
        marked["grade_id"],
        title,
        float(marked["points"]),
        hidden["tests"] if hidden else None,
        cell.cell_type != "code",
    )
