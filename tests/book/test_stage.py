"""The tree that Jupyter Book reads."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import yaml

from book.__main__ import main
from book.chapters import read_chapter, read_chapters
from book.errors import BookError
from book.keys import Keys
from book.outputs import Outputs, Record
from book.profiles import read_profile, resolve
from book.provenance import footer, status_page
from book.stage import page, stage


@pytest.fixture
def staged(built):
    """Stage the current sources; where a chapter's code has changed, without its outputs."""

    def call() -> str:
        chapters = read_chapters(built)
        values = resolve(chapters, list(chapters), read_profile(built, "quick", chapters), {})
        outputs, keys = Outputs(built, "quick"), Keys(built)
        records = {name: outputs.record(name, keys.key(chapters[name], values[name])) for name in chapters}
        return stage(built, chapters, {name: record for name, record in records.items() if record}, outputs, "quick")

    return call


def cells(project, name):
    return json.loads((project.staged / "chapters" / f"{name}.ipynb").read_bytes())["cells"]


def test_prose_comes_from_the_source_and_outputs_from_the_run(built, staged, edit):
    edit(built.chapters / "01_width.md", "Prose of", "Edited prose of")
    edit(built.chapters / "01_width.md", "[hide-input]", "[hide-cell]")
    staged()
    prose, parameters, code, _ = cells(built, "01_width")
    assert "Edited prose of" in "".join(prose["source"])
    assert parameters["source"][0].startswith("widths: list[int] = [2, 8]  #")
    assert code["metadata"]["tags"] == ["hide-cell"]
    glued, printed = code["outputs"]
    assert glued["metadata"]["scrapbook"]["name"] == "total"
    assert glued["data"] == {"application/papermill.record/text/plain": "10"}
    assert printed["text"] == ["widths [2, 8] total 10\n"]


def test_parameters_are_shown_where_the_page_says_how_to_rerun_it(built, staged, edit):
    edit(built.chapters / "01_width.md", "Prose of", "Edited prose of")
    end = (built.chapters / "01_width.md").read_text()
    (built.chapters / "01_width.md").write_text(
        f"{end}\nBefore it.\n\n## Rerun this\n\nWith other values:\n\n+++\n\nThe end.\n"
    )
    staged()
    kinds = ["".join(cell["source"])[:7] for cell in cells(built, "01_width")]
    assert kinds[0].startswith("# ") and kinds[2:] == ["Before ", "widths:", "The end", "::::{ad"]
    assert cells(built, "01_width")[1]["outputs"]


def test_nothing_of_papermill_is_left(built):
    text = (built.staged / "chapters" / "01_width.ipynb").read_text()
    notebook = json.loads(text)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert all("papermill" not in cell["metadata"] for cell in notebook["cells"])
    assert "injected-parameters" not in text and "_environment" not in text


def test_what_a_chapter_offers_to_download_is_staged(built, staged, edit):
    (built.root / "offers").mkdir()
    (built.root / "offers" / "notes.txt").write_text("notes")
    edit(built.chapters / "01_width.md", "Prose of", "{download}`Notes <../offers/notes.txt>`. Prose of")
    staged()
    assert (built.staged / "offers" / "notes.txt").read_text() == "notes"
    for wrong in ("../offers/absent.txt", "../../outside.txt"):
        edit(built.chapters / "01_width.md", "../offers/notes.txt", wrong)
        with pytest.raises(BookError, match="which is no file of this checkout"):
            staged()
        edit(built.chapters / "01_width.md", wrong, "../offers/notes.txt")


def test_the_footer_names_the_run(built):
    text = "".join(cells(built, "01_width")[-1]["source"])
    assert "Profile `quick`; parameters other than the defaults: `widths = [2, 8]`." in text
    assert "python -m book run 01_width -p 'widths=[2, 8]'" in text
    assert "papermill chapters/01_width.ipynb 01_width.out.ipynb -y '{widths: [2, 8]}'" in text
    assert "all parameters at their defaults" in "".join(cells(built, "02_depth")[-1]["source"])


