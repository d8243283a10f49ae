"""One chapter in its kernel: what runs, and what is said when it does not end."""

from __future__ import annotations

import platform

import pytest

from book.chapters import read_chapter
from book.errors import uncoloured
from book.execute import ChapterFailure, run_chapter


def run(project, name, time_limit=60, **values):
    chapter = read_chapter(project, name)
    defaults = {parameter.name: parameter.default for parameter in chapter.parameters.values()}
    return run_chapter(chapter, defaults | values, project.root, time_limit)


def failure(project, time_limit=60) -> ChapterFailure:
    with pytest.raises(ChapterFailure) as error:
        run(project, "01_width", time_limit)
    assert "\n" not in str(error.value)
    return error.value


def test_the_run_has_the_given_parameters_and_this_checkouts_library(project, edit):
    edit(project.root / "lib" / "sums.py", "sum(values)", "1000 + sum(values)")
    done = run(project, "01_width", widths=[2, 16])
    code = [cell for cell in done.notebook.cells if cell.cell_type == "code"]
    assert len(code) == 2  # nothing injected, nothing left of the cell that asks for the environment
    assert code[0].source.splitlines()[0] == "widths: list[int] = [2, 16]  # widths of the hidden layers [2..16]"
    assert code[1].outputs[-1].text == "widths [2, 16] total 1018\n"
    assert done.versions["python"] == platform.python_version()
    assert done.device.startswith("CPU, ") and done.seconds > 0


def test_the_kernel_finds_the_environment_of_the_book(project, edit, tmp_path):
    edit(
        project.chapters / "02_depth.md",
        'print("product"',
        'print(os.environ["OMP_NUM_THREADS"], pathlib.Path.cwd().name)\nprint("product"',
    )
    chapter = read_chapter(project, "02_depth")
    heard = []
    line = tmp_path / "line"
    done = run_chapter(
        chapter, {"depth": 2}, project.root, on_cell=lambda cell, cells: heard.append((cell, cells)), progress_file=line
    )
    assert done.notebook.cells[-1].outputs[0].text == "1 book\nproduct 4\n"
    assert line.read_text() == "configuration 1 of 1"
    assert heard[:2] == [(1, 2), (2, 2)]


def test_a_cell_that_raises_is_named_with_its_place_and_traceback(project, edit):
    edit(project.chapters / "01_width.md", 'print("widths"', 'total(5)\nprint("widths"')
    error = failure(project)
    assert str(error) == (
        "01_width: code cell 2 of 2 (chapters/01_width.md:26) raised TypeError: 'int' object is not iterable"
    )
    traceback = uncoloured(error.traceback)
    assert "total(5)" in traceback and "sum(values)" in traceback


def test_a_kernel_that_dies_is_one_sentence_with_its_last_words(project, edit):
    edit(
        project.chapters / "01_width.md",
        'print("widths"',
        'import os\nos.write(2, b"out of memory")\nos._exit(3)\nprint("widths"',
    )
    error = failure(project)
    assert str(error).startswith("01_width: the kernel died in code cell 2 of 2 (chapters/01_width.md:26)")
    assert error.traceback == "out of memory"


@pytest.mark.parametrize(
    "cell", ["while True: pass", "try:\n    import time; time.sleep(99)\nexcept BaseException: pass"]
)
def test_a_chapter_over_its_time_limit_is_stopped(project, edit, cell):
    edit(project.chapters / "01_width.md", 'print("widths"', cell + '\nprint("widths"')
    assert str(failure(project, time_limit=2)) == (
        "01_width: stopped in code cell 2 of 2 (chapters/01_width.md:26), over its time limit of 2 seconds."
    )


def test_the_time_limit_counts_for_the_chapter_not_for_a_cell(project, edit):
    slow = "```{code-cell} ipython3\nimport time; time.sleep(1.5)\n```\n\n"
    edit(
        project.chapters / "01_width.md", "```{code-cell} ipython3\n:tags: [hide-input]", slow * 3 + "```{code-cell}\n"
    )
    assert "over its time limit of 3 seconds" in str(failure(project, time_limit=3))
