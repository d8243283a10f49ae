"""What the tests of the book and of the built site share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the real book's HTML, built once a session or reused where it is up to date."""
    from book.build import build
    from book.project import Project

    project = Project(ROOT)
    report = build(project, "quick", only=None, overrides={})
    assert not report.failures, "\n".join(f"{failure}\n{failure.traceback}" for failure in report.failures)
    return project.html


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let processes started here be interrupted, also where a shell's background job has told us to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
