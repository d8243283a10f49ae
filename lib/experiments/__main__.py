"""Make rows (`run setting grid`; killed, it goes on where it stopped), merge stores, and audit rows by retraining."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.command_line import answer
from lib.experiments import planned
from lib.rows import ROUNDS, Store, audits

if TYPE_CHECKING:
    from lib.rows import Task


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.experiments", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the rows (default: results)")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, one after the other, what the rows of experiments lack")
    run.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    run.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    run.add_argument("--retry", action="store_true", help="train again what has only failed so far")
    run.add_argument("--checkpoints", type=Path, help="folder from which interrupted trainings go on")
    run.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler whose workers train, tcp://HOST:8786")
    commands.add_parser("status", help="count the rows of each experiment and round, and name altered ones")
    costing = commands.add_parser("hours", help="estimate, from the rows that are there, what experiments cost")
    costing.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    costing.add_argument("--devices", type=int, default=1, help="equal devices that share the work (default: 1)")
    costing.add_argument("--efficiency", type=float, default=1.0, help="speed of each beside the others (default: 1)")
    for parsed in (run, costing):
        parsed.add_argument("--round", type=int, choices=ROUNDS, help="a single round of evidence (default: all)")
    sealing = commands.add_parser("seal", help="write the digests of rows that have none yet")
    sealing.add_argument("stores", nargs="+", type=Path)
    merging = commands.add_parser("merge", help="put the rows of several stores into one; say which do not agree")
    merging.add_argument("stores", nargs="+", type=Path)
    merging.add_argument("-o", "--into", required=True, type=Path, help="the store that gets what it lacks")
    auditing = commands.add_parser("audit", help="train rows again, with their own seeds, and compare")
    auditing.add_argument("stores", nargs="+", type=Path)
    auditing.add_argument("--key", action="append", default=[], help="only this row; may be repeated")
    auditing.add_argument("--cells", type=int, default=2, help="cells to draw (default: 2)")
    auditing.add_argument("--epochs", type=int, help="only the first 1, 5, 10, 25 or 50 of the paper's 50")
    auditing.add_argument("--seed", type=int, help="seed of the draw (default: the date)")
    auditing.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    auditing.add_argument("--record", action="store_true", help="append the outcomes to audits.csv beside the rows")
    options = parser.parse_args(arguments)
    handlers = {"run": _run, "status": _status, "hours": _hours, "seal": _seal, "merge": _merge, "audit": _audit}
    kept = "the rows so far are kept, and the same command goes on from there"
    return answer(
        lambda: handlers[options.command](options), kept if options.command == "run" else "nothing was written"
    )


# What trains or judges imports torch and pandas, which take seconds: each command imports what it needs.


def _run(options: argparse.Namespace) -> int:
    """Train what is missing; while the file `pause` lies in the results' folder, training waits."""
    from lib.experiments import sweep

    there = {path.stem: _failed(Store(path)) for path in _paths(options.results)}
    experiments = _experiments(options)
    if options.checkpoints is not None:
        options.checkpoints.mkdir(parents=True, exist_ok=True)
    earlier = now = 0
    for name, tasks in experiments.items():
        # A configuration that two experiments share is trained once, by the first: readers look at all rows.
        elsewhere = set().union(*(there[other] for other in _lenders(there, name)))
        wanted = [task for task in tasks if task.key not in elsewhere]
        if not options.retry:
            earlier += sum(there.get(name, {}).get(task.key, False) for task in wanted)
        store = Store(options.results / f"{name}.jsonl")
        now += sweep(
            wanted,
            store,
            executor=options.scheduler,
            device=options.device,
            retry=options.retry,
            checkpoints=options.checkpoints,
            pause=options.results / "pause",
        )
        there[name] = _failed(store)
    if now or earlier:
        before = f" and {earlier} before" if earlier else ""
        print(f"{now} trainings failed{before}; their rows say why, --retry trains them again.", file=sys.stderr)
    return int(now + earlier > 0)


