"""Grade what was handed in: several at a time, each student for himself; what is graded already is not run again."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from assignments import gradebook
from assignments.checking import Reference
from assignments.confinement.process import CannotConfine, Confined, Limits
from assignments.course import Course
from assignments.masters import Master, mark
from assignments.releasing import release_notebook
from assignments.running import Graded, grade_notebook, reference_of
from assignments.submissions import (
    Submission,
    Unreadable,
    find_notebook,
    merge,
    read_notebook,
    submissions,
    taught_imports,
)
from book.errors import BookError, listing
from book.files import write_atomically


@dataclass
class Result:
    """A line of the summary: points of those that a program gives, or why there are none."""

    student: str
    score: float | None = None
    points: float = 0.0
    notes: list[str] = field(default_factory=list)
    problem: str | None = None
    fresh: bool = True


@dataclass(frozen=True)
class Grading:
    """How one assignment of a course is graded."""

    course: Course
    assignment: str
    secret: str
    limits: Limits
    confined: bool
    workers: int
    again: bool

    def run(self, tell: Callable[[int, int, Result], None]) -> list[Result]:
        """Grade every submission and tell each as it is done; return all by student.

        What goes wrong with one student is that student's result; the others are graded.

        Raises:
            CannotConfine: this machine does not allow the jail.
        """
        handed_in = submissions(self.course.submitted, self.assignment)
        results: list[Result] = []
        with self._class_reference(handed_in) as reference, ThreadPoolExecutor(self.workers) as pool:
            jobs: dict[Future[Result], Submission] = {
                pool.submit(self._one, submission, reference): submission for submission in handed_in
            }
            try:
                for job in as_completed(jobs):
                    result = self._result(job, jobs[job])
                    results.append(result)
                    tell(len(results), len(jobs), result)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                Confined.end_all()
                raise
        return sorted(results, key=lambda result: result.student)

    @contextlib.contextmanager
    def _class_reference(self, handed_in: list[Submission]) -> Iterator[Reference | None]:
        """Yield the reference of the class's variant, or None where every student has one of his own."""
        _, students = self.course.variants(self.assignment)
        if all(submission.student in students for submission in handed_in):
            yield None
            return
        with reference_of(self.course.variant(self.assignment), self.limits, self.confined) as reference:
            yield reference

    def _result(self, job: Future[Result], submission: Submission) -> Result:
        try:
            return job.result()
        except Unreadable as reason:
            problem = str(reason)
        except (gradebook.NotKept, BookError) as reason:
            problem = str(reason)
        except CannotConfine:
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            problem = "the disk is full" if full else f"{error.filename or 'a file'}: {error.strerror}"
        except Exception as error:
            problem = f"the grader failed ({type(error).__name__}: {error})"
        return Result(submission.student, problem=problem)

    def _one(self, submission: Submission, reference: Reference | None) -> Result:
        path = find_notebook(submission, self.assignment)
        notebook, digest = read_notebook(path)
        _, students = self.course.variants(self.assignment)
        master = self.course.variant(self.assignment, submission.student)
        key = self._key(master, digest)
        known = self.course.read_record(submission.student, self.assignment)
        if known and known["key"] == key and not self.again:
            return Result(submission.student, known["score"], known["points"], known["notes"], fresh=False)
        merged, notes = merge(release_notebook(master), notebook)
        with contextlib.ExitStack() as stack:
            if submission.student in students or reference is None:
                reference = stack.enter_context(reference_of(master, self.limits, self.confined))
            graded = grade_notebook(
                master, merged, submission.folder, reference, self.secret, self.limits, self.confined
            )
        if taught := taught_imports(master, merged):
            notes.append(f"imports {', '.join(taught)}, which this assignment teaches")
        graded.notes = notes + graded.notes
        return self._keep(submission, master, graded, key, os.stat(path).st_mtime)

    def _keep(self, submission: Submission, master: Master, graded: Graded, key: str, changed: float) -> Result:
        """Keep notebook, points and record, the record last: what it tells is there."""
        released = {mark(cell)["grade_id"]: cell.source for cell in release_notebook(master).cells if mark(cell)}
        answered = {
            mark(cell)["grade_id"]: cell.source.strip() != released[mark(cell)["grade_id"]].strip()
            for cell in graded.notebook.cells
            if mark(cell).get("solution")
        }
        data = nbformat.writes(graded.notebook).encode()
        write_atomically(self.course.autograded(submission.student, self.assignment), data)
        gradebook.keep(self.course, master, submission.student, graded.outcomes, answered, changed)
        score, most = sum(outcome.score for outcome in graded.outcomes), sum(each.points for each in graded.outcomes)
        content = {
            "key": key,
            "score": score,
            "points": most,
            "notes": graded.notes,
            "outcomes": [
                {
                    "question": each.question,
                    "score": each.score,
                    "points": each.points,
                    "aspects": {aspect: [each.passed[aspect], total] for aspect, total in each.cases.items()},
                    "notes": list(each.notes),
                }
                for each in graded.outcomes
            ],
        }
        self.course.write_record(submission.student, self.assignment, content)
        return Result(submission.student, score, most, graded.notes)

    def _key(self, master: Master, digest: str) -> str:
        """Return the digest of all that a grade depends on."""
        sources = [cell.source for cell in master.notebook.cells]
        parts = [digest, *sources, json.dumps(master.values, sort_keys=True), self.secret]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def workers_of_this_machine() -> int:
    """Return how many submissions are run at once: one a core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_written(path: Path, master: Master) -> list[gradebook.ByHand]:
    """Return what a CSV file gives by hand: columns student, question, points and, if there is one, comment.

    Raises:
        BookError: it is no such file, or a line is wrong; nothing is entered then.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BookError(f"{path} must be a CSV file in UTF-8.") from None
    lines = csv.DictReader(io.StringIO(text))
    try:
        missing = {"student", "question", "points"} - set(lines.fieldnames or ())
        if missing:
            raise BookError(
                f"{path} needs the columns student, question and points; {', '.join(sorted(missing))} is missing."
            )
        return [_by_hand(line, f"{path}, line {lines.line_num}", master) for line in lines]
    except csv.Error as error:  # such as a quotation mark that never closes
        raise BookError(f"{path} must be a CSV file, and is none after line {lines.line_num} ({error}).") from None


def _by_hand(line: dict[str, str | None], where: str, master: Master) -> gradebook.ByHand:
    written = [question.name for question in master.questions if question.written]
    if line["question"] not in written:
        raise BookError(
            f"{where}: {line['question']!r} is no question of {master.name} that is graded by hand; "
            f"such questions are: {listing(written)}."
        )
    try:
        points = float(line["points"] or "")
    except ValueError:
        raise BookError(f"{where}: points must be a number, such as 4.5, not {line['points'] or ''!r}.") from None
    return gradebook.ByHand(line["student"] or "", line["question"], points, line.get("comment") or "")
