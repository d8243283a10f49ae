"""A small book in a temporary folder: two chapters, a library of three modules, two profiles."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from book.__main__ import main
from book.errors import BookError
from book.project import Project

ROOT = Path(__file__).parents[2]
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
LANDING = """
# A small book

Prose of the landing page.
"""
WIDTH = """
# Width

Prose of the chapter on width, with $m^2$ and {glue:text}`total`.

```{code-cell} ipython3
:tags: [parameters]
widths: list[int] = [2, 4]  # widths of the hidden layers [2..16]
lr: float = 1e-3  # learning rate (0..10]
scaling: str = "unit"  # input scaling [unit | raw]
biased: bool = False  # whether layers have a bias
```

```{code-cell} ipython3
:tags: [hide-input]
from lib.sums import total
from myst_nb import glue
glue("total", total(widths), display=False)
print("widths", widths, "total", total(widths))
```
"""
DEPTH = """
# Depth

```{code-cell} ipython3
:tags: [parameters]
depth: int = 3  # number of layers [2..10]
```

```{code-cell} ipython3
import os, pathlib
from lib import products
pathlib.Path(os.environ["BOOK_PROGRESS"]).write_text("configuration 1 of 1")
print("product", products.product([depth, depth]))
```
"""
FILES = {
    "chapters/00_overview.md": HEADER + LANDING,
    "chapters/01_width.md": HEADER + WIDTH,
    "chapters/02_depth.md": HEADER + DEPTH,
    "lib/__init__.py": "",
    "lib/sums.py": "def total(values):\n    return sum(values)\n",
    "lib/products.py": "import math\n\n\ndef product(values):\n    return math.prod(values)\n",
    "lib/unused.py": "nobody = 'imports this'\n",
    "params/quick.yml": "time_limit: 120\n01_width:\n  widths: [2, 8]\n",
    "params/wide.yml": "time_limit: 120\n01_width:\n  widths: [16]\n",
    "constraints.txt": "numpy\n",
    "references.bib": "",
    "_toc.yml": textwrap.dedent("""\
        format: jb-book
        root: chapters/00_overview
        parts:
          - caption: Experiments
            chapters:
              - file: chapters/01_width
              - file: chapters/02_depth
          - caption: About this build
            chapters:
              - file: status
        """),
}


def write_book(root: Path) -> Project:
    """Write the small book, with the real book's configuration of the site."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "_config.yml", root)
    return Project(root)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small book of which nothing is built."""
    monkeypatch.delenv("BOOK_DATA", raising=False)
    return write_book(tmp_path / "book")


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