def _status(options: argparse.Namespace) -> int:
    """Count; exit with 1 where trainings have failed, rows were altered, or the last audit of one did not agree."""
    examined = {path.stem: Store(path).examined() for path in _paths(options.results)}
    there = {name: _failed(rows) for name, (rows, _) in examined.items()}
    unsealed = {name: len(found.new) for name, (_, found) in examined.items()}
    failures = 0
    for name, number, keys in planned.by_round():
        known = {key: failed for other in _lenders(there, name) for key, failed in there[other].items()}
        known |= there.get(name, {})
        failed = sum(known.get(key, False) for key in keys)
        line = f"{name:17} round {number} {sum(key in known for key in keys) - failed:5} of {len(keys):5} rows"
        new = unsealed.pop(name, 0)  # of the file, which may hold two rounds: said once
        print(line + (f", {failed} failed" if failed else "") + (f", {new} without a digest" if new else ""))
        failures += failed
    altered = [sentence for _, found in examined.values() for sentence in found.altered]
    for sentence in altered:
        print(f"error: {sentence}.", file=sys.stderr)
    audited = list(audits.last(options.results / audits.PATH.name).values())
    if audited:
        counts = Counter(one.outcome for one in audited)
        told = ", ".join(f"{counts[word]} {word}" for word in audits.OUTCOMES)
        print(f"{len(audited)} rows were computed again: {told}; the last on {max(one.date for one in audited)}.")
    wrong = [one for one in audited if one.outcome == "fail"]
    for one in wrong:
        print(
            f"error: row {one.key} of {one.experiment} failed its audit of {one.date}: {one.value} deviates by "
            f"{one.deviation:.2g}, where {one.tolerance:g} is allowed.",
            file=sys.stderr,
        )
    if failures:
        print("what failed says why in its row; `run EXPERIMENT --retry` trains it again.", file=sys.stderr)
    return int(bool(altered or failures or wrong))


def _hours(options: argparse.Namespace) -> int:
    from lib.experiments import cost

    experiments = _experiments(options)
    model = cost.of_most_rows(row for path in _paths(options.results) for row in Store(path))
    source = "built-in ratios, no row tells a time"
    if model.kind is not None:
        source = f"{model.stacks} stacks on {model.kind.hardware}, threads: {model.kind.threads}"
    hours = {name: model.hours(tasks, options.devices, options.efficiency) for name, tasks in experiments.items()}
    print(f"on {options.devices} such devices, estimated from {source}:")
    for name, tasks in experiments.items():
        largest = cost.largest(tasks)
        memory = "" if largest is None else f" {largest / 2**30:7.2f} GiB at most"
        print(f"{name:17} {len(tasks):5} rows {hours[name]:9.2f} hours{memory}")
    return 0


def _seal(options: argparse.Namespace) -> int:
    for path in options.stores:
        count = _store(path).seal()
        print(f"{path}: {count} new digests.")
    return 0


def _merge(options: argparse.Namespace) -> int:
    """Merge; exit with 1 where rows do not agree: none of those was chosen."""
    from lib.rows.agreement import merge

    if options.into.exists() and not options.into.is_file():
        raise ValueError(f"--into must name a store such as mine/merged.jsonl, and {options.into} is no regular file.")
    if not options.into.absolute().parent.is_dir():
        raise ValueError(f"--into must name a store in a folder that is there, and {options.into.parent} is none.")
    conflicts = merge([Store(path) for path in options.stores], Store(options.into))
    if len(conflicts):
        print(conflicts.to_string(index=False))
        count = conflicts["key"].nunique()
        print(f"{count} configurations have rows that do not agree; none of them was merged.", file=sys.stderr)
    print(f"{options.into} has rows of {len(Store(options.into).keys())} configurations.")
    return int(len(conflicts) > 0)


