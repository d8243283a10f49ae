"""A class of planted submissions, graded once for real: each scores what it should, and nothing reaches the outside."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import nbformat
import planted
import pytest
from classroom import FIRST, SECRET, hand_in, solved, untouched

import lib
from assignments.confinement.process import Limits
from assignments.feedback import write_feedback
from assignments.grading import Grading, Result
from assignments.masters import MASTERS

pytestmark = pytest.mark.slow

LIMITS = Limits(seconds=150, cell=20, answer=8, memory=2**30)
SCORES = {
    "solved": 20,
    "untouched": 0,
    "own_modules": 20,
    "common_mistake": 16.8,
    "endless_loop": 17,
    "endless_answer": 19,
    "endless_thread": 20,
    "fork_bomb": 11,
    "one_large_array": 20,
    "many_processes_of_memory": 0,
    "edited_tests": 0,
    "deleted_cells": 13,
    "reader": 0,
    "writer": 20,
    "socket_opener": 20,
    "forger": 0,
    "dying_kernel": 11,
}
FAULTS = {
    "broken": "broken JSON",
    "missing": f"no notebook; {FIRST}.ipynb is missing",
    "Twin": "two submissions of one name: Twin and twin",
    "twin": "two submissions of one name: twin and Twin",
}


@pytest.fixture(scope="module")
def calls():
    """A port of this machine that counts who connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[object] = []

        def listen():
            while True:
                try:
                    heard.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], heard


@pytest.fixture(scope="module")
def graded(first_course, calls) -> dict[str, Result]:
    """Every planted submission, graded in one run."""
    library = Path(lib.__file__).parent
    makers = {
        "solved": lambda folder: solved(),
        "untouched": lambda folder: untouched(),
        "reader": planted.reader(first_course.root, MASTERS),
        "writer": planted.writer(first_course.root, library),
        "socket_opener": planted.socket_opener(calls[0]),
    }
    for student in SCORES:
        folder = first_course.submitted / student / FIRST
        folder.mkdir(parents=True)
        maker = makers.get(student) or getattr(planted, student)
        hand_in(first_course, student, maker(folder))
    neighbour = first_course.submitted / "solved" / FIRST / "notes.txt"
    neighbour.write_text("only-ann-wrote-this")
    for student in FAULTS:
        (first_course.submitted / student / FIRST).mkdir(parents=True)
    (first_course.submitted / "broken" / FIRST / f"{FIRST}.ipynb").write_text('{"cells": [')
    for student in ("Twin", "twin"):
        hand_in(first_course, student, solved())
    before = {path: path.read_bytes() for path in first_course.submitted.rglob("*") if path.is_file()}
    told = []
    grading = Grading(first_course, FIRST, SECRET, LIMITS, confined=True, workers=2, again=False)
    results = grading.run(lambda done, total, result: told.append((done, total)))
    assert told[-1] == (len(results), len(SCORES) + len(FAULTS))
    assert {path: path.read_bytes() for path in first_course.submitted.rglob("*") if path.is_file()} == before
    return {result.student: result for result in results}


def shown(course, student: str) -> str:
    """Return all that a student's cells showed."""
    notebook = nbformat.read(course.autograded(student, FIRST), as_version=4)
    return "\n".join(
        output.get("text") or output.get("evalue") or ""
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


@pytest.mark.parametrize("student", SCORES)
def test_each_scores_what_it_should(graded, student):
    assert graded[student].problem is None
    assert graded[student].score == pytest.approx(SCORES[student], abs=0.01), graded[student].notes


@pytest.mark.parametrize("student", FAULTS)
def test_each_fault_is_told_and_the_others_are_graded(graded, student):
    assert FAULTS[student] in graded[student].problem and graded[student].score is None


def test_own_modules_replace_nothing(graded, first_course):
    said = shown(first_course, "own_modules")
    assert "/library/lib/__init__.py" in said and "site-packages/numpy/__init__.py" in said


def test_nothing_is_found(graded, first_course):
    said = shown(first_course, "reader")
    assert "FOUND []" in said and "CLASSROOM" not in said and "SECRET" not in said


def test_nothing_is_written(graded, first_course):
    assert "WRITTEN []" in shown(first_course, "writer")
    assert not (first_course.root / "planted").exists() and not Path("/planted").exists()


def test_nobody_called(graded, first_course, calls):
    assert calls[1] == [] and "CONNECTED" not in shown(first_course, "socket_opener")


def test_what_happened_is_told(graded):
    def notes(student):
        return "; ".join(graded[student].notes)

    assert "was stopped after 20 s" in notes("endless_loop")
    assert "more than 1 GiB of memory" in notes("many_processes_of_memory")
    assert "put back as released" in notes("edited_tests")
    assert "missing, put back empty: test-betas, derivative" in notes("deleted_cells")
    assert "ended by signal 9" in notes("dying_kernel")


def test_a_common_mistake_is_diagnosed_in_feedback(graded, first_course):
    write_feedback(first_course, FIRST)
    page = first_course.feedback("common_mistake", FIRST).read_text()
    assert "a gate is open with probability one half" in page and "16.8 / 20" in page


def test_feedback_holds_no_hidden_test_and_needs_no_network(graded, first_course):
    written = write_feedback(first_course, FIRST)
    assert sorted(written) == sorted(SCORES)
    hidden = planted_secrets()
    for student in written:
        page = first_course.feedback(student, FIRST).read_text()
        assert not [line for line in hidden if line in page or line.replace('"', "&#34;") in page]
        assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def planted_secrets() -> list[str]:
    """Return the lines of the hidden tests alone: a right solution may well be the reference's."""
    from assignments.masters import read_master

    master = read_master(FIRST)
    shown_lines = {line.strip() for cell in untouched().cells for line in cell.source.splitlines()}
    lines = {line.strip() for question in master.questions for line in question.hidden.splitlines()}
    return [line for line in lines - shown_lines if len(line) >= 8]


def test_a_second_run_goes_on(graded, first_course):
    hand_in(first_course, "broken", solved())
    (first_course.submitted / "twin" / FIRST).rename(first_course.submitted / "second")
    (first_course.submitted / "twin").rmdir()
    results = {
        result.student: result
        for result in Grading(first_course, FIRST, SECRET, LIMITS, confined=True, workers=2, again=False).run(
            lambda *_: None
        )
    }
    assert {name for name, result in results.items() if result.fresh} == {"broken", "Twin", "missing"}
    assert results["broken"].score == results["Twin"].score == 20
    assert {name: results[name].score for name in SCORES} == {name: graded[name].score for name in SCORES}
