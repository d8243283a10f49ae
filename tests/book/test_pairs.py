"""The check of sources, pairs and profiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from book.pairs import problems, write_pairs
from book.project import Project


@pytest.fixture
def paired(project):
    write_pairs(project)
    return project


def test_pairs_are_written_once_and_keep_their_cell_ids(project, edit):
    names = [f"chapters/{name}.ipynb" for name in ("00_overview", "01_width", "02_depth")]
    assert write_pairs(project) == names
    assert problems(project) == []
    pair = project.chapters / "01_width.ipynb"
    ids = [cell["id"] for cell in json.loads(pair.read_bytes())["cells"]]
    assert write_pairs(project) == []
    edit(project.chapters / "01_width.md", 'print("widths"', 'print("the widths"')
    assert write_pairs(project) == ["chapters/01_width.ipynb"]
    assert [cell["id"] for cell in json.loads(pair.read_bytes())["cells"]] == ids


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("chapters/01_width.md", "Prose of", "Edited prose of", "chapters/01_width.ipynb differs from"),
        ("chapters/01_width.ipynb", "Prose of", "Edited prose of", "chapters/01_width.ipynb differs from"),
        ("chapters/01_width.ipynb", '"outputs": []', '"outputs": [{"output_type": "x"}]', "holds outputs"),
        ("chapters/01_width.md", "tags: [parameters]", "tags: [other]", "has no cell tagged parameters."),
        ("chapters/01_width.md", "[2..16]", "(2..16)", "(default): the parameter widths cannot be [2, 4]"),
        ("chapters/01_width.md", "format_name: myst", "format_name: x", "needs the header jupytext"),
        ("params/wide.yml", "01_width", "01_widht", 'params/wide.yml names the unknown chapter "01_widht"'),
        ("params/wide.yml", "[16]", "[17]", "the parameter widths cannot be [17]"),
        ("_toc.yml", "      - file: chapters/02_depth\n", "", "chapters/02_depth.md is in no part of _toc.yml."),
        ("_toc.yml", "02_depth", "02_deep", "_toc.yml lists chapters/02_deep"),
    ],
)
def test_what_is_out_of_order_is_named(paired, name, old, new, sentence, edit):
    edit(paired.root / name, old, new)
    assert any(sentence in problem for problem in problems(paired)), problems(paired)


def test_the_repositorys_url_is_one_setting(paired, edit):
    chapter = paired.chapters / "01_width.md"
    edit(chapter, "from lib.sums", 'repository = ""  # where the library is\nfrom lib.sums')
    assert write_pairs(paired) == ["chapters/01_width.ipynb"]
    edit(paired.root / "_config.yml", 'url: ""', 'url: "https://github.com/someone/robustness"')
    assert problems(paired) == [
        'chapters/01_width.md has repository = "", but _config.yml says "https://github.com/someone/robustness"; '
        "run `python -m book pair`."
    ]
    assert write_pairs(paired) == ["chapters/01_width.md", "chapters/01_width.ipynb"]
    assert 'repository = "https://github.com/someone/robustness"  # where' in chapter.read_text()
    assert problems(paired) == []


def test_a_repository_that_is_no_url_is_refused(paired, edit):
    edit(paired.root / "_config.yml", 'url: ""', "url: someone/robustness")
    assert problems(paired)[0].startswith("_config.yml: repository: url: must be empty or like https://github.com/")


def test_a_missing_and_an_orphaned_pair_are_named(paired):
    (paired.chapters / "01_width.ipynb").rename(paired.chapters / "05_lost.ipynb")
    found = problems(paired)
    assert "chapters/01_width.ipynb is missing; run `python -m book pair`." in found
    assert "chapters/05_lost.ipynb has no source 05_lost.md; remove it." in found


def test_the_check_writes_nothing(paired, edit):
    edit(paired.chapters / "01_width.md", "Prose of", "Edited prose of")
    before = {path: path.read_bytes() for path in paired.root.rglob("*") if path.is_file()}
    assert problems(paired)
    assert {path: path.read_bytes() for path in paired.root.rglob("*") if path.is_file()} == before


def test_the_chapters_of_this_book_are_in_order():
    assert problems(Project(Path(__file__).parents[2])) == []
