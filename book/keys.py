"""The cache key of a chapter: everything that its outputs depend on, and nothing else.

Code cells and parameters; the modules of this checkout that the code reaches by imports; the published rows and the
recorded benchmarks that it names to their readers, or all of them where the text does not tell the names; the names
and sizes of the data files where `lib.data` is imported; the pins, the Python version and the code that executes
chapters.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nbformat import NotebookNode

from book.chapters import Chapter
from book.imports import imported_names, without_magics
from book.parameters import Value
from book.project import Project
from book.reads import Reads, Unknown
from book.syntax import Source, parsed

# What reads results, by its module: the function, the folder, and the files that belong to a name.
_READERS = {
    "lib.rows.published": ("published", "results", "{}.*"),
    "benchmarks.timings": ("recorded", "benchmarks/results", "{}-*"),
}
# What decides how a cell is run and what is kept of its outputs.
_EXECUTOR = ("execute.py", "kernel.py")
# Tags that change what a run does; all others only change how a page looks.
_TAGS_THAT_ACT = {"parameters", "raises-exception", "skip-execution"}


class Keys:
    """Keys of the chapters of one checkout, as its files are now."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._imports: dict[Path, set[str]] = {}
        self._digests: dict[Path, str] = {}

    def key(self, chapter: Chapter, values: Mapping[str, Value]) -> str:
        """Return the hexadecimal key of a chapter run with these parameters."""
        modules = self.closure(cell.source for cell in chapter.code_cells)
        parts = {
            "cells": [_cell_part(cell) for cell in chapter.code_cells],
            "values": dict(values),
            "files": self._contents(self._module_files(modules)),
            "results": self._contents(self.results(chapter)),
            "data": self._data() if _reaches(modules, "lib.data") else [],
            "pins": self._contents([self._project.root / "constraints.txt"]),
            "python": platform.python_version(),
            "executor": [self._digest(Path(__file__).with_name(name)) for name in _EXECUTOR],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def closure(self, sources: Iterable[str]) -> dict[str, Path]:
        """Return the modules of this checkout, name to file, that the sources reach by import statements."""
        found: dict[str, Path] = {}
        pending = {name for source in sources for name in imported_names(without_magics(source), package="")}
        while pending:
            for name, path in self._locate(pending.pop()):
                if name in found:
                    continue
                found[name] = path
                if path not in self._imports:
                    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
                    self._imports[path] = set(imported_names(path.read_text(encoding="utf-8"), package))
                pending |= self._imports[path]
        return found

    def results(self, chapter: Chapter) -> list[Path]:
        """Return the results that a chapter reads, as far as its text and its modules tell; else all that it could."""
        modules = self.closure(cell.source for cell in chapter.code_cells)
        readers = [reader for module, reader in _READERS.items() if module in modules]
        if not readers:
            return []
        others = [path for name, path in modules.items() if name not in _READERS]
        reads = Reads((cell.source for cell in chapter.code_cells), (self._source(path) for path in others))
        found: set[Path] = set()
        for function, folder, pattern in readers:
            folder = self._project.root / folder
            try:
                named = {folder / name for name in reads.files()}
                for name in reads.names(function):
                    named.update(folder.glob(glob.escape(name).join(pattern.split("{}"))))
            except Unknown:
                named = set(_files(folder))
            found |= named
        return sorted(found)

    def _source(self, path: Path) -> Source:
        text = path.read_text(encoding="utf-8")
        try:
            return parsed(text)
        except SyntaxError:  # it fails when it is imported
            return parsed("")

    def _locate(self, dotted: str) -> Iterator[tuple[str, Path]]:
        """Yield the module that a dotted name means and its parent packages; stop where a name is no module."""
        folder, name = self._project.root, ""
        for part in dotted.split("."):
            name = f"{name}.{part}".lstrip(".")
            package, module = folder / part / "__init__.py", folder / f"{part}.py"
            if package.is_file():
                yield name, package
                folder = folder / part
            else:
                if module.is_file():
                    yield name, module
                return

    def _module_files(self, modules: Mapping[str, Path]) -> list[Path]:
        """The modules and the data files that lie beside them in the packages of `lib`, e.g. a register."""
        beside = {
            path
            for module in modules.values()
            if module.parent != self._project.root
            for path in module.parent.iterdir()
            if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
        }
        return sorted({*modules.values(), *beside})

    def _contents(self, paths: Iterable[Path]) -> list[tuple[str, str]]:
        root = self._project.root
        return [(path.relative_to(root).as_posix(), self._digest(path)) for path in paths if path.is_file()]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[path]

    def _data(self) -> list[tuple[str, int]]:
        root = self._project.root / (os.environ.get("BOOK_DATA") or "data")
        return [(path.relative_to(root).as_posix(), path.stat().st_size) for path in _files(root)]


def _cell_part(cell: NotebookNode) -> tuple[str, list[str]]:
    return cell.source, sorted(_TAGS_THAT_ACT.intersection(cell.metadata.get("tags", [])))


def _reaches(modules: Iterable[str], package: str) -> bool:
    return any(name == package or name.startswith(package + ".") for name in modules)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
