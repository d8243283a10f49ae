"""The check of sources, pairs and profiles."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from book.pairs import problems, write_pairs
from book.project import Project
from book.set_up import set_up_lines


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


def code(project, name: str) -> list[str]:
    cells = json.loads((project.chapters / f"{name}.ipynb").read_bytes())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_a_pair_has_the_set_up_lines_before_its_first_use_of_the_checkout(paired, edit):
    lines = set_up_lines("")
    own = "from lib.sums import total\nfrom myst_nb import glue\n"
    assert [lines in cell for cell in code(paired, "01_width")] == [False, True]
    assert code(paired, "01_width")[1].startswith(lines + own)
    edit(paired.chapters / "02_depth.md", "import os, pathlib", "```\n\n```{code-cell} ipython3\nimport os, pathlib")
    edit(paired.chapters / "02_depth.md", "```{code-cell} ipython3\n```\n", "```{code-cell} ipython3\nlib = 1\n```\n")
    write_pairs(paired)
    assert [lines in cell for cell in code(paired, "02_depth")] == [False, False, True]
    edit(paired.chapters / "01_width.md", own, "from myst_nb import glue\ntotal = sum\n")
    write_pairs(paired)
    assert not any(lines in cell for cell in code(paired, "01_width"))


def test_a_hosted_notebook_fetches_the_library_that_it_lacks():
    calls = []
    lines = set_up_lines("https://github.com/someone/robustness").replace('find_spec("lib")', "find_spec('no_lib')")
    python = TransformerManager().transform_cell(lines)
    fake = SimpleNamespace(system=calls.append, run_line_magic=lambda name, line: calls.append(f"{name} {line}"))
    before = list(sys.path)
    exec(python, {"get_ipython": lambda: fake})
    added, sys.path[:] = [path for path in sys.path if path not in before], before
    assert calls == [
        "git clone --quiet --depth 1 {repository} book-checkout",
        "pip install --quiet myst-nb seaborn scikit-learn",
    ]
    assert added == ["book-checkout"]


def test_the_repositorys_url_is_one_setting(paired, edit):
    edit(paired.root / "_config.yml", 'url: ""', 'url: "https://github.com/someone/robustness"')
    assert problems(paired) == [
        f"chapters/{name}.ipynb differs from chapters/{name}.md; run `python -m book pair`."
        for name in ("01_width", "02_depth")
    ]
    assert write_pairs(paired) == ["chapters/01_width.ipynb", "chapters/02_depth.ipynb"]
    assert code(paired, "01_width")[1].startswith('repository = "https://github.com/someone/robustness"')
    assert problems(paired) == []


def test_a_source_that_repeats_the_set_up_lines_is_named(paired, edit):
    edit(paired.chapters / "01_width.md", "from lib.sums", set_up_lines("") + "from lib.sums")
    assert problems(paired)[0] == "chapters/01_width.md repeats the set-up lines of book/set_up.py; remove them."


@pytest.mark.parametrize(
    "change",
    [
        lambda pair: {**pair, "nbformat": 5},
        lambda pair: {**pair, "nbformat": 3},
        lambda pair: {**pair, "nbformat_minor": "x"},
        lambda pair: {name: value for name, value in pair.items() if name != "metadata"},
        lambda pair: {name: value for name, value in pair.items() if name != "cells"},
        lambda pair: {**pair, "cells": 3},
        lambda pair: {**pair, "cells": [3]},
        lambda pair: {**pair, "cells": [{"cell_type": "code"}]},
        lambda pair: {**pair, "cells": [{**pair["cells"][0], "source": 3}]},
        lambda pair: {**pair, "cells": [{**pair["cells"][0], "id": None}]},
        lambda pair: {**pair, "metadata": []},
        lambda pair: [],
        lambda pair: None,
    ],
)
def test_a_pair_that_is_no_notebook_is_one_sentence(paired, refused, change):
    pair = paired.chapters / "01_width.ipynb"
    pair.write_text(json.dumps(change(json.loads(pair.read_bytes()))))
    sentence = "chapters/01_width.ipynb is no notebook of format 4.5; remove it and run `python -m book pair`."
    assert problems(paired) == [sentence]
    assert refused(lambda: write_pairs(paired)) == sentence


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"nbformat": NaN}'])
def test_a_pair_that_is_no_json_is_one_sentence(paired, data):
    (paired.chapters / "01_width.ipynb").write_bytes(data)
    assert problems(paired)[0].startswith("chapters/01_width.ipynb is no notebook of format 4.5")


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
