"""What each estimator does with each kind of module, as proved and published in results/modules.json."""

from __future__ import annotations

import json

import pandas as pd

from lib.rows.published import RESULTS

MODULES = RESULTS / "modules.json"
_REFUSED = "refused: "


def published_modules() -> pd.DataFrame:
    """Return one line a kind of module, one column an estimator: "exact", "sampled", or "refused: " and why."""
    return pd.DataFrame(json.loads(MODULES.read_text(encoding="utf-8"))).set_index("module")


def alike(modules: pd.DataFrame) -> pd.DataFrame:
    """Return modules that all estimators of a table treat alike as one line: most of them first.

    The columns are those of the table, with "refused" alone where an estimator refuses, then `modules` (their names),
    `count` and `reason` (of the first refusal, "" without one).
    """
    lines = []
    for cells, names in modules.groupby(list(modules), sort=False).groups.items():
        cells = cells if isinstance(cells, tuple) else (cells,)
        reasons = [cell.removeprefix(_REFUSED) for cell in cells if cell.startswith(_REFUSED)]
        words = {name: cell.split(":")[0] for name, cell in zip(modules, cells, strict=True)}
        lines.append({**words, "modules": list(names), "count": len(names), "reason": reasons[0] if reasons else ""})
    return pd.DataFrame(lines).sort_values("count", ascending=False, kind="stable", ignore_index=True)
