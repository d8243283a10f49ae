"""What a build survives: chapters that leave, faults of the tools, the removal of its folder; what does not vary."""

from __future__ import annotations

import errno
import re
import shutil

import pytest

from book.__main__ import main
from book.build import build
from book.execute import Run, run_chapter
from book.outputs import Outputs
from book.stage import stage

# Prints in pieces, in both streams, around something shown: where a stream is cut depends on the moment.
MIXED = """\
import sys, time
for k in range(200):
    print(k, end=" ", flush=k % 7 == 0)
    print(-k, file=sys.stderr, flush=k % 5 == 0)
    time.sleep(0.002 * (k % 3))
display("between")
"""
MOMENTS = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC|in [\d.]+ seconds|<td><p>[\d.]+</p></td>|  - [\d.]+\\?\n")


def content(html) -> dict[str, bytes]:
    return {
        path.relative_to(html).as_posix(): MOMENTS.sub(b"", path.read_bytes())
        for path in html.rglob("*")
        if path.is_file() and path.name != "build.json"
    }


def executed(project) -> set[str]:
    report = build(project, "quick", None, {})
    assert not report.failures
    return set(report.executed)


@pytest.mark.slow
def test_a_chapter_that_leaves_costs_no_other_its_outputs(built, edit, capsys, unrendered):
    edit(built.chapters / "02_depth.md", 'print("product"', 'import sys\nsys.exit(0)\nprint("product"')
    edit(built.chapters / "01_width.md", 'print("widths"', 'print("the widths"')
    assert main(["build"], root=built.root) == 1
    assert "02_depth: code cell 2 of 2 (chapters/02_depth.md:20) left by SystemExit" in capsys.readouterr().err
    edit(built.chapters / "02_depth.md", "sys.exit(0)\n", "")
    assert executed(built) == {"02_depth"}


@pytest.mark.slow
def test_a_fault_of_the_tools_costs_no_other_chapter_its_outputs(built, edit, monkeypatch, capsys, unrendered):
    def execute(chapter, *arguments, **options):
        if chapter.name == "02_depth":
            raise StopIteration("nothing\nleft")
        return run_chapter(chapter, *arguments, **options)

    edit(built.root / "constraints.txt", "numpy", "numpy==2")
    with monkeypatch.context() as patch:
        patch.setattr("book.build.run_chapter", execute)
        assert main(["build"], root=built.root) == 1
    assert "book: 02_depth: could not be executed (StopIteration: nothing left)" in capsys.readouterr().err
    assert executed(built) == {"02_depth"}


def remove(folder):
    """What `rm -rf` does."""
    shutil.rmtree(folder, ignore_errors=True)
    assert not folder.exists()


@pytest.mark.parametrize(
    "moment", ["executing", "saving", "before staging", "staged", "rendering", "rendered", "always"]
)
def test_a_build_survives_that_its_folder_is_removed(built, edit, monkeypatch, capsys, moment):
    edit(built.chapters / "01_width.md", "Prose of", "Edited prose of")
    pages = built.root / "pages"
    shutil.copytree(built.html, pages)
    stored = Outputs(built, "quick")
    ran = {name: Run(stored.notebook(name), 1.0, "CPU", {}) for name in ("00_overview", "01_width", "02_depth")}
    removed = []

    def disturb(now):
        if moment == "always" or (moment == now and not removed):
            remove(built.build)
            removed.append(now)

    def jupyter_book(project, output, strict):
        disturb("staged")
        html = output / "_build" / "html"
        shutil.copytree(pages, html)
        if moment == "rendering" and not removed:
            removed.append("rendering")
            remove(built.staged)  # a `rm` that has come as far as this
        (html / "chapters" / "01_width.html").write_bytes((built.chapters / "01_width.md").read_bytes())
        disturb("rendered")

    def save(*arguments):
        if moment == "saving" and not removed:
            removed.append("saving")
            remove(built.build)
            raise FileNotFoundError(errno.ENOENT, "No such file", str(built.build / "executed"))
        record = Outputs.save(*arguments)
        disturb("executing")
        return record

    def staging(*arguments):
        disturb("before staging")
        return stage(*arguments)

    edit(built.root / "lib" / "products.py", "math.prod(values)", "1 * math.prod(values)")
    monkeypatch.setattr("book.site._run_jupyter_book", jupyter_book)
    monkeypatch.setattr("book.build.run_chapter", lambda chapter, *arguments, **options: ran[chapter.name])
    monkeypatch.setattr("book.build.stage", staging)
    monkeypatch.setattr("book.build.Outputs", type("Disturbed", (Outputs,), {"save": save}))
    code = main(["build"], root=built.root)
    error = capsys.readouterr().err
    if moment == "always":
        assert code == 2 and "again and again" in error
    else:
        assert code == 0 and removed and error.count("building again") == 1
        assert "Edited prose of" in (built.html / "chapters" / "01_width.html").read_text()
        assert [path.name for path in built.html.parent.iterdir()] == ["html"]


@pytest.mark.nightly
def test_two_builds_are_equal_byte_by_byte(built, project, edit):
    """The moments and seconds of the runs apart, which a page tells."""
    for book in (built, project):
        edit(book.chapters / "01_width.md", 'print("widths"', MIXED + 'print("widths"')
        assert not build(book, "quick", None, {}).failures
    assert content(built.html) == content(project.html)