def _audit(options: argparse.Namespace) -> int:
    """Audit; exit with 1 where a row was altered or its replay deviates."""
    from lib.experiments.audit import audit, decisions, outcomes

    rows: list[Mapping[str, Any]] = []
    experiments: dict[str, str] = {}
    for path in options.stores:
        if options.record and path.resolve().parent != options.results.resolve():
            raise ValueError(f"--record keeps outcomes of rows in {options.results}, and {path} lies elsewhere.")
        found, findings = _store(path).examined()
        findings.refuse()
        rows += found
        experiments |= {row["key"]: path.stem for row in found}
        if findings.new:
            print(f"{path}: {len(findings.new)} rows without a digest.")
    if options.key:
        rows = _with_keys(rows, options.key)
        options.cells = len(options.key)  # more than there are draws all
    if options.record:
        audits.append([], options.results / audits.PATH.name)  # told before hours of training that it cannot be written
    weights = decisions(options.results)
    outcome = audit(rows, options.cells, options.seed, options.epochs, device=options.device, weights=weights)
    shown = ["training", "seed", "moment", "quantity", "stored", "replayed", "deviation", "allowed", "verdict"]
    print(outcome.lines[shown].to_string(index=False, float_format=lambda value: f"{value:.6g}"))
    count, (least, most) = len(outcome.lines), outcome.passing
    print(f"{count - outcome.deviating} of {count} replicas agree, in {outcome.lines['compared'].sum()} values.")
    if unseen := int(outcome.lines["unseen"].sum()):
        print(f"{unseen} values of later epochs were not looked at: a forgery there passes; leave --epochs out.")
    cells = outcome.lines["cell"].nunique()
    chance = f"{least:.3f}" if least == most else f"{least:.3f} (what decides most) to {most:.3f}"
    print(
        f"seed {outcome.seed} drew {cells} of {outcome.cells} cells; a forgery of one passes with probability {chance}."
    )
    if options.record:
        record = options.results / audits.PATH.name
        audits.append(outcomes(outcome, experiments), record)
        print(f"{count} outcomes were appended to {record}.")
    return int(outcome.deviating > 0)


def _with_keys(rows: list[Mapping[str, Any]], keys: list[str]) -> list[Mapping[str, Any]]:
    """Return the rows with some keys; a key without a row is refused."""
    found = [row for row in rows if row["key"] in keys]
    if missing := sorted(set(keys) - {row["key"] for row in found}):
        raise ValueError(f"--key must be that of a row in these stores, got {', '.join(missing)}; name its store too.")
    return found


def _store(path: Path) -> Store:
    if not path.exists():
        raise FileNotFoundError(f"store {path} does not exist; give .jsonl files such as results/pilot.jsonl.")
    return Store(path)


def _paths(results: Path) -> list[Path]:
    if not results.is_dir():
        raise NotADirectoryError(f"--results must be the folder of the .jsonl files, and {results} is no folder.")
    return sorted(results.glob("*.jsonl"))


def _failed(rows: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Return the keys of rows, and whether the last row of each failed."""
    return {row["key"]: row.get("failure") is not None for row in rows}


def _lenders(there: Iterable[str], name: str) -> list[str]:
    """Return the experiments whose rows count for another one too; the pilot's do not: they decide nothing."""
    return [other for other in there if other not in (name, "pilot")]


def _experiments(options: argparse.Namespace) -> dict[str, list[Task]]:
    """Return the tasks of the experiments in the round that was asked for, or in all of them."""
    from lib.experiments.plan import EXPERIMENTS

    for name in options.experiments:
        if name not in EXPERIMENTS:
            raise ValueError(f"experiments are {', '.join(EXPERIMENTS)}; there is none named {name!r}.")
    rounds = ROUNDS if options.round is None else [options.round]
    return {name: [task for number in rounds for task in EXPERIMENTS[name](number)] for name in options.experiments}


if __name__ == "__main__":
    sys.exit(main())
