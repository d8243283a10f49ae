"""A small class is graded, timed and recorded."""

import json

import pytest

from assignments.course import Course
from assignments.masters import read_master
from assignments.releasing import release_notebook
from assignments.submissions import merge, read_notebook
from benchmarks.classroom import hand_in, main


def test_a_class_hands_in_four_kinds(tmp_path):
    hand_in(Course(tmp_path), "01_initialization", 4)
    release = release_notebook(read_master("01_initialization"))
    texts = []
    for path in sorted(tmp_path.rglob("*.ipynb")):
        merged, notes = merge(release, read_notebook(path)[0])
        assert notes == []
        texts.append("".join(cell.source for cell in merged.cells))
    solved, mistaken, broken, untouched = texts
    assert len(set(texts)) == 4 and "return 2 * " in mistaken and "undefined_name" in broken
    assert "raise NotImplementedError" in untouched and "raise NotImplementedError" not in solved


@pytest.mark.nightly
def test_a_class_is_timed(tmp_path, capsys):
    assert main(["--assignment", "3", "--students", "2", "--results", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "classroom-cpu.json").read_text())
    assert record["assignment"] == "03_theorem_1" and record["students"] == 2
    assert record["seconds"] > 0 and min(record["peak_bytes_by_third"]) > 2**20
    assert "2 of 03_theorem_1" in capsys.readouterr().out
