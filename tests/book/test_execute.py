"""One chapter in its kernel: what runs, and what is said when it does not end."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import pytest

from book.chapters import read_chapter
from book.errors import uncoloured
from book.execute import ChapterFailure, run_chapter


def run(project, name, time_limit=60, **values):
    chapter = read_chapter(project, name)
    defaults = {parameter.name: parameter.default for parameter in chapter.parameters.values()}
    with tempfile.TemporaryDirectory(dir=project.root.parent) as folder:
        return run_chapter(chapter, defaults | values, project.root, Path(folder), time_limit)


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
    done = run_chapter(
        chapter, {"depth": 2}, project.root, tmp_path, on_cell=lambda cell, cells: heard.append((cell, cells))
    )
    assert done.notebook.cells[-1].outputs[0].text == "1 book\nproduct 4\n"
    assert (tmp_path / "progress").read_text() == "configuration 1 of 1"
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


@pytest.mark.parametrize("leave", ["sys.exit(0)", "raise SystemExit(3)"])
def test_a_chapter_that_leaves_has_failed(project, edit, leave):
    edit(project.chapters / "01_width.md", 'print("widths"', f'import sys\n{leave}\nprint("widths"')
    assert "SystemExit" in str(failure(project))


@pytest.mark.slow
@pytest.mark.parametrize("show", ["print('x' * 1000)", "display('x' * 1000)"])
def test_endless_output_is_stopped(project, edit, monkeypatch, show):
    monkeypatch.setattr("book.kernel.OUTPUT_BYTES", 1_000_000)
    monkeypatch.setattr("book.execute.OUTPUT_BYTES", 1_000_000)
    edit(project.chapters / "01_width.md", 'print("widths"', f'import sys\nwhile True:\n    {show}\nprint("widths"')
    assert str(failure(project)) == (
        "01_width: stopped in code cell 2 of 2 (chapters/01_width.md:26), which shows more than 1 MB; print less there."
    )


def test_a_stream_is_one_output_however_it_was_cut(project, edit):
    cut = "import sys, time\nfor k in range(3):\n    print(k, flush=True)\n    print(-k, file=sys.stderr, flush=True)\n"
    cut += "    time.sleep(0.3)\ndisplay('between')\nprint('after')\ntime.sleep(0.3)\n"
    edit(project.chapters / "01_width.md", 'print("widths"', cut + 'print("widths"')
    outputs = run(project, "01_width", widths=[3]).notebook.cells[-1].outputs
    assert [(out.output_type, out.get("name"), out.get("text")) for out in outputs[1:]] == [
        ("stream", "stdout", "0\n1\n2\n"),
        ("stream", "stderr", "0\n-1\n-2\n"),
        ("display_data", None, None),
        ("stream", "stdout", "after\nwidths [3] total 3\n"),
    ]


def ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["pass", "1 / 0", "os._exit(1)", "time.sleep(600)"])
def test_what_a_chapter_started_ends_with_it(project, edit, tmp_path, end):
    pids = tmp_path / "pids"
    start = "import os, pathlib, subprocess, time\n"
    start += "started = [subprocess.Popen(['sleep', '600'], start_new_session=new).pid for new in (True, False)]\n"
    start += f"pathlib.Path({str(pids)!r}).write_text(' '.join(map(str, started)))"
    edit(project.chapters / "01_width.md", 'print("widths"', f'{start}\n{end}\nprint("widths"')
    if end == "pass":
        run(project, "01_width")
    else:
        failure(project, time_limit=20 if "sleep" in end else 120)  # a kernel needs seconds to start
    deadline = time.monotonic() + 20
    for pid in map(int, pids.read_text().split()):
        while not ended(pid):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_kernel_is_this_python_without_personal_settings(project, edit, tmp_path, monkeypatch):
    kernels = tmp_path / "share" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    other = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Another Python", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(other))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "mine.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("mine = 1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(startup))
    edit(project.chapters / "01_width.md", "from lib.sums", "import sys\nfrom lib.sums")
    edit(project.chapters / "01_width.md", 'print("widths"', "print(sys.executable, 'mine' in globals(), 'widths'")
    assert run(project, "01_width", widths=[3]).notebook.cells[-1].outputs[-1].text == (
        f"{sys.executable} False widths [3] total 3\n"
    )


@pytest.mark.slow
def test_no_file_stays_open_after_a_run(project):
    before = len(os.listdir("/proc/self/fd"))
    run(project, "01_width")
    assert len(os.listdir("/proc/self/fd")) <= before
