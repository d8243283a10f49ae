"""A small book: three chapters, a library of three modules, two profiles."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

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
