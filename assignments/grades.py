"""Grades as CSV: nbgrader's own export, or the columns that Canvas and Moodle read."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins.export import CsvExportPlugin

from assignments.course import Course
from assignments.gradebook import opened
from book.files import write_atomically

FORMATS = ("nbgrader", "canvas", "moodle")


def write_grades(course: Course, form: str, path: Path) -> int:
    """Write everybody's grades in one of FORMATS; return the number of students."""
    with opened(course) as gradebook:
        if form == "nbgrader":
            path.parent.mkdir(parents=True, exist_ok=True)
            plugin = CsvExportPlugin()
            plugin.to = str(path)
            plugin.export(gradebook)
        else:
            lines = _canvas(gradebook) if form == "canvas" else _moodle(gradebook)
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(lines)
            write_atomically(path, text.getvalue().encode())
        return len(gradebook.students)


def _canvas(gradebook: Gradebook) -> list[list[Any]]:
    assignments = sorted(gradebook.assignments, key=lambda each: each.name)
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(each.name for each in assignments)]
    points = ["    Points Possible", "", "", "", "", *(f"{each.max_score:g}" for each in assignments)]
    return [head, points] + [
        [
            _full_name(student),
            "",
            student.id,
            student.id,
            "",
            *(_score(gradebook, each, student) for each in assignments),
        ]
        for student in sorted(gradebook.students, key=lambda each: each.id)
    ]


def _moodle(gradebook: Gradebook) -> list[list[Any]]:
    assignments = sorted(gradebook.assignments, key=lambda each: each.name)
    head = ["username", "firstname", "lastname", "email", *(each.name for each in assignments)]
    return [head] + [
        [
            student.id, student.first_name or "", student.last_name or "", student.email or "",
            *(_score(gradebook, each, student) for each in assignments),
        ]
        for student in sorted(gradebook.students, key=lambda each: each.id)
    ]  # fmt: skip


def _full_name(student: Any) -> str:
    return f"{student.last_name}, {student.first_name}" if student.last_name and student.first_name else student.id


def _score(gradebook: Gradebook, assignment: Any, student: Any) -> str:
    """Return the score as text; empty where nothing was handed in, which both systems read as no grade."""
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        return ""
    return f"{max(0.0, submission.score - submission.late_submission_penalty):g}"
