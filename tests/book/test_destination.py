"""Where `book run` writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest

from book.__main__ import main
from book.destination import check_destination

NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
CELL = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": "1"}


def make(kind: str, path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(path.with_name("target.ipynb"))
        path.resolve().write_text(json.dumps(NOTEBOOK | {"cells": [CELL]}))
    elif kind == "dangling link":
        path.symlink_to(path.with_name("nowhere.ipynb"))
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "device":
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    elif kind == "notebook that has not run":
        path.write_text(json.dumps(NOTEBOOK | {"cells": [CELL | {"execution_count": None}]}))
    else:
        path.write_text({"text": "no notebook", "nothing": "", "deep": "[" * 10**5, "list": "[]", "null": "null"}[kind])


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("folder", "is a folder, not a file"),
        ("link", "is a link, not a file"),
        ("dangling link", "is a link, not a file"),
        ("link to itself", "is a link, not a file"),
        ("pipe", "is a pipe, not a file"),
        ("socket", "is a socket, not a file"),
        *([("device", "is a device, not a file")] if os.geteuid() == 0 else []),  # root alone can make one
        ("notebook that has not run", "exists and is no executed notebook"),
        ("text", "exists and is no executed notebook"),
        ("nothing", "exists and is no executed notebook"),
        ("deep", "exists and is no executed notebook"),
        ("list", "exists and is no executed notebook"),
        ("null", "exists and is no executed notebook"),
    ],
)
def test_what_is_there_already_is_left_alone(project, tmp_path, refused, kind, sentence):
    path = tmp_path / "o.ipynb"
    make(kind, path)
    before = path.lstat()
    assert sentence in refused(lambda: check_destination(project, path))
    assert path.lstat() == before


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("results.jsonl", "must be a notebook; give a name that ends with .ipynb"),
        ("_toc.yml", "must be a notebook"),
        ("chapters/01_width.md", "must be a notebook"),
        ("", "must be a notebook"),
        ("-", "must be a notebook"),
        ("a" * 300 + ".ipynb", "cannot be written: File name too long"),
        ("nowhere/out.ipynb", "does not exist; create it first."),
        ("_toc.yml/out.ipynb", "cannot be written: Not a directory"),
        ("out\0.ipynb", "cannot be written"),
        ("chapters/01_width.ipynb", "lies in chapters/, which is the book's own"),
        ("chapters/new.ipynb", "lies in chapters/, which is the book's own"),
        ("link/new.ipynb", "lies in chapters/, which is the book's own"),
        ("_build/executed/quick/01_width.ipynb", "lies in _build/, which is the book's own"),
    ],
)
def test_names_that_are_the_books_or_no_notebooks_are_refused(built, monkeypatch, capsys, name, sentence):
    monkeypatch.chdir(built.root)
    (built.root / "link").symlink_to("chapters")
    assert main(["run", "01_width", "-o", name], root=built.root) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("book: ") and error.count("\n") == 1 and len(error) < 250


def test_nothing_under_version_control_is_overwritten(project, tmp_path, refused):
    path = tmp_path / "kept [1].ipynb"
    path.write_text(json.dumps(NOTEBOOK | {"cells": [CELL]}))
    check_destination(project, path)
    for arguments in (["init", "-q"], ["add", "--all"]):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    assert "is under version control" in refused(lambda: check_destination(project, path))
    path.unlink()
    assert "is under version control" in refused(lambda: check_destination(project, path))
    check_destination(project, tmp_path / "kept 1.ipynb")


def test_an_executed_notebook_is_written_again(project, tmp_path):
    path = tmp_path / "out.ipynb"
    for name in ("02_depth", "00_overview", "02_depth"):
        assert main(["run", name, "-o", str(path)], root=project.root) == 0
        assert not list(tmp_path.glob(".*"))