def test_the_status_page_lists_every_chapter(built):
    text = (built.staged / "status.md").read_text()
    for name in ("00_overview", "01_width", "02_depth"):
        assert f"[](chapters/{name}.ipynb)" in text
    assert "  - `widths = [2, 8]`" in text and text.count("  - CPU, ") == 3 and "\n- Python 3." in text


def test_versions_that_differ_between_chapters_are_told_apart(project):
    chapters = read_chapters(project)
    record = Record(
        "", "quick", "", "", {}, 1.0, "2026-01-02T03:04:05+00:00", "CPU, 2 cores", {"torch": "2.1"}, None, False
    )
    records = {"01_width": record, "02_depth": replace(record, versions={"torch": "2.2"})}
    assert "93_rows" not in status_page(chapters, records, "quick")
    with_rows = status_page(chapters | {"93_rows": chapters["01_width"]}, records, "quick")
    assert "computed again is on [](chapters/93_rows.ipynb)" in with_rows
    text = status_page(chapters, records, "quick")
    assert "- PyTorch 2.1 in 01_width; 2.2 in 02_depth\n" in text and "  - 2026-01-02 03:04 UTC\n" in text


def test_what_a_machine_is_called_is_a_text_on_the_page(project):
    chapters = read_chapters(project)
    name = "<script>alert(1)</script>"
    record = Record(
        "", "quick", "", "", {"depth": 3}, 1.0, "2026-01-02T03:04:05+00:00", name, {"torch": name}, None, False
    )
    for page_text in (status_page(chapters, {"02_depth": record}, "quick"), footer(chapters["02_depth"], record)):
        assert "<script" not in page_text and "&lt;script" in page_text


def test_staging_again_changes_no_bytes_and_no_times(built, staged):
    files = [path for path in built.staged.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, (1, 1))
    before = staged()
    assert staged() == before
    assert {path.stat().st_mtime for path in files} == {1.0}


def test_staging_removes_what_left_the_book(built, staged):
    stray = built.staged / "old" / "page.ipynb"
    stray.parent.mkdir()
    stray.write_text("{}")
    staged()
    assert not stray.parent.exists()


def test_a_chapter_without_current_outputs_says_so(built, staged, edit):
    edit(built.chapters / "01_width.md", 'print("widths"', 'print("the widths"')
    staged()
    title, notice, *rest = cells(built, "01_width")
    assert title["source"][0] == "# Width\n"
    assert "was not executed in this partial build" in "".join(notice["source"])
    assert all(not cell["outputs"] for cell in rest if cell["cell_type"] == "code")


def test_cell_ids_do_not_depend_on_the_reader(project):
    first, second = (page(read_chapter(project, "01_width"), None, None) for _ in range(2))
    assert first == second


def test_without_a_repository_no_button_is_configured(built, staged, edit):
    configuration = yaml.safe_load((built.staged / "_config.yml").read_text())
    assert "launch_buttons" not in configuration and "use_repository_button" not in configuration["html"]
    edit(built.root / "_config.yml", 'url: ""', 'url: "https://github.com/someone/robustness"')
    staged()
    configuration = yaml.safe_load((built.staged / "_config.yml").read_text())
    assert configuration["launch_buttons"]["colab_url"] and configuration["html"]["use_repository_button"]


@pytest.mark.slow
def test_buttons_open_the_paired_notebook_once_the_repository_is_set(built, edit):
    edit(built.root / "_config.yml", 'url: ""', 'url: "https://github.com/someone/robustness"')
    assert main(["build"], root=built.root) == 0
    text = (built.html / "chapters" / "01_width.html").read_text()
    assert "https://colab.research.google.com/github/someone/robustness/blob/main/chapters/01_width.ipynb" in text
    assert "https://mybinder.org/v2/gh/someone/robustness/main?urlpath=lab/tree/chapters/01_width.ipynb" in text
    assert 'href="https://github.com/someone/robustness"' in text


def test_only_the_needed_part_of_mathjax_is_staged(built):
    folder = built.html / "mathjax"
    assert (folder / "startup.js").is_file() and not (folder / "ui").exists()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3e6
