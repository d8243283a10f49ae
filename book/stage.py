"""Stage `_build/book_src`, the tree that Jupyter Book reads; it mirrors the repository.

Markdown cells come from the source, code cells and outputs from the run, so that an edit in the prose runs nothing.
A file is written only where its bytes change, and what no longer belongs to the tree is removed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from book import provenance
from book.beside import set_beside
from book.chapters import Chapter
from book.configuration import site_configuration
from book.errors import BookError
from book.files import read_text, write_if_changed
from book.light import light_drawing, light_rows
from book.outputs import Outputs, Record
from book.preview import PREVIEW
from book.project import STATUS, Project
from book.symbols import symbols_cell

_RERUN = re.compile(r"^## Rerun this$", re.MULTILINE)
_DOWNLOAD = re.compile(r"\{download\}`[^`<]*<(?P<path>[^`>]+)>`")
# What _config.yml has MathJax load, and what that loads where a page needs it. The rest of the package's 24 MB are
# other inputs, outputs and readers, and a menu, a third of all, that makes a control of every formula.
_MATHJAX = ("startup.js", "core.js", "input/tex.js", "input/tex/extensions/*.js", "a11y/assistive-mml.js")
_MATHJAX += ("output/chtml.js", "output/chtml/fonts/tex.js", "output/chtml/fonts/woff-v2/*")


def stage(
    project: Project, chapters: Mapping[str, Chapter], records: Mapping[str, Record], outputs: Outputs, profile: str
) -> str:
    """Bring the staged tree up to date and return the digest of its bytes."""
    tree: dict[str, bytes] = {
        "_config.yml": yaml.safe_dump(site_configuration(project), sort_keys=False, allow_unicode=True).encode(),
        "_toc.yml": read_text(project.root / "_toc.yml", "_toc.yml").encode(),
        "references.bib": read_text(project.root / "references.bib", "references.bib").encode(),
        "favicon.svg": Path(__file__).with_name("favicon.svg").read_bytes(),
        # Jupyter Book adds every style sheet and script of this folder to every page.
        "_static/book.css": Path(__file__).with_name("book.css").read_bytes(),
        "_static/words.css": Path(__file__).with_name("words.css").read_bytes(),
        "_static/figures.js": Path(__file__).with_name("figures.js").read_bytes(),
        "_static/cards.js": Path(__file__).with_name("cards.js").read_bytes(),
        "_static/edges.js": Path(__file__).with_name("edges.js").read_bytes(),
        f"{STATUS}.md": provenance.status_page(chapters, records, profile).encode(),
    }
    for name, chapter in chapters.items():
        record = records.get(name)
        executed = outputs.notebook(name) if record else None
        notebook = page(chapter, executed, record, symbols_cell(chapter, chapters))
        for file, script in set_beside(notebook).items():
            tree[f"extra/chapters/{file}"] = script.encode()
        tree[f"chapters/{name}.ipynb"] = nbformat.writes(notebook).encode()
    if (preview := project.root / PREVIEW).is_file():
        tree[f"_static/{preview.name}"] = preview.read_bytes()
    tree |= _downloads(project, chapters)
    tree |= _mathjax()
    _write(project.staged, tree)
    return _digest(tree)


def staged_digest(folder: Path) -> str:
    """Return the digest of the tree that is staged now; what `stage` returned, unless somebody changed it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return _digest({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def _digest(tree: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tree):
        digest.update(f"{name}\0{len(tree[name])}\0".encode() + tree[name])
    return digest.hexdigest()


def page(
    chapter: Chapter, executed: NotebookNode | None, record: Record | None, symbols: NotebookNode | None = None
) -> NotebookNode:
    """Return the notebook of one page: the source's prose, the run's code and outputs, symbols and provenance."""
    runs = iter([cell for cell in executed.cells if cell.cell_type == "code"] if executed else [])
    cells = []
    for cell in chapter.notebook.cells:
        if cell.cell_type != "code":
            cells.append(nbformat.NotebookNode(cell_type=cell.cell_type, metadata=cell.metadata, source=cell.source))
            continue
        run = next(runs, None)
        cells.append(
            nbformat.NotebookNode(
                cell_type="code",
                metadata=cell.metadata,
                source=run.source if run else cell.source,
                outputs=[_light(output) for output in run.outputs] if run else [],
                execution_count=run.execution_count if run else None,
            )
        )
    cells = _parameters_last(cells)
    if symbols is not None:
        cells.append(symbols)
    if record is not None:
        cells.append(nbformat.v4.new_markdown_cell(provenance.footer(chapter, record)))
    else:
        cells.insert(1, nbformat.v4.new_markdown_cell(provenance.not_executed(chapter)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"  # the reader's ids are random and would change the bytes every time
    metadata = {name: chapter.notebook.metadata[name] for name in ("kernelspec",)}
    metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells})


def _light(output: NotebookNode) -> NotebookNode:
    """Lighten a drawing and the rows of a figure, be they shown or glued."""
    data = output.get("data", {})
    light = {kind: light_drawing(value) for kind, value in data.items() if kind.endswith("image/svg+xml")}
    light |= {kind: light_rows(value) for kind, value in data.items() if kind.endswith("text/html")}
    return output | {"data": data | light} if light else output


def _parameters_last(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Show the parameters behind the prose cell with the heading "Rerun this", wherever they stand to be executed."""
    moved = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    place = next((i for i, cell in enumerate(cells) if _RERUN.search(cell.source)), None)
    if not moved or place is None or cells.index(moved[0]) > place:
        return cells
    return [*(cell for cell in cells[: place + 1] if cell not in moved), *moved, *cells[place + 1 :]]


def _downloads(project: Project, chapters: Mapping[str, Chapter]) -> dict[str, bytes]:
    """Read the files of this checkout that chapters offer by the role `download`."""
    files = {}
    for name, chapter in chapters.items():
        prose = "\n".join(cell.source for cell in chapter.notebook.cells if cell.cell_type == "markdown")
        for found in _DOWNLOAD.finditer(prose):
            path = (project.chapters / found["path"]).resolve()
            if not path.is_relative_to(project.root) or not path.is_file():
                raise BookError(f"chapters/{name}.md offers {found['path']}, which is no file of this checkout.")
            files[path.relative_to(project.root).as_posix()] = path.read_bytes()
    return files


def _mathjax() -> dict[str, bytes]:
    """Read the part of MathJax that pages need, for a folder that the site copies as it is."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or not package.submodule_search_locations:
        raise BookError("sphinx-mathjax-offline is not installed; run `make book`, or pip install -r requirements.txt.")
    folder = Path(package.submodule_search_locations[0]) / "static" / "mathjax"
    files = sorted(path for pattern in _MATHJAX for path in folder.glob(pattern))
    return {f"extra/mathjax/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


def _write(folder: Path, tree: Mapping[str, bytes]) -> None:
    if folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in tree:
                path.unlink()
    for name, data in tree.items():
        write_if_changed(folder / name, data)
