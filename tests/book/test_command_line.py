"""The commands: exit codes, one sentence for each fault, and the files that they write."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import urllib.request

import pytest

from book.__main__ import main
from book.chapters import read_chapter, read_chapters
from book.profiles import parse_overrides, resolve
from book.provenance import papermill_command, run_command
from book.serve import server


def said(capsys) -> str:
    error = capsys.readouterr().err
    assert error.startswith("book: ") and error.count("\n") == 1, error
    return error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["build", "--profile", "quik"], 'There is no profile "quik"; did you mean "quick"?'),
        (["build", "--only", "01_widht"], 'There is no chapter "01_widht"; did you mean "01_width"?'),
        (["build", "-p", "widths=[]"], "01_width: the parameter widths cannot be []"),
        (["build", "-p", "lrr=1"], 'has a parameter "lrr"; did you mean "lr"?'),
        (["build", "-p", "lr"], '-p takes name=value, not "lr".'),
        (["run", "01_widht"], 'There is no chapter "01_widht"'),
        (["run", "01_width", "-p", "depth=3"], '01_width has no parameter "depth"'),
        (["run", "01_width", "--profile", "quik"], 'There is no profile "quik"'),
        (["run", "01_width", "-o", "nowhere/out.ipynb"], "The folder nowhere/ of the output does not exist"),
        (["serve"], "There is no site yet; run `make book` first."),
    ],
)
def test_wrong_input_is_one_sentence_and_executes_nothing(project, capsys, arguments, sentence):
    assert main(arguments, root=project.root) == 2
    assert sentence in said(capsys)
    assert not (project.build / "executed").exists() and not project.html.exists()


@pytest.mark.parametrize("missing", ["_config.yml", "references.bib"])
def test_a_missing_file_of_the_book_is_one_sentence(built, capsys, missing):
    (built.root / missing).unlink()
    assert main(["build"], root=built.root) == 2
    assert f"{missing} does not exist." in said(capsys)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys):
    assert main(["build"], root=tmp_path) == 2
    assert "holds no _toc.yml" in said(capsys)


def test_a_place_that_cannot_be_written_is_one_sentence(project, capsys):
    project.build.write_text("a file where the folder should be")
    assert main(["build"], root=project.root) == 2
    assert f"cannot use {project.build}" in said(capsys)


def test_run_writes_the_executed_notebook_of_the_given_parameters(project, tmp_path, capsys):
    output = tmp_path / "out.ipynb"
    arguments = ["run", "01_width", "-p", "lr=1e-2", "-p", "widths=[3]", "-o", str(output)]
    assert main(arguments, root=project.root) == 0
    assert "01_width ran in" in capsys.readouterr().out
    cells = json.loads(output.read_bytes())["cells"]
    assert cells[1]["source"][:2] == [
        "widths: list[int] = [3]  # widths of the hidden layers [2..16]\n",
        "lr: float = 0.01  # learning rate (0..10]\n",
    ]
    assert cells[-1]["outputs"][-1]["text"] == ["widths [3] total 3\n"]


def test_run_starts_from_a_profile_where_one_is_named(project, tmp_path):
    output = tmp_path / "out.ipynb"
    assert main(["run", "01_width", "--profile", "wide", "-o", str(output)], root=project.root) == 0
    assert "widths [16] total 16" in output.read_text()


def test_papermill_alone_runs_a_pair_with_the_command_of_the_footer(project, tmp_path):
    assert main(["pair"], root=project.root) == 0
    chapter = read_chapter(project, "01_width")
    values = {"widths": [3, 5], "lr": 1e-5, "scaling": "raw", "biased": True}
    command = papermill_command(chapter, values).replace("papermill", f"{sys.executable} -m papermill", 1)
    # The book's own `lib` must be found, also where whoever runs this test points Python to another one.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, shell=True, cwd=project.root, check=True, capture_output=True, env=plain)
    cells = json.loads((project.root / "01_width.out.ipynb").read_bytes())["cells"]
    assert "".join(cells[2]["source"]).splitlines()[1:] == [
        "widths = [3, 5]",
        "lr = 1e-05",
        'scaling = "raw"',
        "biased = True",
    ]
    assert cells[-1]["outputs"][-1]["text"] == ["widths [3, 5] total 8\n"]


def test_the_command_of_the_footer_gives_the_same_parameters(project):
    chapters = read_chapters(project)
    values = {"widths": [3, 5], "lr": 1e-5, "scaling": "raw", "biased": True}
    words = shlex.split(run_command(chapters["01_width"], values))
    assert words[:5] == ["python", "-m", "book", "run", "01_width"] and words[5::2] == ["-p"] * 4
    assert resolve(chapters, ["01_width"], None, parse_overrides(words[6::2]))["01_width"] == values


def test_a_run_that_fails_writes_nothing(project, edit, tmp_path, capsys):
    edit(project.root / "lib" / "sums.py", "return sum(values)", "raise OSError('no data')")
    output = tmp_path / "out.ipynb"
    assert main(["run", "01_width", "-o", str(output)], root=project.root) == 1
    error = capsys.readouterr().err
    assert "book: 01_width: code cell 2 of 2 (chapters/01_width.md:26) raised OSError: no data" in error
    assert not output.exists()


def test_pair_and_check(project, edit, capsys):
    assert main(["check"], root=project.root) == 1
    assert "chapters/01_width.ipynb is missing" in capsys.readouterr().err
    assert main(["pair"], root=project.root) == 0
    assert "wrote chapters/00_overview.ipynb, chapters/01_width.ipynb" in capsys.readouterr().out
    assert main(["pair"], root=project.root) == 0
    assert main(["check"], root=project.root) == 0
    assert "every pair was up to date" in capsys.readouterr().out


def test_the_module_is_a_command(project):
    done = subprocess.run(
        [sys.executable, "-m", "book", "build", "--only", "nine"], cwd=project.root, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith('book: There is no chapter "nine"')


def test_a_taken_port_does_not_keep_the_site_from_being_served(built):
    with server(built, 0) as first, server(built, first.server_address[1]) as second:
        threading.Thread(target=second.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{second.server_address[1]}/chapters/01_width.html"
        with urllib.request.urlopen(address) as answer:
            assert b"widths [2, 8] total 10" in answer.read()
            assert answer.headers["Cache-Control"] == "no-store"
        second.shutdown()
