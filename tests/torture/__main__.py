"""`make torture`: the full counts of kills and forgeries, of which the tests run a part.

`python tests/torture [PART ...] [--seed N]`. A part is a module beside this one with COUNT and
`torture(count, folder, seed, say)`, which returns a sentence for everything that went wrong.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

PARTS = ("sweeps", "forgeries", "builds")


def main() -> int:
    """Run the parts; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(prog="make torture")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}.")
    live = sys.stderr.isatty()
    wrong = 0
    for name in options.parts or PARTS:
        part = importlib.import_module(name)
        with tempfile.TemporaryDirectory() as folder:
            found = part.torture(
                part.COUNT, Path(folder), options.seed, lambda line: print(f"\r{line}", end="" if live else "\n")
            )
        print(f"{name}: {part.COUNT} times, {len(found) or 'nothing'} wrong", *found, sep="\n  ")
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    here = Path(__file__).parent
    sys.path[:0] = [str(here), str(here.parent / "book"), str(here.parents[1])]
    sys.exit(main())
