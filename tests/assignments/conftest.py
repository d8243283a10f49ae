"""Courses to grade in, with a gradebook that is made once: nbgrader takes seconds for an empty one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from classroom import FIRST

from assignments import gradebook
from assignments.course import Course
from assignments.masters import read_master


@pytest.fixture(scope="session")
def new_course(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Course]:
    """Make a course in a folder, with an empty gradebook."""
    first = Course(tmp_path_factory.mktemp("empty"))
    with gradebook.opened(first):
        pass

    def make(folder: Path) -> Course:
        course = Course(folder)
        course.set_up()
        shutil.copyfile(first.root / "gradebook.db", folder / "gradebook.db")
        return course

    return make


@pytest.fixture(scope="session")
def first_course(new_course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course that has released the first assignment."""
    course = new_course(tmp_path_factory.mktemp("course"))
    gradebook.register(course, read_master(FIRST))
    return course
