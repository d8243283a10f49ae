"""nbgrader's gradebook: which assignments there are, who handed in what, and the points of each question."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook, InvalidEntry, MissingEntry
from nbgrader.preprocessors import SaveCells
from sqlalchemy.exc import SQLAlchemyError

from assignments.checking import Outcome
from assignments.course import Course
from assignments.masters import Master
from assignments.releasing import release_notebook

COURSE = "robustness"
_ONE_AT_A_TIME = threading.RLock()  # SQLite has one writer; submissions are graded in several threads


class NotKept(Exception):
    """The gradebook could not keep something; the message says why."""


@dataclass(frozen=True)
class ByHand:
    """What a person gives for one written answer."""

    student: str
    question: str
    points: float
    comment: str


@contextlib.contextmanager
def opened(course: Course) -> Iterator[Gradebook]:
    """Yield the course's gradebook; what goes wrong inside is undone and told as NotKept."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's own, about SQLAlchemy and dates
        try:
            _create(course)
            gradebook = Gradebook(course.database, COURSE)
        except (SQLAlchemyError, OSError, subprocess.SubprocessError) as error:
            raise NotKept(f"the gradebook cannot be opened: {_first_line(error)}") from None
        try:
            yield gradebook
        except (SQLAlchemyError, InvalidEntry) as error:
            gradebook.db.rollback()
            raise NotKept(f"the gradebook cannot be written: {_first_line(error)}") from None
        finally:
            gradebook.close()


def _create(course: Course) -> None:
    """Make an empty gradebook where there is none, beside its place first: half of one would never be mended."""
    path = course.root / "gradebook.db"
    if path.exists():
        return
    beside = path.with_name(f".{secrets.token_hex(8)}.db")
    before = os.environ.get("PATH", "")
    try:
        # nbgrader calls the program `alembic`, which lies beside this Python, in an environment that may not be active.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
        Gradebook(f"sqlite:///{beside}", COURSE).close()
        os.replace(beside, path)
    finally:
        os.environ["PATH"] = before
        beside.unlink(missing_ok=True)


def register(course: Course, master: Master) -> None:
    """Let the gradebook know an assignment and its cells, as they are released; what it knows already stays untouched.

    nbgrader would remove the cells and write them anew, for which a disk may be too full.

    Raises:
        NotKept: submissions are graded already, and the assignment has other questions now.
    """
    wanted = {question.name: question.points for question in master.questions}
    with opened(course) as gradebook:
        gradebook.update_or_create_assignment(master.name)
        try:
            known = gradebook.find_notebook(master.name, master.name).grade_cells
        except MissingEntry:
            known = []
        if {cell.name: cell.max_score for cell in known} == wanted:
            return
        resources = {"nbgrader": {"notebook": master.name, "assignment": master.name, "db_url": course.database}}
        try:
            SaveCells().preprocess(release_notebook(master), resources)
        except RuntimeError as error:
            raise NotKept(f"{master.name} has other questions than those that are graded: {error}") from None


def enrol(course: Course, roster: Mapping[str, Mapping[str, str]]) -> None:
    """Let the gradebook know the students of a roster."""
    with opened(course) as gradebook:
        for student, details in roster.items():
            gradebook.update_or_create_student(student, **details)


def keep(
    course: Course, master: Master, student: str, outcomes: list[Outcome], answered: Mapping[str, bool], late: float
) -> None:
    """Write the points of a submission; a written answer waits for its grader, one that was left empty has 0.

    Args:
        course: whose gradebook it is.
        master: the assignment.
        student: who submitted it.
        outcomes: of the questions that are checked by cells.
        answered: for each written question, whether anything was answered.
        late: when the submission was changed last, in seconds since 1970.
    """
    moment = datetime.datetime.fromtimestamp(late, datetime.UTC).replace(tzinfo=None)
    scores = {outcome.question: outcome.score for outcome in outcomes}
    with opened(course) as gradebook:
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(master.name, student, timestamp=moment)
        for question in master.questions:
            grade = gradebook.find_grade(question.name, master.name, master.name, student)
            if question.written:
                grade.auto_score = None if answered[question.name] else 0.0
                grade.needs_manual_grade = answered[question.name] and grade.manual_score is None
            else:
                grade.auto_score = scores[question.name]
                grade.needs_manual_grade = False
        gradebook.db.commit()


def grade_by_hand(course: Course, assignment: str, given: Iterable[ByHand]) -> None:
    """Write a person's points, and what she has to say, for written answers: all of them, or none.

    Raises:
        NotKept: there is no such answer, or it has fewer points.
    """
    with opened(course) as gradebook:
        for each in given:
            try:
                grade = gradebook.find_grade(each.question, assignment, assignment, each.student)
                note = gradebook.find_comment(each.question, assignment, assignment, each.student)
            except MissingEntry:
                raise NotKept(
                    f"there is no answer of {each.student!r} to {each.question}; grade {assignment} first, "
                    "or correct the name"
                ) from None
            if not 0 <= each.points <= grade.max_score:
                raise NotKept(
                    f"{each.question} has {grade.max_score:g} points, and {each.student} cannot have {each.points:g}"
                )
            grade.manual_score, grade.needs_manual_grade = each.points, False
            note.manual_comment = each.comment or None
        gradebook.db.commit()


def points(course: Course, assignment: str, student: str) -> dict[str, tuple[float | None, str]]:
    """Return each question's points, None where a grader is waited for, and the comment on it."""
    found = {}
    with opened(course) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return {}
        for notebook in submission.notebooks:
            comments = {comment.name: comment.comment or "" for comment in notebook.comments}
            for grade in notebook.grades:
                score = None if grade.needs_manual_grade else grade.score
                found[grade.name] = (score, comments.get(grade.name, ""))
    return found


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
