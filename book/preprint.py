"""The book in the layout that NeuroLibre builds: a branch to push, made of what is committed and what is staged.

NeuroLibre clones a repository, installs `binder/`, calls `jupyter-book build content`, which executes the pages there,
and prints `paper.md`. Ours keeps its pages elsewhere and executes them itself, so its `content/` is the staged tree.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import yaml

from book.citation import Citation, read_citation
from book.errors import BookError
from book.files import read_mapping
from book.project import Project

# What NeuroLibre needs beside the book's own requirements, to fetch data; the book needs none.
_OWN = "repo2data>=2.6.0\n"


def write_preprint(project: Project, folder: Path) -> None:
    """Write the committed sources into an empty folder, with `content/`, `paper.md` and `paper.bib`.

    Raises:
        BookError: the folder has something in it, nothing is staged, or git cannot read this checkout.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BookError(f"{folder} is not an empty folder; name another.")
    if not (project.staged / "_toc.yml").is_file():
        raise BookError("there are no staged pages; call `python -m book build` first.")
    done = subprocess.run(["git", "-C", str(project.root), "archive", "HEAD"], capture_output=True)
    if done.returncode:
        raise BookError(f"git cannot read this checkout: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as sources:
        sources.extractall(folder, filter="data")
    content = folder / "content"
    shutil.copytree(project.staged, content)
    configuration = read_mapping(content / "_config.yml", "_config.yml")
    configuration["execute"]["execute_notebooks"] = "cache"
    text = yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True)
    (content / "_config.yml").write_text(text, encoding="utf-8")
    (folder / "paper.bib").write_bytes((content / "references.bib").read_bytes())
    (folder / "paper.md").write_text(paper(read_citation(project)), encoding="utf-8")
    with open(folder / "binder" / "requirements.txt", "a", encoding="utf-8") as requirements:
        requirements.write(_OWN)


def paper(citation: Citation) -> str:
    """Return the summary of which NeuroLibre makes its PDF, from CITATION.cff alone."""
    head = {
        "title": citation.title,
        "tags": list(citation.keywords),
        "authors": [{"name": _spoken(name), "affiliation": 1} for name in citation.authors],
        "affiliations": [{"index": 1, "name": citation.title}],
        "date": citation.day,
        "bibliography": "paper.bib",
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000)
    papers = "\n".join(
        f"- {', '.join(map(_spoken, each.authors))}: {each.title}, {each.year}, {each.address}"
        for each in citation.papers
    )
    return f"---\n{front}---\n\n# Summary\n\n{citation.abstract}\n\n# Papers\n\n{papers}\n"


def _spoken(name: str) -> str:
    family, _, given = name.partition(", ")
    return f"{given} {family}".strip()
