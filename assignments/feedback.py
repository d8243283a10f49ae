"""The page that a student reads: points and notes of each question, the student's own code and what it showed.

It needs no network, and holds no hidden test, no expected value and no hidden argument, because none of these is in
what it is made of: the outcomes (`checking.Outcome`) and the notebook that ran without hidden tests. All is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import nbformat

from assignments import gradebook
from assignments.course import Course
from assignments.masters import Master, mark
from assignments.releasing import release_notebook
from book.files import write_atomically

_TEMPLATE = Path(__file__).with_name("feedback.html")
_SHOWN = 20_000  # characters of an output


@dataclass(frozen=True)
class _Part:
    """A question of the page: its heading, points, and the cells since the question before it."""

    name: str
    points: float
    score: float | None
    aspects: dict[str, list[int]]
    notes: list[str]
    comment: str
    cells: list[dict[str, Any]]


def write_feedback(course: Course, assignment: str) -> list[str]:
    """Write a page for each student whose submission is graded; return their names."""
    written = []
    for path in sorted((course.root / "graded").glob(f"*/{assignment}.json")):
        student = path.parent.name
        record = course.read_record(student, assignment)
        if record is None:
            continue
        page = feedback_page(course, course.variant(assignment, student), student, record)
        write_atomically(course.feedback(student, assignment), page.encode())
        written.append(student)
    return written


def feedback_page(course: Course, master: Master, student: str, record: dict[str, Any]) -> str:
    """Return the page of a graded submission as HTML."""
    notebook = nbformat.read(course.autograded(student, master.name), as_version=4)
    parts = _parts(master, notebook, record, gradebook.points(course, master.name, student))
    known = [part.score for part in parts if part.score is not None]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=master.title,
        student=student,
        parts=parts,
        score=sum(known),
        points=master.points,
        waiting=len(known) < len(parts),
        notes=record["notes"],
    )


def _parts(master: Master, notebook: Any, record: dict[str, Any], points: dict[str, tuple[float | None, str]]) -> list:
    outcomes = {outcome["question"]: outcome for outcome in record["outcomes"]}
    questions = {question.name: question for question in master.questions}
    released = {mark(cell)["grade_id"]: cell.source for cell in release_notebook(master).cells if mark(cell)}
    parts, cells, comments = [], [], []
    for cell in notebook.cells:
        name = mark(cell).get("grade_id", "")
        comments.append(points.get(name, (None, ""))[1])
        if (cell.cell_type == "code" or mark(cell).get("solution")) and not mark(cell).get("locked"):
            cells.append(_cell(cell, cell.source.strip() == released.get(name, "").strip()))
        elif cell.cell_type == "code" and any(output.output_type == "error" for output in cell.outputs):
            cells.append(_cell(cell, False) | {"source": ""})
        if name in questions:
            outcome = outcomes.get(name, {"aspects": {}, "notes": []})
            score, _ = points.get(name, (outcome.get("score"), ""))
            said = " ".join(dict.fromkeys(filter(None, comments)))
            parts.append(
                _Part(
                    questions[name].title,
                    questions[name].points,
                    score,
                    outcome["aspects"],
                    outcome["notes"],
                    said,
                    cells,
                )
            )
            cells, comments = [], []
    return parts


def _cell(cell: Any, untouched: bool) -> dict[str, Any]:
    outputs = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            outputs.append({"text": output.text[:_SHOWN]})
        elif output.output_type == "error":
            outputs.append({"text": f"{output.ename}: {output.evalue}"[:_SHOWN], "failed": True})
        elif "image/png" in output.get("data", {}):
            outputs.append({"png": output.data["image/png"]})
    return {"source": cell.source, "untouched": untouched, "outputs": outputs}
