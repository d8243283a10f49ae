"""A build that is killed at any moment and started again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def start(project) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "book", "build"],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def content(html: Path) -> dict[str, bytes]:
    """The site without its moments and seconds, which differ from one build to the next."""
    moments = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC|in [\d.]+ seconds|<td><p>[\d.]+</p></td>|digest=\w+")
    return {
        path.relative_to(html).as_posix(): moments.sub(b"", path.read_bytes())
        for path in html.rglob("*")
        if path.is_file() and path.name not in ("build.json", "searchindex.js", ".buildinfo")
    }


def whole(html: Path) -> bool:
    """Whether a site is there and is one of a finished build."""
    return all((html / name).stat().st_size for name in ("build.json", "chapters/02_depth.html", "status.html"))


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_killed_build_started_again_equals_a_clean_one(built, project, edit, tenth):
    clean, victim = built, project
    before = time.monotonic()
    assert start(victim).wait() == 0
    duration = time.monotonic() - before
    for changed in (clean, victim):
        edit(changed.chapters / "01_width.md", 'print("widths"', 'print("the widths"')
        edit(changed.chapters / "02_depth.md", 'print("product"', 'print("the product"')
    assert start(clean).wait() == 0
    old = content(victim.html)

    build = start(victim)
    time.sleep(duration * tenth / 10)
    build.send_signal(signal.SIGKILL)
    build.wait()

    expected = content(clean.html)
    if victim.html.exists():
        assert whole(victim.html) and content(victim.html) in (old, expected)
    assert start(victim).wait() == 0
    assert content(victim.html) == expected
    assert [path.name for path in victim.html.parent.iterdir()] == ["html"]
    assert json.loads((victim.executed("quick") / "01_width.json").read_bytes())["chapter"] == "01_width"


def test_kernels_end_with_a_build_that_is_killed(project, edit, tmp_path):
    pid = tmp_path / "pid"
    edit(
        project.chapters / "02_depth.md",
        'print("product"',
        f'import time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\nprint("product"',
    )
    build = start(project)
    deadline = time.monotonic() + 60
    while not pid.is_file() or not pid.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    build.kill()
    build.wait()
    kernel = Path("/proc") / pid.read_text()
    while kernel.exists() and "State:\tZ" not in (kernel / "status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_ctrl_c_stops_a_build_at_once(project, edit):
    edit(project.chapters / "02_depth.md", 'print("product"', 'import time; time.sleep(600)\nprint("product"')
    build = start(project)
    time.sleep(4)
    build.send_signal(signal.SIGINT)
    assert build.wait(timeout=10) == 130
