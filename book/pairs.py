"""The output-free notebooks beside the sources, which Colab, Binder and papermill open.

One direction only, source to notebook: `jupytext --sync` takes the newer file, and a fresh clone has no order of times.
"""

from __future__ import annotations

import copy
import json
import warnings

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbformat import NotebookNode

from book import citation
from book.chapters import Chapter, read_chapter
from book.errors import BookError
from book.files import write_if_changed
from book.profiles import read_profile
from book.project import Project
from book.set_up import MARK


def write_pairs(project: Project) -> list[str]:
    """Write every source into its pair; return the files that changed."""
    written = []
    chapters = [read_chapter(project, path.stem) for path in sorted(project.chapters.glob("*.md"))]
    for name, data in {chapter.name: _pair(project, chapter) for chapter in chapters}.items():
        target = project.chapters / f"{name}.ipynb"
        if not target.is_file() or target.read_bytes() != data:
            write_if_changed(target, data)
            written.append(f"chapters/{name}.ipynb")
    return written


# Pages that show what is published, and compute nothing of which a parameter could tell: the first one, the scorecard
# and the page whose choices are made in the browser.
_NOTHING_TO_CHOOSE = ("00", "15", "95")


def problems(project: Project) -> list[str]:
    """Return one sentence for each thing that is out of order in chapters, pairs, profiles and metadata."""
    found: list[str] = []
    sources = sorted(path.stem for path in project.chapters.glob("*.md"))
    listed = _collect(found, project.chapter_names) or []
    found += [f"chapters/{name}.md is in no part of _toc.yml." for name in sources if name not in listed]
    chapters = {}
    for name in sources:
        chapter = _collect(found, lambda name=name: read_chapter(project, name))
        if chapter is None:
            continue
        chapters[name] = chapter
        _collect(found, lambda chapter=chapter: chapter.parameters)
        if MARK in chapter.text:
            found.append(f"chapters/{name}.md repeats the set-up lines of book/set_up.py; remove them.")
        if name[:2] not in _NOTHING_TO_CHOOSE and chapter.code_cells and chapter.parameters_cell is None:
            found.append(f"chapters/{name}.md has no cell tagged parameters.")
    for path in sorted(project.chapters.glob("*.ipynb")):
        if not path.with_suffix(".md").is_file():
            found.append(f"chapters/{path.name} has no source {path.stem}.md; remove it.")
    for chapter in chapters.values():
        _collect(found, lambda chapter=chapter: _check_pair(project, chapter))
    if len(chapters) == len(sources):
        for path in sorted(project.params.glob("*.yml")):
            _collect(found, lambda path=path: read_profile(project, path.stem, chapters))
    if (project.root / citation.FILE).is_file():
        stale = _collect(found, lambda: citation.stale_metadata(project)) or []
        found += [f"{name} is not what {citation.FILE} says; run `python -m book metadata`." for name in stale]
    return found


def _check_pair(project: Project, chapter: Chapter) -> None:
    shown = f"chapters/{chapter.name}.ipynb"
    target = project.chapters / f"{chapter.name}.ipynb"
    if not target.is_file():
        raise BookError(f"{shown} is missing; run `python -m book pair`.")
    if _read_pair(project, chapter.name)[1]:
        raise BookError(f"{shown} holds outputs; run `python -m book pair`.")
    if target.read_bytes() != _pair(project, chapter):
        raise BookError(f"{shown} differs from chapters/{chapter.name}.md; run `python -m book pair`.")


def _pair(project: Project, chapter: Chapter) -> bytes:
    """Return what a pair should be: its source's cells without outputs, with the ids that they have there already."""
    notebook = copy.deepcopy(chapter.notebook)
    if (project.chapters / f"{chapter.name}.ipynb").is_file():
        before, _ = _read_pair(project, chapter.name)
        notebook = combine_inputs_with_outputs(notebook, before, fmt={"extension": ".md", "format_name": "myst"})
    return jupytext.writes(notebook, fmt="ipynb").encode() + b"\n"


def _read_pair(project: Project, name: str) -> tuple[NotebookNode, bool]:
    """Return a pair without outputs, and whether it had any."""
    try:
        notebook = nbformat.from_dict(json.loads((project.chapters / f"{name}.ipynb").read_bytes()))
        if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
            raise ValueError("another format")
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        executed = any(cell.get("outputs") for cell in code)
        for cell in code:
            cell.outputs, cell.execution_count = [], None
        with warnings.catch_warnings(action="error"):  # cells without an id, or with one that another has
            nbformat.validate(notebook)
    except (ValueError, AttributeError, TypeError, RecursionError, Warning, nbformat.ValidationError) as error:
        raise BookError(
            f"chapters/{name}.ipynb is no notebook of format 4.5; remove it and run `python -m book pair`."
        ) from error
    return nbformat.v4.rwbase.rejoin_lines(notebook), executed


def _collect(found: list[str], read):
    """Return what `read` returns; where it raises, note the sentence and return None."""
    try:
        return read()
    except BookError as error:
        if str(error) not in found:
            found.append(str(error))
        return None
