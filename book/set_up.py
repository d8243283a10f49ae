"""The lines that begin a chapter's first cell that uses this checkout, so that a hosted notebook finds it.

Sources do not repeat them: they are inserted where a chapter is read, and so stand in the pair that Colab and Binder
open, in the run and on the page. The repository's URL in them is the one setting in `_config.yml`.
"""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode

from book.imports import imported_names, without_magics

_LINES = """\
repository = "{url}"  # the book's repository; `python -m book pair` writes it here
from importlib.util import find_spec

if find_spec("lib") is None:
    # A hosted notebook: fetch the book, its library and its published rows, beside the torch that is there.
    import sys

    !git clone --quiet --depth 1 {repository} book-checkout
    %pip install --quiet myst-nb seaborn scikit-learn
    sys.path.insert(0, "book-checkout")

"""
# What only these lines have: a source that holds it repeats them.
MARK = 'find_spec("lib")'


def set_up_lines(url: str) -> str:
    """Return the lines for a repository; they end with an empty one."""
    return _LINES.replace("{url}", url)


def insert_set_up(notebook: NotebookNode, root: Path, lines: str) -> None:
    """Put the lines before the first code cell that imports a package of the checkout at `root`."""
    packages = {path.parent.name for path in root.glob("*/__init__.py")}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            names = imported_names(without_magics(cell.source))
            if any(name.partition(".")[0] in packages for name in names):
                cell.source = lines + cell.source
                return
