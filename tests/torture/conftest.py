"""The parts of `make torture` lie beside their tests; the small book lies with the tests of `book`."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "book"):
    sys.path.insert(0, str(folder))
