"""What a build shows on the terminal while it runs."""

from __future__ import annotations

import io
import time

import pytest

from book import progress
from book.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def running(tmp_path):
    line = tmp_path / "line"
    shown = Progress(3, io.StringIO())
    shown.start("09_width", line)
    return shown, line


def test_a_chapter_shows_its_cell_and_the_line_of_its_kernel(running):
    shown, line = running
    assert shown.line() == "chapters 0/3 · 09_width cell 0/?"
    shown.cell("09_width", 4, 12)
    assert shown.line() == "chapters 0/3 · 09_width cell 4/12"
    line.write_text("configuration 2 of 20 · 0:50 left\nconfiguration 3 of 20 · 0:42 left\n")
    assert shown.line() == "chapters 0/3 · 09_width cell 4/12 (configuration 3 of 20 · 0:42 left)"
    line.write_bytes(b"\xff\n")
    assert "09_width cell 4/12" in shown.line()


def test_chapters_done_are_counted(running):
    shown, _ = running
    shown.end("09_width", "executed in 3.0 s")
    assert shown.line() == "chapters 1/3"
    assert shown._stream.getvalue() == "[1/3] 09_width executed in 3.0 s\n"


def wait_for(stream: io.StringIO, text: str) -> str:
    deadline = time.monotonic() + 30
    while text not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.01)
    return stream.getvalue()


def test_a_terminal_has_one_line_that_is_redrawn(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    with Progress(2, stream) as shown:
        shown.start("09_width_and_a_very_long_name_of_a_chapter", tmp_path / "line")
        text = wait_for(stream, "chapters 0/2 · 09_width")
    redrawn = text.split("\r\x1b[K")
    assert all("\n" not in line and len(line) < 40 for line in redrawn)
    assert stream.getvalue().endswith("\r\x1b[K")  # nothing is left of it


def test_without_a_terminal_lines_are_plain_and_sparse(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0.01)
    stream = io.StringIO()
    with Progress(2, stream) as shown:
        shown.start("09_width", tmp_path / "line")
        time.sleep(0.1)
        assert stream.getvalue() == ""
        monkeypatch.setattr(progress, "_PLAIN_SECONDS", 0.02)
        wait_for(stream, "chapters 0/2 · 09_width cell 0/?\n")
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()
