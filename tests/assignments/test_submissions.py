"""A submission may be any bytes; of a notebook only what a student may write is taken."""

import json
import os

import nbformat
import pytest
from classroom import cell, solved, untouched

from assignments.masters import read_master
from assignments.submissions import (
    Submission,
    Unreadable,
    copy_beside,
    find_notebook,
    merge,
    read_notebook,
    submissions,
    taught_imports,
)


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cells": [', "broken JSON"),
        (b"\xff\xfe", "broken JSON"),
        ("[1, 2]", "no notebook"),
        ("{}", "no notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "no notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "no notebook"),
        ("[" * 100_000, "no notebook"),
        (b" " * (10 * 2**20 + 1), "larger than 10 MiB"),
    ],
)
def test_what_is_no_notebook_is_told(tmp_path, text, said):
    with pytest.raises(Unreadable, match=said):
        read_notebook(write(tmp_path, "a.ipynb", text))


def test_a_byte_order_mark_is_passed_over(tmp_path):
    notebook, _ = read_notebook(write(tmp_path, "a.ipynb", "\ufeff" + nbformat.writes(solved())))
    assert len(notebook.cells) == len(solved().cells)


def test_half_a_character_is_replaced(tmp_path):
    handed_in = solved()
    cell(handed_in, "betas").source = "x = '\ud800'"
    path = write(tmp_path, "a.ipynb", json.dumps(handed_in))
    assert cell(read_notebook(path)[0], "betas").source == "x = '?'"


def test_links_and_pipes_are_not_read(tmp_path):
    (tmp_path / "link.ipynb").symlink_to(write(tmp_path, "neighbour", nbformat.writes(solved())))
    os.mkfifo(tmp_path / "pipe.ipynb")
    for name in ("link.ipynb", "pipe.ipynb"):
        with pytest.raises(Unreadable):
            read_notebook(tmp_path / name)


def test_a_missing_and_a_second_notebook_are_told(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(Unreadable, match=r"no notebook; x\.ipynb is missing"):
        find_notebook(Submission("a", tmp_path / "a"), "x")
    write(tmp_path / "a", "x.ipynb", "")
    assert find_notebook(Submission("a", tmp_path / "a"), "x").name == "x.ipynb"
    write(tmp_path / "a", "x (1).ipynb", "")
    with pytest.raises(Unreadable, match="2 notebooks"):
        find_notebook(Submission("a", tmp_path / "a"), "x")


def test_two_submissions_of_one_name_are_both_told(tmp_path):
    for name in ("Zoe\u0308", "zo\u00eb", "adam"):
        write(tmp_path / name / "x", "x.ipynb", "")
    found = {each.student: each for each in submissions(tmp_path, "x")}
    assert found["adam"].clash is None
    for name in ("Zoe\u0308", "zo\u00eb"):
        with pytest.raises(Unreadable, match="two submissions of one name"):
            find_notebook(found[name], "x")


def test_only_solutions_are_taken():
    handed_in = solved()
    cell(handed_in, "test-betas").source = "pass"
    cell(handed_in, "sizes").source = "width = 1"
    handed_in.cells.remove(cell(handed_in, "derivative"))
    handed_in.cells.insert(5, nbformat.v4.new_code_cell("helper = 1"))
    merged, notes = merge(untouched(), handed_in)
    release = untouched()
    for name in ("test-betas", "sizes", "derivative"):
        assert cell(merged, name).source == cell(release, name).source
    assert cell(merged, "betas").source == cell(solved(), "betas").source
    assert [each.source for each in merged.cells].index("helper = 1") > 2
    assert notes == ["put back as released: sizes, test-betas", "missing, put back empty: derivative"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from lib import estimators\nfrom lib.balls import unit", ["lib.balls", "lib.estimators"]),
        ("%matplotlib inline\nimport lib.estimators.spectrum as s", ["lib.estimators"]),
        ("from lib.networks import FCN", []),
        ("import (", []),
        ("a = '\0'", []),
    ],
)
def test_imports_of_what_is_taught_are_told(source, told):
    name = "02_perturbation_stability"
    handed_in = solved(name)
    handed_in.cells.append(nbformat.v4.new_code_cell(source))
    assert taught_imports(read_master(name), handed_in) == told


def test_a_copied_cell_counts_once():
    handed_in = solved()
    twin = cell(handed_in, "betas").copy()
    twin["source"] = "betas = None"
    handed_in.cells.append(twin)
    merged, _ = merge(untouched(), handed_in)
    assert cell(merged, "betas").source == cell(solved(), "betas").source
    assert merged.cells[-1].source == "betas = None" and not merged.cells[-1].metadata


def test_a_release_that_comes_back_is_itself():
    merged, notes = merge(untouched(), untouched())
    assert [each.source for each in merged.cells] == [each.source for each in untouched().cells] and notes == []


def test_links_stay_behind_when_a_folder_is_copied(tmp_path):
    write(tmp_path / "own" / "data", "a.csv", "1")
    (tmp_path / "own" / "secret").symlink_to(write(tmp_path, "secret", "x"))
    (tmp_path / "own" / "folder").symlink_to(tmp_path)
    copy_beside(tmp_path / "own", tmp_path / "copy")
    there = sorted(path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*"))
    assert there == ["data", "data/a.csv"]
