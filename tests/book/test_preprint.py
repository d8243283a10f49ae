"""The layout that NeuroLibre builds: content, binder, paper.md and paper.bib, of which nothing is written by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from book.__main__ import main
from book.citation import read_citation
from book.preprint import paper, write_preprint
from book.project import Project

ROOT = Path(__file__).parents[2]
# As NeuroLibre's builder calls it, in the root of a clone.
BUILD = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"


@pytest.fixture
def committed(built: Project) -> Project:
    """The small book, built and committed, with the real book's citation and requirements of Binder."""
    shutil.copy(ROOT / "CITATION.cff", built.root)
    shutil.copytree(ROOT / "binder", built.root / "binder")
    (built.root / ".gitignore").write_text("_build\n")
    git = ["git", "-C", built.root, "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "book"]):
        subprocess.run([*git, *command], check=True)
    return built


def test_what_neurolibre_asks_for_is_there_and_says_what_its_owners_say(committed, tmp_path, capsys):
    folder = tmp_path / "preprint"
    assert main(["preprint", str(folder)], root=committed.root) == 0
    assert "NeuroLibre" in capsys.readouterr().out
    configuration = yaml.safe_load((folder / "content/_config.yml").read_text())
    staged = yaml.safe_load((committed.staged / "_config.yml").read_text())
    assert configuration["execute"].pop("execute_notebooks") == "cache"
    assert staged["execute"].pop("execute_notebooks") == "off" and configuration == staged
    assert (folder / "content/_toc.yml").read_text() == (committed.root / "_toc.yml").read_text()
    assert (folder / "paper.bib").read_bytes() == (committed.root / "references.bib").read_bytes()
    assert (folder / "lib/sums.py").is_file() and not (folder / "_build").exists()
    binder = (folder / "binder/requirements.txt").read_text()
    assert binder == (ROOT / "binder/requirements.txt").read_text() + "repo2data>=2.6.0\n"


def test_the_paper_is_of_the_citation():
    citation = read_citation(Project(ROOT))
    _, head, body = paper(citation).split("---\n")
    front = yaml.safe_load(head)
    assert front["title"] == citation.title and front["tags"] == list(citation.keywords)
    assert [author["affiliation"] for author in front["authors"]] == [1] * len(citation.authors)
    assert front["affiliations"][0]["index"] == 1 and front["bibliography"] == "paper.bib"
    assert citation.abstract in body
    assert all(each.address in body and each.title in body for each in citation.papers)
    assert "Zhenyu Zhu" in body and "Zhu, Zhenyu" not in body


def test_what_it_cannot_be_made_of_is_one_sentence(committed, tmp_path, refused):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    assert "is not an empty folder" in refused(lambda: write_preprint(committed, tmp_path / "full"))
    shutil.rmtree(committed.root / ".git")
    assert "git cannot read this checkout" in refused(lambda: write_preprint(committed, tmp_path / "new"))
    shutil.rmtree(committed.staged)
    assert "book build" in refused(lambda: write_preprint(committed, tmp_path / "new"))


@pytest.mark.slow
def test_jupyter_book_executes_and_renders_it_as_neurolibre_calls_it(committed, tmp_path):
    folder = tmp_path / "preprint"
    write_preprint(committed, folder)
    (folder / "lib/sums.py").write_text("def total(values):\n    return 12345\n")  # to see that pages run here
    command = [sys.executable, "-c", BUILD, "build", "--all", "--path-output", tmp_path / "out", "content"]
    environment = os.environ | {"PYTHONPATH": str(folder), "BOOK_PROGRESS": str(tmp_path / "progress")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "out/_build/html/chapters/01_width.html").read_text()
    assert "total 12345" in page and "Execution Failed" not in done.stdout
