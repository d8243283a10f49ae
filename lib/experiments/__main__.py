"""Make published rows: `python -m lib.experiments run pilot` (killed, it goes on where it stopped)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib.experiments import Store, sweep
from lib.experiments.plan import EXPERIMENTS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.experiments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train what an experiment's rows lack")
    run.add_argument("experiment", choices=sorted(EXPERIMENTS))
    run.add_argument("--results", type=Path, default=Path("results"), help="folder of the rows (default: results)")
    run.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    options = parser.parse_args(arguments)
    try:
        sweep(
            EXPERIMENTS[options.experiment](),
            Store(options.results / f"{options.experiment}.jsonl"),
            device=options.device,
        )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
