"""The output-free notebooks beside the sources, which Colab, Binder and papermill open.

One direction only, source to notebook: `jupytext --sync` takes the newer file, and a fresh clone has no order of times.

A chapter's set-up cell installs the library from `repository` where it is missing, as on Colab; its line
`repository = "..."` is written here from the one setting of the repository's URL in `_config.yml`.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path

from jupytext.cli import jupytext

from book.chapters import Chapter, read_chapter
from book.configuration import NO_REPOSITORY, read_configuration
from book.errors import BookError
from book.files import read_text, write_if_changed
from book.profiles import read_profile
from book.project import Project

_REPOSITORY = re.compile(r'^repository = "[^"\n]*"', re.MULTILINE)


def write_pairs(project: Project) -> list[str]:
    """Write the repository's URL into the sources and the sources into their pairs; return the files that changed."""
    written = []
    url = read_configuration(project)["repository"]["url"]
    for source in sorted(project.chapters.glob("*.md")):
        text = read_text(source, f"chapters/{source.name}")
        if (renewed := _REPOSITORY.sub(lambda _: f'repository = "{url}"', text)) != text:
            write_if_changed(source, renewed.encode())
            written.append(f"chapters/{source.name}")
    for name, data in _paired(project).items():
        target = project.chapters / f"{name}.ipynb"
        if not target.is_file() or target.read_bytes() != data:
            write_if_changed(target, data)
            written.append(f"chapters/{name}.ipynb")
    return written


def problems(project: Project) -> list[str]:
    """Return one sentence for each thing that is out of order in the chapters, their pairs and the profiles."""
    found: list[str] = []
    sources = sorted(path.stem for path in project.chapters.glob("*.md"))
    url = (_collect(found, lambda: read_configuration(project)) or NO_REPOSITORY)["repository"]["url"]
    listed = _collect(found, project.chapter_names) or []
    found += [f"chapters/{name}.md is in no part of _toc.yml." for name in sources if name not in listed]
    chapters = {}
    for name in sources:
        chapter = _collect(found, lambda name=name: read_chapter(project, name))
        if chapter is None:
            continue
        chapters[name] = chapter
        _collect(found, lambda chapter=chapter: chapter.parameters)
        found += _strangers(chapter, url)
        if name[:2] != "00" and chapter.parameters_cell is None:
            found.append(f"chapters/{name}.md has no cell tagged parameters.")
    if len(chapters) == len(sources):
        found += _unpaired(project)
        for path in sorted(project.params.glob("*.yml")):
            _collect(found, lambda path=path: read_profile(project, path.stem, chapters))
    return found


def _strangers(chapter: Chapter, url: str) -> list[str]:
    """Name the line of a set-up cell that would install the library from somewhere else."""
    lines = {line for line in _REPOSITORY.findall(chapter.text) if line != f'repository = "{url}"'}
    return [
        f'chapters/{chapter.name}.md has {line}, but _config.yml says "{url}"; run `python -m book pair`.'
        for line in sorted(lines)
    ]


def _unpaired(project: Project) -> list[str]:
    found = []
    for name, data in _paired(project).items():
        shown = f"chapters/{name}.ipynb"
        target = project.chapters / f"{name}.ipynb"
        if not target.is_file():
            found.append(f"{shown} is missing; run `python -m book pair`.")
        elif any(cell.get("outputs") for cell in json.loads(target.read_bytes())["cells"]):
            found.append(f"{shown} holds outputs; run `python -m book pair`.")
        elif target.read_bytes() != data:
            found.append(f"{shown} differs from chapters/{name}.md; run `python -m book pair`.")
    for path in sorted(project.chapters.glob("*.ipynb")):
        if not path.with_suffix(".md").is_file():
            found.append(f"chapters/{path.name} has no source {path.stem}.md; remove it.")
    return found


def _paired(project: Project) -> dict[str, bytes]:
    """Return what each pair should be: `jupytext --update --to ipynb`, on copies, without outputs."""
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for source in sorted(project.chapters.glob("*.md")):
            copies.append(Path(shutil.copy(source, folder)))
            pair = source.with_suffix(".ipynb")
            if pair.is_file():
                _copy_without_outputs(pair, Path(folder) / pair.name)
        if copies:
            jupytext(["--quiet", "--update", "--to", "ipynb", *map(str, copies)])
        return {copy.stem: copy.with_suffix(".ipynb").read_bytes() for copy in copies}


def _copy_without_outputs(pair: Path, copy: Path) -> None:
    """`--update` keeps the outputs that it finds, so it must find none."""
    try:
        notebook = json.loads(pair.read_bytes())
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
    except (ValueError, KeyError, TypeError) as error:
        raise BookError(f"chapters/{pair.name} is not a notebook; remove it and run `python -m book pair`.") from error
    copy.write_text(json.dumps(notebook), encoding="utf-8")


def _collect(found: list[str], read):
    """Return what `read` returns; where it raises, note the sentence and return None."""
    try:
        return read()
    except BookError as error:
        found.append(str(error))
        return None
