"""A build that is killed at any moment and started again."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from book.project import Project


def start(project) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "book", "build"],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def content(html: Path) -> dict[str, bytes]:
    """The site without its moments and seconds, which differ from one build to the next."""
    moments = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC|in [\d.]+ seconds|<td><p>[\d.]+</p></td>|  - [\d.]+\n")
    return {
        path.relative_to(html).as_posix(): moments.sub(b"", path.read_bytes())
        for path in html.rglob("*")
        if path.is_file() and path.name not in ("build.json", "searchindex.js", ".buildinfo")
    }


def whole(html: Path) -> bool:
    """Whether a site is there and is one of a finished build."""
    return all((html / name).stat().st_size for name in ("build.json", "chapters/02_depth.html", "status.html"))


def change_code(root: Path) -> None:
    """Change the code of both chapters, so that both are executed and all is rendered anew."""
    for name, word in (("01_width.md", "widths"), ("02_depth.md", "product")):
        path = root / "chapters" / name
        path.write_text(path.read_text().replace(f'print("{word}"', f'print("the {word}"'))


@pytest.fixture(scope="module")
def clean(built_once, tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """The site of the changed sources, and the seconds that its build takes."""
    root = tmp_path_factory.mktemp("clean") / "book"
    shutil.copytree(built_once, root, ignore=shutil.ignore_patterns("_build"))
    change_code(root)
    before = time.monotonic()
    assert start(Project(root)).wait() == 0
    duration = time.monotonic() - before
    site = content(Project(root).html)
    assert b"the widths" in site["chapters/01_width.html"] and b"the product" in site["chapters/02_depth.html"]
    return site, duration


# While chapters run and while pages are rendered; `make torture` tries more.
@pytest.mark.parametrize("tenth", [pytest.param(3, marks=pytest.mark.nightly), pytest.param(7, marks=pytest.mark.slow)])
def test_a_killed_build_started_again_equals_a_clean_one(built, clean, tenth):
    expected, duration = clean
    old = content(built.html)
    assert old != expected
    change_code(built.root)
    build = start(built)
    time.sleep(duration * tenth / 10)
    build.send_signal(signal.SIGKILL)
    build.wait()
    if built.html.exists():
        assert whole(built.html) and content(built.html) in (old, expected)
    assert start(built).wait() == 0
    assert content(built.html) == expected
    assert [path.name for path in built.html.parent.iterdir()] == ["html"]


def start_to_wait(project, edit, pid: Path) -> subprocess.Popen:
    """Start a build, and return when its second chapter has written the number of its process and waits."""
    edit(
        project.chapters / "02_depth.md",
        'print("product"',
        f'import time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\nprint("product"',
    )
    build = start(project)
    deadline = time.monotonic() + 120
    while not pid.is_file() or not pid.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return build


@pytest.mark.slow
def test_kernels_end_with_a_build_that_is_killed(project, edit, tmp_path):
    pid = tmp_path / "pid"
    build = start_to_wait(project, edit, pid)
    build.kill()
    build.wait()
    kernel = Path("/proc") / pid.read_text()
    deadline = time.monotonic() + 60
    while kernel.exists() and "State:\tZ" not in (kernel / "status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_the_renderer_ends_with_a_build_that_is_killed(built, edit):
    edit(built.chapters / "01_width.md", "Prose of", "Edited prose of")
    build = start(built)
    deadline = time.monotonic() + 60

    def renderers() -> list[Path]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(built.staged).encode() in (process / "cmdline").read_bytes():
                    found.append(process)
        return found

    while len(renderers()) < 2:  # the guard and Jupyter Book
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1)
    build.kill()
    build.wait()
    while renderers():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_a_build_at_once(project, edit, tmp_path):
    build = start_to_wait(project, edit, tmp_path / "pid")
    build.send_signal(signal.SIGINT)
    assert build.wait(timeout=30) == 130
