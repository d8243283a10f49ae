"""Keep what was measured, cell by cell: an interrupted benchmark goes on where it stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from benchmarks.timings import RESULTS


class Record:
    """A benchmark's file of results.

    Args:
        benchmark, device: name the file.
        command: what makes the file.
        environment: what it is made on; a file that was made on something else is not continued.
        protocol: how it is measured, in words and numbers.
        targets: what must be reached: {"settings", "ratio", "at_least"}.
        folder: where the file lies.
        again: cells that are there are measured again.
        part: not all cells are asked for: those of another environment would be lost.

    Raises:
        ValueError: the file belongs to another environment, and `again` is not set, or set for a part.
    """

    def __init__(
        self,
        benchmark: str,
        device: str,
        command: str,
        environment: dict[str, Any],
        protocol: dict[str, Any],
        targets: list[dict[str, Any]],
        folder: Path = RESULTS,
        again: bool = False,
        part: bool = False,
    ) -> None:
        self.path = folder / f"{benchmark}-{device}.json"
        head = {"benchmark": benchmark, "command": command, "environment": environment, "protocol": protocol}
        cells = []
        if self.path.exists():
            there = json.loads(self.path.read_text(encoding="utf-8"))
            differing = sorted(
                name
                for part in ("environment", "protocol")
                for name in head[part] | there[part]
                if head[part].get(name) != there[part].get(name)
            )
            if not differing:
                cells = there["cells"]
            elif part or not again:
                raise ValueError(
                    f"{self.path} was measured with another {', '.join(differing)}; --again without --only measures "
                    "it anew from the first cell."
                )
        self.content = {**head, "targets": targets, "cells": cells}

    def has(self, settings: dict[str, Any]) -> bool:
        """Return whether a cell is there."""
        return any(cell["settings"] == settings for cell in self.content["cells"])

    def put(self, cell: dict[str, Any]) -> None:
        """Add a cell, in the place of an older one, and write the file so that a kill leaves the old or the new one."""
        kept = [other for other in self.content["cells"] if other["settings"] != cell["settings"]]
        self.content["cells"] = sorted([*kept, cell], key=lambda c: [str(v).rjust(8) for v in c["settings"].values()])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(json.dumps(self.content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(unfinished, self.path)
