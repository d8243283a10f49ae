"""What the site tells of each published row: its file, the commit that changed this last, and the row's last audit."""

from __future__ import annotations

import json
import math
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.prose import scientific
from lib.rows import audits
from lib.rows.published import RESULTS
from lib.rows.store import Store


def last_change(folder: Path, files: Iterable[str]) -> str | None:
    """Return the commit of the last change of some files of a folder; None outside of git."""
    command = ["git", "-C", str(folder), "log", "-1", "--format=%H", "--", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def audited(folder: Path = RESULTS) -> dict[str, Counter[str]]:
    """Return, for each experiment with a row that was ever audited, how many last audits had which outcome."""
    counts: dict[str, Counter[str]] = {}
    for one in audits.last(folder / audits.PATH.name).values():
        counts.setdefault(one.experiment, Counter())[one.outcome] += 1
    return counts


def _size(deviation: float) -> str:
    return scientific(deviation) if math.isfinite(deviation) else "more than any number, one of two being absent"


def script(folder: Path = RESULTS) -> str:
    """Return the element from which figures tell what is behind a point; the book puts it into a file beside the pages.

    It sets `globalThis.rowsBehind`: by the name of an experiment its `commit` and the `keys` of its rows, one after the
    other; and by the key of a row its last audit: date, outcome, deviation, tolerance, value, values not looked at,
    processor.
    """
    experiments: dict[str, Any] = {}
    for path in sorted(folder.glob("*.jsonl")):
        keys = sorted(Store(path).keys())
        experiments[path.stem] = {"commit": last_change(folder, [path.name]), "keys": " ".join(keys)}
    last = {
        one.key: [
            one.date,
            one.outcome,
            _size(one.deviation),
            f"{one.tolerance:g}",
            one.value,
            one.unseen,
            one.processor,
        ]
        for one in audits.last(folder / audits.PATH.name).values()
    }
    data = json.dumps({"experiments": experiments, "audits": last}, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script data-file="rows_behind.js">globalThis.rowsBehind = {data};</script>'
