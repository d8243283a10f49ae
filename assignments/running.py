"""Run a notebook in its jail and check it: what it showed, what its hidden tests gave, what went wrong."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from assignments.checking import Answers, Outcome, Reference, check
from assignments.confinement.process import Confined, Died, Limits, OutOfTime
from assignments.masters import Master
from assignments.submissions import copy_beside, storable
from book.errors import BookError

# How the runner calls the error of a cell that was stopped at its limit.
_STOPPED = "TimeLimit"

_Numbered = tuple[int, NotebookNode]


@dataclass
class Graded:
    """A notebook with its outputs, the outcome of each question that needs no person, and notes on the run."""

    notebook: NotebookNode
    outcomes: list[Outcome]
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def reference_of(master: Master, limits: Limits, confined: bool) -> Iterator[Reference]:
    """Yield the reference solution of a variant, running.

    Raises:
        BookError: it does not run, which is no student's fault: the limits are too narrow, or this machine.
    """
    with tempfile.TemporaryDirectory(prefix="reference-") as folder, contextlib.ExitStack() as stack:
        Path(folder).chmod(0o755)
        try:
            process = stack.enter_context(Confined(Path(folder), _generous(limits), confined))
            _define(master, process)
        except Died as reason:
            raise BookError(
                f"the reference solution of {master.name} does not run here ({reason}); allow more than "
                f"--seconds {limits.seconds:g}, or grade on a machine that has more time and memory."
            ) from None
        yield Reference(Answers(process), master.name)


def _define(master: Master, process: Confined) -> None:
    """Run what the reference solution defines; tests are not needed for its answers."""
    for cell in _code(master.notebook):
        if cell.metadata.nbgrader.get("grade"):
            continue
        error = process.run(cell.source)["error"]
        if error and error["name"] == _STOPPED:
            raise Died(f"it was {error['text']}")
        if error:
            raise BookError(f"the reference solution of {master.name} raises {error['name']}.")


def grade_notebook(
    master: Master,
    notebook: NotebookNode,
    beside: Path | None,
    reference: Reference,
    secret: str,
    limits: Limits,
    confined: bool = True,
) -> Graded:
    """Run a merged notebook's cells, then its hidden tests against what they defined.

    A cell at which the process ends costs what comes after it: the cells before are run once more, and checked. Where
    the time of cells is used up, all are. Cells that were stopped at their limit are left out then: they would take
    the time once more.
    """
    cells = list(enumerate(_code(notebook)))
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="submission-") as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "folder"
        if beside is None:
            folder.mkdir()
        else:
            copy_beside(beside, folder)
        for attempt in ("whole", "without what ended it"):
            with Confined(folder, limits, confined) as process:
                others = _run(process, cells, notes)
                if others is not None and attempt == "whole":
                    cells = others
                    continue
                answers = Answers(process)
                outcomes = [
                    check(master, question, answers, reference, secret)
                    for question in master.questions
                    if question.hidden is not None
                ]
                if answers.died:
                    notes.append(f"while it was asked, {answers.died}")
                break
    return Graded(notebook, outcomes, list(dict.fromkeys(notes)))


def _generous(limits: Limits) -> Limits:
    """Return the limits of a reference solution, which is trusted: a busy machine must not fail it."""
    return replace(limits, seconds=10 * limits.seconds, cell=10 * limits.cell, answer=10 * limits.answer)


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _was_stopped(cell: NotebookNode) -> bool:
    return any(output.get("ename") == _STOPPED for output in cell.outputs)


def _run(process: Confined, cells: list[_Numbered], notes: list[str]) -> list[_Numbered] | None:
    """Run cells and keep their outputs; where that came to an end, return those that can be run in another process."""
    for number, cell in cells:
        cell.execution_count = number + 1
        try:
            reply = process.run(cell.source)
        except Died as reason:
            notes.append(f"at code cell {number + 1} {reason}")
            cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text=f"The grader: {reason}.\n")]
            others = [(each, it) for each, it in cells if not _was_stopped(it)]
            if isinstance(reason, OutOfTime):  # without a cell to leave out no process comes further; this one answers
                return others if len(others) < len(cells) else None
            return [(each, it) for each, it in others if each < number]
        error = reply.get("error")
        if isinstance(error, dict) and error.get("name") == _STOPPED:
            notes.append(f"code cell {number + 1} was {storable(str(error.get('text')))}")
        cell.outputs = _outputs(reply)
    return None


def _outputs(reply: dict[str, Any]) -> list[NotebookNode]:
    """Return what a cell showed as nbformat's outputs: texts and pictures; anything else is left out."""
    found = []
    shown = reply.get("outputs")
    for output in shown if isinstance(shown, list) else []:
        if isinstance(output, dict) and isinstance(text := output.get("text"), str):
            found.append(nbformat.v4.new_output("stream", name="stdout", text=storable(text)))
        elif isinstance(output, dict) and isinstance(picture := output.get("png"), str):
            found.append(nbformat.v4.new_output("display_data", data={"image/png": storable(picture)}))
    error = reply.get("error")
    if isinstance(error, dict):
        name, text = storable(str(error.get("name"))), storable(str(error.get("text")))
        found.append(nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"]))
    return found
