"""The small book in a temporary folder, as it is written and as it is built."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from book.__main__ import main
from book.chapters import Chapter, read_chapters
from book.errors import BookError
from book.project import Project

sys.path.insert(0, str(Path(__file__).parent))  # the small book lies beside the tests, and tests/ is no package

from small_book import write_book


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small book of which nothing is built."""
    monkeypatch.delenv("BOOK_DATA", raising=False)
    return write_book(tmp_path / "book")


@pytest.fixture
def chapters(project: Project) -> dict[str, Chapter]:
    """The chapters of the small book, by name."""
    return read_chapters(project)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a small book that `build` has built; tests take copies of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BOOK_DATA", raising=False)
        book = write_book(tmp_path_factory.mktemp("built") / "book")
        assert main(["build"], root=book.root) == 0
    return book.root


@pytest.fixture
def built(built_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small book that is up to date."""
    monkeypatch.delenv("BOOK_DATA", raising=False)
    return Project(Path(shutil.copytree(built_once, tmp_path / "book")))


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the site alone; these tests ask what is executed and staged."""
    monkeypatch.setattr("book.build.build_site", lambda *arguments, **options: True)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace text in a file of the book; the text must be there."""
    return _edit


def _refused(call: Callable[[], object]) -> str:
    with pytest.raises(BookError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def refused() -> Callable[[Callable[[], object]], str]:
    """Call a function that must be refused in one sentence, and return the sentence."""
    return _refused
