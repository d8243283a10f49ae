"""Builds of a small book: what executes, what is rendered, what a fault leaves behind."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil

import pytest

from book.__main__ import main
from book.build import build


def state(project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.html)): path.read_bytes() for path in project.html.rglob("*") if path.is_file()
    }


def executed(project, **options) -> set[str]:
    report = build(project, options.get("profile", "quick"), options.get("only"), options.get("overrides", {}))
    assert not report.failures
    return set(report.executed)


def staged(project, page: str) -> str:
    return (project.staged / page).read_text(encoding="utf-8")


def text(project, page: str) -> str:
    return (project.html / f"{page}.html").read_text(encoding="utf-8")


def test_the_site_shows_prose_outputs_and_provenance(built):
    width = text(built, "chapters/01_width")
    assert "widths [2, 8] total 10" in width and '<span class="pasted-text">10</span>' in width
    assert "How this page was computed" in width and "How this page was computed" in text(built, "chapters/02_depth")
    assert "Status of this build" in text(built, "status")
    download = json.loads((built.html / "_sources" / "chapters" / "01_width.ipynb").read_bytes())
    assert any(cell.get("outputs") for cell in download["cells"])


def test_nothing_changed_executes_and_renders_nothing(built):
    before = {path: path.stat().st_mtime_ns for path in built.html.rglob("*")}
    shutil.copytree(built.html, built.html.with_name("old"))  # a kill just before the end leaves it
    report = build(built, "quick", None, {})
    assert report.executed == () and not report.rendered
    assert [path.name for path in built.html.parent.iterdir()] == ["html"]
    assert {path: path.stat().st_mtime_ns for path in built.html.rglob("*")} == before


def test_a_prose_edit_renders_and_executes_nothing(built, edit):
    edit(built.chapters / "01_width.md", "Prose of", "Edited prose of")
    report = build(built, "quick", None, {})
    assert report.executed == () and report.rendered
    assert "Edited prose of" in text(built, "chapters/01_width")
    assert "widths [2, 8] total 10" in text(built, "chapters/01_width")


def test_an_edit_in_the_library_executes_what_imports_it(built, edit, unrendered):
    edit(built.root / "lib" / "sums.py", "sum(values)", "1000 + sum(values)")
    assert executed(built) == {"01_width"}
    assert "total 1010" in staged(built, "chapters/01_width.ipynb")


@pytest.mark.slow
def test_code_parameters_and_profiles_execute_their_chapter(built, edit, unrendered):
    edit(built.chapters / "02_depth.md", 'print("product"', 'print("the product"')
    assert executed(built) == {"02_depth"}
    assert executed(built, overrides={"widths": [4]}) == {"01_width"}
    assert "widths [4] total 4" in staged(built, "chapters/01_width.ipynb")
    assert executed(built) == {"01_width"}
    assert executed(built, profile="wide") == {"00_overview", "01_width", "02_depth"}
    assert executed(built) == set()
    assert "total 10" in staged(built, "chapters/01_width.ipynb")


@pytest.mark.slow
def test_one_chapter_alone_yields_a_site_that_says_what_is_absent(project):
    assert executed(project, only="02_depth") == {"02_depth"}
    assert "product 9" in text(project, "chapters/02_depth")
    assert "not executed in this partial build" in text(project, "chapters/01_width")
    assert "not executed in this partial build" in text(project, "status")


def test_one_chapter_alone_keeps_current_outputs_and_drops_stale_ones(built, edit, unrendered):
    edit(built.root / "lib" / "sums.py", "sum(values)", "1000 + sum(values)")
    edit(built.chapters / "02_depth.md", 'print("product"', 'print("the product"')
    assert executed(built, only="02_depth") == {"02_depth"}
    assert "the product 9" in staged(built, "chapters/02_depth.ipynb")
    assert "total 10" not in staged(built, "chapters/01_width.ipynb")
    assert "not executed in this partial build" in staged(built, "chapters/01_width.ipynb")
    assert "not executed in this partial build" not in staged(built, "chapters/00_overview.ipynb")
    assert executed(built) == {"01_width"}
    assert "not executed in this partial build" not in staged(built, "chapters/01_width.ipynb")


@pytest.mark.slow
def test_a_failing_chapter_leaves_the_site_and_keeps_the_others(built, edit, capsys, monkeypatch):
    before = state(built)
    edit(built.chapters / "02_depth.md", 'print("product"', '1 / 0\nprint("product"')
    edit(built.chapters / "01_width.md", 'print("widths"', 'print("the widths"')
    assert main(["build"], root=built.root) == 1
    error = capsys.readouterr().err
    assert "book: 02_depth: code cell 2 of 2 (chapters/02_depth.md:20) raised ZeroDivisionError" in error
    assert " 1 / 0" in error and "\x1b" not in error
    assert "1 chapter(s) failed. The site was left as it was." in error
    assert state(built) == before
    edit(built.chapters / "02_depth.md", "1 / 0\n", "")
    monkeypatch.setattr("book.build.build_site", lambda *arguments, **options: True)
    assert executed(built) == set()  # 01_width was kept, 02_depth is what it was
    assert "the widths" in staged(built, "chapters/01_width.ipynb")


@pytest.mark.slow
def test_a_warning_of_jupyter_book_leaves_the_site_and_is_shown(built, edit, capsys):
    before = state(built)
    edit(built.chapters / "01_width.md", "Prose of", "{ref}`nowhere` Prose of")
    assert main(["build"], root=built.root) == 2
    error = capsys.readouterr().err
    assert "chapters/01_width.md:14: WARNING: undefined label: 'nowhere'" in error
    assert "the site was left as it was" in error
    assert state(built) == before


@pytest.mark.parametrize("damage", ["page", "mark", "site", "{", "[]"])
def test_a_damaged_site_is_rendered_anew(built, monkeypatch, damage):
    before = state(built)
    pages = built.root / "pages"
    shutil.copytree(built.html, pages)

    def jupyter_book(project, output, strict):
        assert strict and not output.exists()
        shutil.copytree(pages, output / "_build" / "html")

    monkeypatch.setattr("book.site._run_jupyter_book", jupyter_book)
    if damage == "page":
        (built.html / "chapters" / "01_width.html").write_bytes(b"")
    elif damage == "mark":
        (built.html / "build.json").unlink()
    elif damage == "site":
        built.html.rename(built.html.with_name("old"))  # as after a kill between the two renames
    else:
        shutil.copytree(built.html, built.html.with_name("old"))
        (built.html / "build.json").write_text(damage)
    (built.html.parent / "next" / "_build").mkdir(parents=True)  # what a killed build had begun
    report = build(built, "quick", None, {})
    assert report.executed == () and report.rendered
    assert state(built) == before
    assert [path.name for path in built.html.parent.iterdir()] == ["html"]


def test_a_site_without_a_page_does_not_take_the_old_ones_place(built, edit, monkeypatch, refused):
    before = state(built)
    edit(built.chapters / "01_width.md", "Prose of", "Edited prose of")
    monkeypatch.setattr("book.site._run_jupyter_book", lambda project, output, strict: None)
    assert refused(lambda: build(built, "quick", None, {})) == (
        "Jupyter Book ended without an error but wrote no page index.html."
    )
    assert state(built) == before


def test_outputs_of_a_library_that_changed_meanwhile_are_not_kept(built, edit, unrendered, capsys):
    append = 'open("lib/products.py", "a").write("#")\n'
    edit(built.chapters / "02_depth.md", 'print("product"', append + 'print("product"')
    assert executed(built) == {"02_depth"}
    assert "changed meanwhile, so build once more" in capsys.readouterr().err
    edit(built.chapters / "02_depth.md", append, "")
    assert executed(built) == {"02_depth"}
    assert "meanwhile" not in capsys.readouterr().err
    assert executed(built) == set()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["half a notebook", "half a record", "an older notebook"])
def test_damaged_outputs_are_executed_anew(built, unrendered, damage):
    folder = built.executed("quick")
    victim = folder / ("01_width.json" if "record" in damage else "01_width.ipynb")
    data = victim.read_bytes()
    victim.write_bytes(data.replace(b"total 10", b"total 99") if "older" in damage else data[: len(data) // 2])
    assert executed(built) == {"01_width"}


def test_two_builds_at_once_are_refused(built, capsys):
    checkout = os.open(built.root, os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)
    assert main(["build"], root=built.root) == 2
    os.close(checkout)
    assert "Another build of this checkout is running" in capsys.readouterr().err


def test_a_file_system_without_locks_is_said_and_used(built, monkeypatch, capsys):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "No locks available")))
    assert main(["build"], root=built.root) == 0
    assert "Locks do not work here (No locks available); start no other build" in capsys.readouterr().err
