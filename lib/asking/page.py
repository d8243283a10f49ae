"""The page on which a reader asks the rows: its data, its statistics and its script as one piece of HTML."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.colors import to_hex

from lib.asking.packing import QUANTITIES, pack
from lib.asking.questions import described
from lib.figures.style import depth_colour
from lib.rows import SEEDS
from lib.verdicts.cells import read
from lib.verdicts.register import read as read_register

_HERE = Path(__file__).parent
_SCRIPTS = ("redraws.js", "statistics.js", "page.js")
# The pilot is no round of evidence.
_ROUNDS = {number: seeds for number, seeds in SEEDS[""].items() if number}


def asking_page() -> str:
    """Return HTML that draws what a reader chooses of the published trainings, and applies the registered tests to it.

    It needs no server and no network. The data are a script of their own, which the book puts into a file beside the
    page.

    Raises:
        ValueError: a row or the register cannot be used, or the data weigh more than the page may carry.
    """
    register = read_register()
    data = pack(read(), _ROUNDS, register) | {
        "questions": described(register, QUANTITIES),
        "alpha": register.vocabulary["alpha"],
        "minimum_seeds": register.vocabulary["minimum_seeds"],
        "trained": register.vocabulary["trained_accuracy"],
    }
    depths, widths = (sorted({cell[at] for cell in data["cells"]}) for at in (2, 3))
    data["colours"] = {
        "depth": {depth: to_hex(depth_colour(depth)) for depth in depths},
        # The same map, from the narrowest to the widest.
        "width": {m: to_hex(depth_colour(2 + 8 * at / max(1, len(widths) - 1))) for at, m in enumerate(widths)},
    }
    script = "\n".join((_HERE / name).read_text(encoding="utf-8").strip() for name in _SCRIPTS)
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    for name, text in {
        "{trained}": f"{data['trained']:g}",
        "{data}": json.dumps(data, ensure_ascii=False),
        "{script}": script,
    }.items():
        page = page.replace(name, text)
    return page
