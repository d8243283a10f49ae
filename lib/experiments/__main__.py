"""Make rows (`run setting grid`; killed, it goes on where it stopped), merge stores, and audit rows by retraining."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib.experiments import Configuration, Store, cost, sweep
from lib.experiments.audit import audit
from lib.experiments.coverage import coverage
from lib.experiments.merge import merge
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
    run.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler whose workers train, tcp://HOST:8786")
    commands.add_parser("status", help="count the rows that each experiment has and lacks")
    costing = commands.add_parser("hours", help="estimate, from the rows that are there, what experiments cost")
    costing.add_argument("experiments", nargs="+", choices=sorted(EXPERIMENTS))
    costing.add_argument("--devices", type=int, default=1, help="equal devices that share the work (default: 1)")
    costing.add_argument("--efficiency", type=float, default=1.0, help="speed of each beside the others (default: 1)")
    merging = commands.add_parser("merge", help="put the rows of several stores into one; say which do not agree")
    merging.add_argument("stores", nargs="+", type=Path)
    merging.add_argument("-o", "--into", required=True, type=Path, help="the store that gets what it lacks")
    auditing = commands.add_parser("audit", help="train rows again, with their own seeds, and compare")
    auditing.add_argument("stores", nargs="+", type=Path)
    auditing.add_argument("--cells", type=int, default=2, help="cells to draw (default: 2)")
    auditing.add_argument("--epochs", type=int, default=1, help="1, 5, 10, 25 or 50 of the paper's 50 (default: 1)")
    auditing.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    auditing.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    options = parser.parse_args(arguments)
    try:
        commands = {"run": _run, "status": _status, "hours": _hours, "merge": _merge, "audit": _audit}
        return commands[options.command](options)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the rows so far are kept, and the same command goes on from there.", file=sys.stderr)
        return 130


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
            executor=options.scheduler,
            device=options.device,
            retry=options.retry,
            checkpoints=options.checkpoints,
            pause=options.results / "pause",
        )
    if failed:
        print(f"{failed} trainings failed; their rows say why, --retry trains them again.", file=sys.stderr)
    return int(failed > 0)


def _status(options: argparse.Namespace) -> int:
    for name, tasks in EXPERIMENTS.items():
        paths = [options.results / f"{name}.jsonl", *_others(options.results, name)]
        table = coverage(tasks(), (row for path in paths for row in Store(path).rows()))
        failed = f", {table.failed.sum()} failed" if table.failed.any() else ""
        print(f"{name:14} {table.there.sum():5} of {table.planned.sum():5} rows{failed}")
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
        trainings = stacks(c for c in configurations if isinstance(c, Configuration))
        largest = max((model.memory(stack[0], len(stack)) / 2**30 for stack in trainings), default=None)
        memory = "" if largest is None else f" {largest:7.2f} GiB at most"
        print(f"{name:14} {len(configurations):5} rows {hours:9.2f} hours{memory}")
    return 0


def _merge(options: argparse.Namespace) -> int:
    """Merge; exit with 1 where rows do not agree: none of those was chosen."""
    conflicts = merge([Store(path) for path in options.stores], Store(options.into))
    if len(conflicts):
        print(conflicts.to_string(index=False))
        count = conflicts["key"].nunique()
        print(f"{count} configurations have rows that do not agree; none of them was merged.", file=sys.stderr)
    print(f"{options.into} has rows of {len(Store(options.into).keys())} configurations.")
    return int(len(conflicts) > 0)


def _audit(options: argparse.Namespace) -> int:
    """Audit; exit with 1 where a replay deviates from its row."""
    for path in options.stores:
        if not path.exists():
            raise FileNotFoundError(f"store {path} does not exist; give .jsonl files such as results/pilot.jsonl.")
    rows = [row for path in options.stores for row in Store(path).rows()]
    outcome = audit(rows, options.cells, options.seed, options.epochs, device=options.device)
    settings = ["dataset", "scaling", "momentum", "initializer", "width", "depth", "seed"]
    table = outcome[[*settings, "epoch", "stored", "replayed", "deviation", "allowed", "verdict"]]
    print(table.to_string(index=False, float_format=lambda value: f"{value:.6g}"))
    deviating = int((outcome["verdict"] != "agrees").sum())
    print(f"{len(outcome) - deviating} of {len(outcome)} replicas agree; seed {options.seed} drew the cells.")
    return int(deviating > 0)


def _others(results: Path, name: str) -> list[Path]:
    """Return the rows of other experiments; the pilot's are not among them: they decide nothing."""
    return [path for path in sorted(results.glob("*.jsonl")) if path.stem not in (name, "pilot")]


if __name__ == "__main__":
    sys.exit(main())
