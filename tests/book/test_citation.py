"""What CITATION.cff says, and that every other place says the same."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from pybtex.database import parse_string

import lib
from book.__main__ import main
from book.citation import FILE, bibtex, read_citation, stale_metadata
from book.files import read_mapping
from book.pairs import problems
from book.project import Project

ROOT = Path(__file__).parents[2]
BOOK = Project(ROOT)


@pytest.fixture
def cited(project):
    """The small book with the real book's citation."""
    for name in (FILE, "pyproject.toml", "codemeta.json", ".zenodo.json"):
        shutil.copy(ROOT / name, project.root)
    return project


def test_the_version_and_the_title_are_the_same_everywhere():
    citation = read_citation(BOOK)
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in package["project"]["dynamic"] and "version" not in package["project"]
    assert package["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "lib.__version__"}
    assert citation.version == lib.__version__
    assert f"\n## {citation.version} ({citation.day})\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    configuration = read_mapping(ROOT / "_config.yml", "_config.yml")
    assert configuration["title"].startswith(citation.title)
    assert configuration["author"] == ", ".join(citation.authors)


def test_what_is_made_of_it_is_up_to_date():
    assert stale_metadata(BOOK) == []


def test_the_papers_are_those_of_the_bibliography():
    entries = parse_string((ROOT / "references.bib").read_text(encoding="utf-8"), "bibtex").entries.values()
    for paper in read_citation(BOOK).papers:
        number = paper.doi.removeprefix("10.48550/arXiv.")
        (entry,) = (entry for entry in entries if entry.fields.get("note") == f"arXiv:{number}")
        assert entry.fields["year"] == str(paper.year)
        family = [" ".join(person.last_names) for person in entry.persons["author"]]
        assert family == [name.partition(",")[0] for name in paper.authors]


def test_readme_and_references_have_the_entry_and_bibtex_can_read_it():
    citation = read_citation(BOOK)
    entry = bibtex(citation)
    for name in ("chapters/94_references.md", "README.md"):
        assert f"```bibtex\n{entry}\n```" in (ROOT / name).read_text(encoding="utf-8")
    (parsed,) = parse_string(entry, "bibtex").entries.values()
    assert parsed.fields["version"] == citation.version and citation.title in parsed.fields["title"]
    assert [str(person).strip("{}") for person in parsed.persons["author"]] == list(citation.authors)


def test_a_change_is_told_by_check_and_mended_by_metadata(cited, edit, capsys):
    assert main(["pair"], root=cited.root) == 0 and problems(cited) == []
    edit(cited.root / FILE, "version: ", "version: 9")
    assert [problem.partition(" ")[0] for problem in problems(cited)] == ["codemeta.json"]
    assert main(["metadata"], root=cited.root) == 0
    assert problems(cited) == []
    assert json.loads((cited.root / "codemeta.json").read_bytes())["version"].startswith("9")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("date-released: 2", "date-released: around 2", "date-released must be a day like 2026-01-31"),
        ("license: MIT\n", "", "license must be a text, got None"),
        ('authors:\n  - name: "The authors of this book"\n', "", "has no authors"),
        ("keywords:\n", "keywords: one\nwords:\n", "keywords must be a list of texts, got 'one'"),
        ('  - name: "The authors of this book"', "  - someone", "authors must be a list of mappings, got ["),
        ("year: 2022", "year: soon", "year must be a number, got 'soon'"),
        ("license: MIT\n", "license: MIT\nrepository-code: https://example.org/other\n", "repository-code must be"),
    ],
)
def test_a_wrong_citation_is_refused_in_one_sentence(cited, edit, refused, old, new, sentence):
    edit(cited.root / FILE, old, new)
    assert sentence in refused(lambda: read_citation(cited))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("\ufeff{}", "pyproject.toml is no TOML: Invalid statement (at line 1, column 1). Look for a byte order mark"),
        ("<<<<<<< HEAD\n{}", "pyproject.toml is no TOML: Invalid statement"),
        ("[tool.ruff]\n", "pyproject.toml must have a [project] with a text name"),
        ("project = 3\n", "pyproject.toml must have a [project] with a text name"),
        ('[project]\nname = "n"\nrequires-python = 3\n', "pyproject.toml must have a [project] with a text requires-p"),
        ('[project]\nname = "n"\nrequires-python = ">=3"\n', "must have a [project] with a list dependencies"),
    ],
)
def test_a_package_that_cannot_be_read_is_one_sentence_and_nothing_is_written(cited, content, sentence, capsys):
    path, made = cited.root / "pyproject.toml", cited.root / "codemeta.json"
    path.write_text(content.replace("{}", path.read_text(encoding="utf-8")), encoding="utf-8")
    before = made.read_bytes()
    for command, code in (("check", 1), ("metadata", 2)):
        assert main([command], root=cited.root) == code
        assert sentence in capsys.readouterr().err
    assert made.read_bytes() == before


def test_the_repository_s_address_reaches_all_of_them(cited, edit):
    address = "https://example.org/book"
    edit(cited.root / "_config.yml", 'url: ""', f'url: "{address}"')
    edit(cited.root / FILE, "license: MIT\n", f"license: MIT\nrepository-code: {address}\n")
    citation = read_citation(cited)
    assert address in bibtex(citation)
    assert main(["metadata"], root=cited.root) == 0
    assert json.loads((cited.root / "codemeta.json").read_bytes())["codeRepository"] == address
