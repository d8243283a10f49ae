"""Make published rows: `python -m lib.experiments run setting grid` (killed, it goes on where it stopped)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib.experiments import Store, cost, sweep
from lib.experiments.plan import EXPERIMENTS
from lib.experiments.stacks import stacks


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.experiments", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the rows (default: results)")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, one after the other, what the rows of experiments lack")
    run.add_argument("experiments", nargs="+", choices=sorted(EXPERIMENTS))
    run.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    run.add_argument("--retry", action="store_true", help="train again what has only failed so far")
    run.add_argument("--checkpoints", type=Path, help="folder from which interrupted trainings go on")
    costing = commands.add_parser("hours", help="estimate, from the rows that are there, what experiments cost")
    costing.add_argument("experiments", nargs="+", choices=sorted(EXPERIMENTS))
    costing.add_argument("--devices", type=int, default=1, help="equal devices that share the work (default: 1)")
    costing.add_argument("--efficiency", type=float, default=1.0, help="speed of each beside the others (default: 1)")
    commands.add_parser("status", help="count the rows that each experiment has and lacks")
    options = parser.parse_args(arguments)
    try:
        if options.command == "hours":
            return _hours(options)
        return _run(options) if options.command == "run" else _status(options.results)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    """Train what is missing; while the file `pause` lies in the results' folder, training waits."""
    if options.checkpoints is not None:
        options.checkpoints.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in options.experiments:
        # A configuration that two experiments share is trained once, by the first: readers look at all rows.
        elsewhere = set().union(*(Store(path).keys() for path in _others(options.results, name)))
        failed += sweep(
            [c for c in EXPERIMENTS[name]() if c.key not in elsewhere],
            Store(options.results / f"{name}.jsonl"),
            device=options.device,
            retry=options.retry,
            checkpoints=options.checkpoints,
            pause=options.results / "pause",
        )
    if failed:
        print(f"{failed} trainings failed; their rows say why, --retry trains them again.", file=sys.stderr)
    return int(failed > 0)


def _status(results: Path) -> int:
    for name, configurations in EXPERIMENTS.items():
        wanted = {c.key for c in configurations()}
        paths = [results / f"{name}.jsonl", *_others(results, name)]
        have = wanted & set().union(*(Store(path).keys(failed=False) for path in paths))
        print(f"{name:14} {len(have):5} of {len(wanted):5} rows")
    return 0


def _hours(options: argparse.Namespace) -> int:
    model = cost.of_most_rows(row for path in sorted(options.results.glob("*.jsonl")) for row in Store(path).rows())
    source = "built-in ratios, no row tells a time"
    if model.kind is not None:
        source = f"{model.stacks} stacks on {model.kind.hardware}, threads: {model.kind.threads}"
    print(f"on {options.devices} such devices, estimated from {source}:")
    for name in options.experiments:
        configurations = EXPERIMENTS[name]()
        hours = model.hours(configurations, options.devices, options.efficiency)
        largest = max(model.memory(stack[0], len(stack)) for stack in stacks(configurations)) / 2**30
        print(f"{name:14} {len(configurations):5} rows {hours:9.2f} hours {largest:7.2f} GiB at most")
    return 0


def _others(results: Path, name: str) -> list[Path]:
    """Return the rows of other experiments; the pilot's are not among them: they decide nothing."""
    return [path for path in sorted(results.glob("*.jsonl")) if path.stem not in (name, "pilot")]


if __name__ == "__main__":
    sys.exit(main())
