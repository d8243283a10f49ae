"""Where the parts of a book lie, and which chapters its table of contents lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book.errors import BookError, nearest
from book.files import read_mapping

STATUS = "status"


@dataclass(frozen=True)
class Project:
    """The folders of one checkout; everything that is built lies under `_build/`."""

    root: Path

    @property
    def chapters(self) -> Path:
        return self.root / "chapters"

    @property
    def params(self) -> Path:
        return self.root / "params"

    @property
    def build(self) -> Path:
        return self.root / "_build"

    @property
    def staged(self) -> Path:
        return self.build / "book_src"

    @property
    def html(self) -> Path:
        return self.build / "site" / "html"

    def executed(self, profile: str) -> Path:
        """The folder of executed chapters of a profile."""
        return self.build / "executed" / profile

    def pages(self) -> list[str]:
        """List the pages of `_toc.yml` in reading order: `chapters/NN_name`, and `status`, which `book` writes."""
        pages: list[str] = []
        _collect(read_mapping(self.root / "_toc.yml", "_toc.yml"), pages)
        if not pages:
            raise BookError("_toc.yml lists no page; it needs a root and its parts.")
        sources = sorted(f"chapters/{path.stem}" for path in self.chapters.glob("*.md"))
        for page in pages:
            if page != STATUS and page not in sources:
                raise BookError(f"_toc.yml lists {page}, but {page}.md does not exist{nearest(page, sources) or '.'}")
        return pages

    def chapter_names(self) -> list[str]:
        """List the chapters of `_toc.yml` in reading order, e.g. `09_width`."""
        return [page.removeprefix("chapters/") for page in self.pages() if page != STATUS]


def _collect(entry: Any, pages: list[str]) -> None:
    """Append the pages of a table of contents, whose entries nest as parts, chapters and sections."""
    if isinstance(entry, list):
        for item in entry:
            _collect(item, pages)
    elif isinstance(entry, dict):
        for key in ("root", "file"):
            if key in entry:
                pages.append(str(entry[key]).removesuffix(".md"))
        for key in ("parts", "chapters", "sections"):
            _collect(entry.get(key), pages)
