"""Shapes are checked in every test; what the tests of the book and of the built site share."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Where tests run side by side, a process has one core; threads that wait for each other would take the other's.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import shape_checks

ROOT = Path(__file__).parents[1]


shape_checks.install()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file, or of a page of the site, in one process: they share what is dear to set up."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFileOrPage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            page = re.search(r"\[(chapters/\w+)", nodeid)
            return f"{nodeid.partition('::')[0]} {page[1] if page else ''}"

    return ByFileOrPage(config, log)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one process of the tests build the book; the others find it up to date."""
    folder = os.open(Path(__file__).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the real book's HTML, built once a session or reused where it is up to date."""
    from book.build import build
    from book.project import Project

    project = Project(ROOT)
    with _one_at_a_time():
        report = build(project, "quick", only=None, overrides={})
    assert not report.failures, "\n".join(f"{failure}\n{failure.traceback}" for failure in report.failures)
    return project.html


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let processes started here be interrupted, also where a shell's background job has told us to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
