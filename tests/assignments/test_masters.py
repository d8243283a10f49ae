"""Masters can be released, and what is released gives nothing away."""

import json
import re

import nbformat
import pytest

from assignments.__main__ import RELEASES
from assignments.masters import choose, mark, names, read_master
from assignments.releasing import leaks, release_notebook, secrets_of
from book.errors import BookError

NAMES = names()


def test_there_are_five():
    assert len(NAMES) == 5


@pytest.mark.parametrize("name", NAMES)
def test_points_are_shown_where_they_are_given(name):
    master = read_master(name)
    shown = re.findall(r"^## .*\((\d+) points?\)$", "\n".join(c.source for c in master.notebook.cells), re.MULTILINE)
    assert [float(points) for points in shown] == [question.points for question in master.questions]
    assert f"**Points** {master.points:g}" in master.notebook.cells[0].source


@pytest.mark.parametrize("name", NAMES)
def test_a_release_holds_no_solution_no_hidden_test_and_no_output(name):
    master = read_master(name)
    release = release_notebook(master)
    assert len(secrets_of(master)) > 20
    assert leaks(master, nbformat.writes(release)) == []
    assert all(not cell.get("outputs") for cell in release.cells)
    assert set(release.metadata) == {"kernelspec", "language_info"}
    for cell in release.cells:
        assert set(cell.metadata) <= {"nbgrader", "deletable", "editable", "tags"}
        if mark(cell).get("solution"):
            assert "YOUR CODE HERE" in cell.source or "YOUR ANSWER HERE" in cell.source


@pytest.mark.parametrize("name", NAMES)
def test_what_leaks_is_found(name):
    master = read_master(name)
    for cell in master.notebook.cells:
        if "BEGIN SOLUTION" in cell.source or "BEGIN HIDDEN" in cell.source:
            assert leaks(master, json.dumps(cell.source))
            assert leaks(master, re.sub(r"### (BEGIN|END).*\n?", "", cell.source))


@pytest.mark.parametrize("name", NAMES)
def test_the_published_release_is_that_of_the_master(name):
    there = (RELEASES / f"{name}.ipynb").read_text(encoding="utf-8")
    assert there == nbformat.writes(release_notebook(read_master(name))) + "\n", "run `python -m assignments publish`"


def test_nothing_else_is_published():
    assert sorted(path.name for path in RELEASES.iterdir()) == [f"{name}.ipynb" for name in NAMES]


def test_an_assignment_is_chosen_by_its_number():
    assert choose("1") == choose("01") == NAMES[0]
    with pytest.raises(BookError, match='no assignment "01_initialisation"; did you mean "01_initialization"'):
        choose("01_initialisation")


def test_a_variant_changes_its_parameters_cell_alone():
    master = read_master(NAMES[0])
    varied = master.vary({"width": 33})
    changed = [
        (old.source, new.source)
        for old, new in zip(master.notebook.cells, varied.notebook.cells, strict=True)
        if old.source != new.source
    ]
    assert len(changed) == 1 and "width: int = 33  #" in changed[0][1]
    assert varied.values["width"] == 33 and master.values["width"] != 33
    with pytest.raises(BookError, match="has no parameter widht"):
        master.vary({"widht": 33})
    with pytest.raises(BookError, match="width cannot be 5"):
        master.vary({"width": 5})
