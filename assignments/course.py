"""A teacher's course folder, laid out as nbgrader lays it out, and what this package keeps beside it.

release/NAME/NAME.ipynb                       what the class gets
release-per-student/STUDENT/NAME/NAME.ipynb   what each student gets, where variants were drawn
submitted/STUDENT/NAME/*.ipynb                what came back; nothing here writes into it
autograded/STUDENT/NAME/NAME.ipynb            with outputs, for nbgrader's form grader
feedback/STUDENT/NAME/NAME.html               what students read
gradebook.db, nbgrader_config.py              nbgrader's
variants/NAME.json                            the parameters of the class and of each student
graded/STUDENT/NAME.json                      what came of each question
"""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assignments.masters import Master, read_master
from book.errors import BookError
from book.files import write_atomically, write_if_changed

_NAME = re.compile(r"[^/\\\0]{1,100}")


@dataclass(frozen=True)
class Course:
    """The paths of one course."""

    root: Path

    @property
    def submitted(self) -> Path:
        return self.root / "submitted"

    @property
    def database(self) -> str:
        """The gradebook's URL."""
        return f"sqlite:///{self.root / 'gradebook.db'}"

    def release(self, assignment: str, student: str | None = None) -> Path:
        """The released notebook of the class or of one student."""
        folder = self.root / "release" if student is None else self.root / "release-per-student" / checked(student)
        return folder / assignment / f"{assignment}.ipynb"

    def autograded(self, student: str, assignment: str) -> Path:
        return self.root / "autograded" / checked(student) / assignment / f"{assignment}.ipynb"

    def feedback(self, student: str, assignment: str) -> Path:
        return self.root / "feedback" / checked(student) / assignment / f"{assignment}.html"

    def record(self, student: str, assignment: str) -> Path:
        return self.root / "graded" / checked(student) / f"{assignment}.json"

    def set_up(self) -> None:
        """Make the folder, with nbgrader's configuration where there is none."""
        self.submitted.mkdir(parents=True, exist_ok=True)
        if not (self.root / "nbgrader_config.py").exists():
            shutil.copyfile(Path(__file__).with_name("nbgrader_config.py"), self.root / "nbgrader_config.py")

    def write_variants(self, assignment: str, of_class: Mapping[str, Any], students: Mapping[str, Any]) -> None:
        """Keep which values were released to whom; grading reads them here, not in the notebooks that come back."""
        content = {"class": dict(of_class), "students": {name: dict(values) for name, values in students.items()}}
        data = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True).encode()
        write_if_changed(self.root / "variants" / f"{assignment}.json", data)

    def variants(self, assignment: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return the values of the class and of each student; both empty where nothing was released from here."""
        path = self.root / "variants" / f"{assignment}.json"
        if not path.is_file():
            return {}, {}
        try:
            content = json.loads(path.read_bytes())
            return content["class"], content["students"]
        except (ValueError, KeyError, TypeError):
            raise BookError(f"{path} is damaged; release {assignment} once more, with the same parameters.") from None

    def variant(self, assignment: str, student: str | None = None) -> Master:
        """Return the master as it was released to a student, or to the class."""
        of_class, students = self.variants(assignment)
        return read_master(assignment).vary(students.get(student, of_class) if student else of_class)

    def write_record(self, student: str, assignment: str, content: Mapping[str, Any]) -> None:
        data = json.dumps(content, indent=1, ensure_ascii=False).encode()
        write_atomically(self.record(student, assignment), data)

    def read_record(self, student: str, assignment: str) -> dict[str, Any] | None:
        """Return what was kept of a graded submission, None where there is nothing that can be read."""
        try:
            content = json.loads(self.record(student, assignment).read_bytes())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def checked(student: str) -> str:
    """Return a student's name, which is a folder's name too.

    Raises:
        BookError: it cannot be one.
    """
    if not _NAME.fullmatch(student) or student in (".", "..") or student != student.strip():
        raise BookError(f"a student's name must be a folder's name of at most 100 characters, not {student!r}.")
    return student


def alike(student: str) -> str:
    """Return a name without case, accents' form and spaces: two that are one then may be one folder on some disk."""
    return unicodedata.normalize("NFKC", student).casefold().replace(" ", "")
