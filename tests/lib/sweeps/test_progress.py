"""Progress goes to the book's file, to a terminal, or nowhere: never into a page."""

import io
import sys
from types import ModuleType

import pytest

from lib.sweeps.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def stderr(monkeypatch):
    def install(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    monkeypatch.delenv("BOOK_PROGRESS", raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    return install


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("lib.sweeps.progress.time.monotonic", lambda: now[0])
    return now


def test_the_file_of_the_book_says_which_configuration_and_how_long_it_takes(monkeypatch, stderr, clock, tmp_path):
    terminal = stderr(Terminal())
    monkeypatch.setenv("BOOK_PROGRESS", str(tmp_path / "progress"))
    progress = Progress([3.0, 1.0, 1.0, 1.0])
    clock[0] += 90  # half of the cost in 90 s: another 90 s to go
    progress.advance(3.0)
    assert (tmp_path / "progress").read_text() == "configuration 1 of 4 · 1:30 left"
    progress.advance(3.0, 3)
    assert (tmp_path / "progress").read_text() == "configuration 4 of 4 · 0:00 left"
    assert terminal.getvalue() == ""


def test_failures_are_counted(monkeypatch, stderr, clock, tmp_path):
    monkeypatch.setenv("BOOK_PROGRESS", str(tmp_path / "progress"))
    Progress([1.0, 1.0]).advance(1.0, 1, failed=1)
    assert (tmp_path / "progress").read_text() == "configuration 1 of 2 · 0:00 left · 1 failed"


def test_a_terminal_shows_one_line_that_ends_with_the_work(stderr, clock):
    terminal = stderr(Terminal())
    progress = Progress([1.0, 1.0])
    progress.advance(1.0)
    assert "configuration 1 of 2" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
    progress.advance(1.0)
    assert terminal.getvalue().endswith("configuration 2 of 2 · 0:00 left\n")


def test_what_is_no_terminal_stays_silent(stderr, clock):
    stream = stderr(io.StringIO())
    Progress([1.0]).advance(1.0)
    assert stream.getvalue() == ""


def test_a_page_stays_silent_even_where_it_claims_to_be_a_terminal(monkeypatch, stderr, clock):
    stream = stderr(Terminal())
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    Progress([1.0]).advance(1.0)
    assert stream.getvalue() == ""
