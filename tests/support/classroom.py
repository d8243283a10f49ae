"""Notebooks of the first assignment, solved and untouched, and where they are handed in."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from assignments.course import Course
from assignments.masters import mark, read_master
from assignments.releasing import release_notebook

FIRST = "01_initialization"
SECRET = "a seed that only this test knows"


def solved(name: str = FIRST) -> NotebookNode:
    """Return the release of an assignment with the reference solution written into it."""
    master = read_master(name)
    solutions = {mark(cell)["grade_id"]: cell.source for cell in master.notebook.cells if mark(cell).get("solution")}
    notebook = copy.deepcopy(release_notebook(master))
    for cell in notebook.cells:
        cell.source = solutions.get(mark(cell).get("grade_id"), cell.source)
    return notebook


def untouched(name: str = FIRST) -> NotebookNode:
    """Return the release of an assignment."""
    return copy.deepcopy(release_notebook(read_master(name)))


def cell(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """Return a cell by its grade_id."""
    return next(each for each in notebook.cells if mark(each).get("grade_id") == grade_id)


def hand_in(course: Course, student: str, notebook: NotebookNode, name: str = FIRST) -> Path:
    """Write a notebook where a student's submission lies; return its folder."""
    folder = course.submitted / student / name
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder
