"""What a page weighs and how soon it is seen: recorded page by page, and told from the record."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.pages import main
from benchmarks.timings import page_words, recorded
from book.project import Project

LOADS = "<script>fetch('../b.bin').then(part => part.text())</script>"
PAGE = f"<!doctype html><link rel=stylesheet href='../a.css'><body>words{LOADS}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/00_a\nchapters:\n  - file: chapters/01_b\n")
    html = tmp_path / "_build/site/html"
    for folder in (tmp_path / "chapters", html / "chapters"):
        folder.mkdir(parents=True)
    for name in ("00_a", "01_b"):
        (tmp_path / f"chapters/{name}.md").touch()
        (html / f"chapters/{name}.html").write_text(PAGE)
    (html / "index.html").write_text(PAGE)
    (html / "a.css").write_text("body { color: #000 }")
    (html / "b.bin").write_bytes(b"x" * 1000)
    (html / "nobody-loads-it.bin").write_bytes(b"x" * 5000)
    return Project(tmp_path)


def test_a_page_is_weighed_with_what_it_loads_and_goes_on_where_it_stopped(project, tmp_path, capsys):
    if "BOOK_BROWSER" not in os.environ:
        pytest.skip("BOOK_BROWSER names no Chromium to open pages in")
    command = ["--repeats", "2", "--results", str(tmp_path / "results")]
    assert main(command, project) == 0
    cells = json.loads((tmp_path / "results/pages-cpu.json").read_text())["cells"]
    assert [cell["settings"]["page"] for cell in cells] == ["chapters/00_a", "chapters/01_b"]
    assert {cell["bytes"] for cell in cells} == {len(PAGE) + len("body { color: #000 }") + 1000}
    assert all(0 < seconds < 60 for cell in cells for seconds in cell["contenders"]["first paint"]["repeats"])
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(command, project) == 0 and capsys.readouterr().out == ""


def test_without_a_site_or_a_browser_it_says_so(project, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BOOK_BROWSER", "/nowhere/chromium")
    assert main(["--results", str(tmp_path)], project) == 1
    assert "/nowhere/chromium" in capsys.readouterr().err
    (project.html / "index.html").unlink()
    assert main(["--results", str(tmp_path)], project) == 1
    assert "make book" in capsys.readouterr().err


def test_the_record_is_told_and_its_absence_too():
    assert page_words(None) == "Not measured yet."

    def cell(page: str, size: int, seconds: float) -> dict:
        paint = {"min": seconds, "median": 2 * seconds, "max": 3 * seconds}
        return {
            "settings": {"page": page},
            "bytes": size,
            "load": 3.2,
            "contenders": {"first paint": paint},
            "ratios": {},
        }

    where = {"browser": "148.0.1", "hardware": "a processor", "cores": 2}
    cells = [cell("a", 1_000_000, 0.1), cell("b", 2_340_000, 0.2), cell("c", 10, 0.44)]
    text = page_words({"cells": cells, "environment": where, "protocol": {"repeats": 5}})
    for part in (
        "3 pages",
        "2.3 MB",
        "0.20 s",
        "0.44 s",
        "5 openings",
        "Chromium 148 ",
        "a processor, 2 cores",
        "load up to 3)",
    ):
        assert part in text


def test_the_published_record_keeps_what_is_promised():
    record = recorded("pages")
    assert record["command"] == "python -m benchmarks.pages"
    assert all(cell["bytes"] < 2_500_000 for cell in record["cells"])
