"""What .ci/green.py refuses: half a site, results that no GPU has made, rows that were changed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("green", ROOT / ".ci/green.py")
green = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(green)

CUDA = {"threads": None, "instructions": None, "torch": "2.13.0+cu130", "hardware": "NVIDIA H200"}
CPU = {"threads": 1, "instructions": ["avx2"], "torch": "2.13.0+cpu", "hardware": "AMD EPYC"}


@pytest.fixture
def site(tmp_path) -> Path:
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/00_a\nchapters:\n  - file: status\n")
    html = tmp_path / "_build/site/html"
    (html / "chapters").mkdir(parents=True)
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/00_a.md").touch()
    for page in ("index", "chapters/00_a", "status"):
        (html / f"{page}.html").write_text("<article>words</article>")
    (html / "build.json").write_text('{"strict": true}')
    return tmp_path


def test_a_whole_site_is_green(site):
    assert green.main(["site"], root=site) == 0


def test_a_site_without_a_page_without_text_or_with_a_chapter_not_executed_is_not(site, capsys):
    html = site / "_build/site/html"
    (html / "status.html").unlink()
    (html / "chapters/00_a.html").write_text("")
    (html / "build.json").write_text('{"strict": false}')
    assert green.main(["site"], root=site) == 1
    said = capsys.readouterr().err
    assert said.count("is missing or has no text") == 2 and "not every chapter was executed" in said


def notebook(folder: Path, device: str = "cuda", exception: bool | None = None, count: int | None = 1) -> Path:
    path = folder / "out.ipynb"
    about = {"exception": exception, "parameters": {"device": device}}
    content = {"metadata": {"papermill": about}, "cells": [{"cell_type": "code", "execution_count": count}]}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"device": "cpu"}, "does not record device = cuda"),
        ({"exception": True}, "was not executed to its end"),
        ({"count": None}, "was not executed to its end"),
    ],
)
def test_a_notebook_must_record_cuda_and_have_run(tmp_path, changes, fault):
    found = list(green.notebook_faults(notebook(tmp_path, **changes)))
    assert (found == []) if fault is None else (len(found) == 1 and fault in found[0])


def test_a_notebook_as_it_is_committed_is_no_record():
    (fault,) = green.notebook_faults(ROOT / "chapters/09_width.ipynb")
    assert "was not executed by papermill" in fault


@pytest.fixture
def rows(tmp_path) -> Path:
    """A checkout with one row on a processor."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/wide.jsonl").write_text(json.dumps({"key": "a", "failure": None, "provenance": CPU}) + "\n")
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "--quiet"], ["add", "results"], ["commit", "--quiet", "-m", "rows"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return tmp_path


def append(root: Path, name: str, provenance: dict, failure: str | None = None) -> None:
    with open(root / f"results/{name}.jsonl", "a") as file:
        file.write(json.dumps({"key": "b", "failure": failure, "provenance": provenance}) + "\n")


def test_new_rows_must_all_be_of_a_cuda_device(rows, capsys):
    executed = str(notebook(rows))
    assert green.main(["cuda", executed], root=rows) == 1
    assert "no new row was trained" in capsys.readouterr().err
    append(rows, "wide", CUDA)
    append(rows, "fresh", CUDA)
    assert green.main(["cuda", executed], root=rows) == 0
    assert green.main(["cuda"], root=rows) == 1
    append(rows, "fresh", CPU)
    assert green.main(["cuda", executed], root=rows) == 1
    assert "made on AMD EPYC, not on a CUDA device" in capsys.readouterr().err


def test_a_failed_training_is_no_new_row(rows, capsys):
    append(rows, "wide", CUDA, failure="diverged")
    assert green.main(["cuda", str(notebook(rows))], root=rows) == 1
    assert "row b failed: diverged" in capsys.readouterr().err


def test_rows_may_be_appended_and_nothing_else_changed(rows, capsys):
    append(rows, "wide", CUDA)
    assert green.main(["appended"], root=rows) == 0
    path = rows / "results/wide.jsonl"
    path.write_text(path.read_text().replace('"a"', '"c"'))
    assert green.main(["appended"], root=rows) == 1
    assert "has lost 1 lines" in capsys.readouterr().err
    subprocess.run(["git", "-C", rows, "checkout", "--quiet", "results"], check=True)
    (rows / "results/verdicts.json").write_text("{}")
    subprocess.run(["git", "-C", rows, "add", "results/verdicts.json"], check=True)
    assert green.main(["appended"], root=rows) == 1
    assert "holds no rows" in capsys.readouterr().err
