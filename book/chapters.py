"""A chapter's source: a MyST notebook with jupytext's header and a `parameters` cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jupytext
from nbformat import NotebookNode

from book.configuration import read_configuration
from book.errors import BookError, listing, nearest
from book.files import read_text
from book.parameters import Parameter, Value, parse_cell, shown
from book.plain_yaml import parse_yaml
from book.project import Project
from book.set_up import insert_set_up, set_up_lines

KERNEL = "python3"


@dataclass(frozen=True)
class Chapter:
    """A chapter as it is written, before anything has run."""

    name: str
    text: str
    notebook: NotebookNode
    set_up: str  # the lines that its notebook has and its text has not

    @property
    def code_cells(self) -> list[NotebookNode]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def parameters_cell(self) -> NotebookNode | None:
        """The cell tagged `parameters`, if there is one."""
        tagged = [cell for cell in self.code_cells if "parameters" in cell.metadata.get("tags", [])]
        if len(tagged) > 1:
            raise BookError(f"{self.name} has {len(tagged)} cells tagged parameters; keep one.")
        return tagged[0] if tagged else None

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The declared parameters by name; empty for a chapter without a `parameters` cell."""
        cell = self.parameters_cell
        return {} if cell is None else parse_cell(cell.source, self.name)

    def accept(self, name: str, value: Any, where: str) -> Value:
        """Check one value for one parameter of this chapter."""
        if name not in self.parameters:
            raise BookError(
                f"{where} has no parameter {shown(name)}{nearest(name, self.parameters) or '.'} "
                f"The parameters are: {listing(self.parameters)}."
            )
        return self.parameters[name].accept(value, where)

    def changed(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values that differ from the chapter's defaults."""
        return {name: value for name, value in values.items() if value != self.parameters[name].default}

    def locate(self, cell: NotebookNode) -> str:
        """Say where a code cell stands in the source, as `chapters/NN_name.md:LINE`."""
        position = self.text.find(cell.source.removeprefix(self.set_up))
        line = self.text.count("\n", 0, position) + 1 if position >= 0 else 1
        return f"chapters/{self.name}.md:{line}"


def read_chapter(project: Project, name: str) -> Chapter:
    """Read `chapters/<name>.md` and check its header."""
    where = f"chapters/{name}.md"
    text = read_text(project.chapters / f"{name}.md", where)
    header = _front_matter(text, where)
    form = _entry(header, "jupytext", "text_representation", "format_name")
    if form != "myst":
        raise BookError(f"{where} needs the header jupytext: text_representation: format_name: myst, not {form!r}.")
    kernel = _entry(header, "kernelspec", "name")
    if kernel != KERNEL:
        raise BookError(f"{where} needs the header kernelspec: name: {KERNEL}, not {kernel!r}.")
    set_up = set_up_lines(read_configuration(project)["repository"]["url"])
    try:
        notebook = jupytext.reads(text, fmt="md:myst")
    except Exception as error:  # jupytext raises what its parsers raise
        raise BookError(f"{where} is not a readable MyST notebook: {' '.join(str(error).split())}.") from error
    insert_set_up(notebook, project.root, set_up)
    return Chapter(name, text, notebook, set_up)


def read_chapters(project: Project) -> dict[str, Chapter]:
    """Read every chapter of the table of contents, in reading order."""
    return {name: read_chapter(project, name) for name in project.chapter_names()}


def choose(name: str, chapters: Iterable[str]) -> str:
    """Return the name of an existing chapter, of which the number is enough, or say which are there."""
    names = list(chapters)
    if numbered := [chapter for chapter in names if chapter.partition("_")[0] == name]:
        return numbered[0]
    if name not in names:
        raise BookError(
            f'There is no chapter "{name}"{nearest(name, names) or "."} The chapters are: {listing(names)}.'
        )
    return name


def _front_matter(text: str, where: str) -> dict[str, Any]:
    parts = text.split("---\n", 2)
    if not text.startswith("---\n") or len(parts) < 3:
        raise BookError(f"{where} has no front matter; begin it with jupytext's and the kernel's header.")
    header = parse_yaml(f"\n{parts[1]}", f"{where}: the front matter")
    return header if isinstance(header, dict) else {}


def _entry(header: dict[str, Any], *path: str) -> Any:
    """Return what stands under nested keys, None where a step is missing or is no mapping."""
    value: Any = header
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
