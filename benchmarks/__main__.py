"""Measure side by side and record: `python -m benchmarks training --only m=64,L=10` (killed, it goes on)."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import (
    attacked,
    environment,
    estimators,
    graph,
    modules,
    peers,
    precisions,
    scaling,
    sweeping,
    training,
)
from benchmarks.record import Record
from benchmarks.timings import RESULTS, against_targets
from lib.command_line import answer
from lib.sweeps import machine

NAMES = ("training", "scaling", "estimators", "modules", "attacked", "convolutional", "sweep", "graph", "precisions")
# Those beside which JAX runs.
_WITH_PEER = ("training", "estimators", "attacked")
_LETTERS = {"m": "width", "L": "depth", "R": "replicas", "n": "points"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all that the device has)"
    )
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--threads", type=int, help="threads of this process (default: as torch has them)")
    parser.add_argument("--only", default="", help="cells to measure, e.g. m=64,L=10 (letters: m, L, R, n)")
    parser.add_argument("--again", action="store_true", help="measure cells that are recorded already again")
    parser.add_argument("--repeats", type=int, default=7, help="interleaved repeats of each contender (default: 7)")
    parser.add_argument("--block", type=float, default=0.5, help="seconds of one timed block (default: 0.5)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the records")
    options = parser.parse_args(arguments)
    return answer(lambda: _measure(options), "what was measured is recorded, and the same command goes on from there")


def _measure(options: argparse.Namespace) -> int:
    _check_device(options.device)
    names = options.names or [name for name in NAMES if _runs_on(name, options.device)]
    wrong = [name for name in names if name not in NAMES]
    if wrong:
        raise ValueError(f"there is no benchmark {wrong[0]!r}; there are {', '.join(NAMES)}.")
    if options.repeats < 1 or not options.block > 0 or (options.threads is not None and options.threads < 1):
        raise ValueError("--repeats, --threads and --block must be positive.")
    only = selection(options.only)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    with machine.measuring():
        return max(_run(name, only, options) for name in names)


def selection(text: str) -> dict[str, int]:
    """Return the settings that cells must have: "m=64,L=10" is {"width": 64, "depth": 10}.

    Raises:
        ValueError: a part is not LETTER=NUMBER.
    """
    chosen = {}
    for part in filter(None, text.split(",")):
        letter, _, number = part.partition("=")
        if letter.strip() not in _LETTERS or not number.strip().isdigit():
            raise ValueError(f"--only takes parts like m=64 with the letters {', '.join(_LETTERS)}, got {part!r}.")
        chosen[_LETTERS[letter.strip()]] = int(number)
    return chosen


def _runs_on(name: str, device: str) -> bool:
    cuda = torch.device(device).type == "cuda"
    return name in ("training", "estimators") or cuda == (name in ("graph", "precisions"))


def _check_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError:  # a list of all kinds that torch has heard of
        kind = ""
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"--device must be cpu, or cuda where there is a CUDA device, got {device}.")


def _run(name: str, only: dict[str, int], options: argparse.Namespace) -> int:
    """Measure what the record of a benchmark lacks; say how long that takes, then what came of it."""
    device = options.device
    cells, targets, protocol, guess = _plan(name, options)
    cells = [cell for cell in cells if only.items() <= cell.items()]
    if not cells:
        print(f"{name}: no cell has {options.only}.")
        return 0
    record = Record(
        name,
        torch.device(device).type,
        f"python -m benchmarks {name}" + ("" if device == "cpu" else f" --device {device}"),
        environment.describe(device) | ({"jax": peers.version()} if name in _WITH_PEER else {}),
        protocol,
        targets,
        options.results,
        options.again,
        part=bool(only),
    )
    missing = [cell for cell in cells if options.again or not record.has(cell)]
    print(
        f"{name}: {len(missing)} of {len(cells)} cells to measure, about {guess(missing) / 60:.0f} minutes.", flush=True
    )
    if missing:
        training.warm_up(device)
        with _prepared(name, device) as benchmark:
            for cell in missing:
                made = environment.moment()
                how = () if name == "sweep" else (options.repeats, options.block)
                measured = benchmark.measure(cell, *how)
                record.put({**measured, **made})
                ratios = ", ".join(f"{key} {value['median']:.3g}" for key, value in measured["ratios"].items())
                print("  " + " ".join(f"{key}={value}" for key, value in cell.items()) + f": {ratios}", flush=True)
    for line in against_targets(record.content).dropna(subset=["median"]).to_dict("records") if targets else ():
        where = " ".join(f"{key}={line[key]:g}" for key in _LETTERS.values() if key in line and line[key] == line[key])
        verdict = f"missed by {line['missed']:.0%}" if line["missed"] else "reached"
        print(f"  {where}: {line['ratio']} {line['median']:.3g}, asked {line['target']:g}: {verdict}")
    return 0


@contextlib.contextmanager
def _prepared(name: str, device: str) -> Iterator[Any]:
    """Yield what measures a benchmark's cells; beside it runs JAX, where that is installed and a contender."""
    classes = {"training": training.Training, "estimators": estimators.Estimators, "attacked": attacked.Attacked}
    classes |= {"convolutional": attacked.Convolutional, "sweep": sweeping.Sweeping}
    classes |= {"scaling": scaling.Scaling, "modules": modules.Modules}
    classes |= {"graph": graph.Graph, "precisions": precisions.Precisions}
    made = classes[name](device)
    if name not in _WITH_PEER:
        yield made
        return
    if peers.version() is None:
        print("  JAX is left out: `make bench` installs it, in an environment of its own.", flush=True)
    elif torch.device(device).type == "cpu":
        with peers.started(made.data) as made.peer:
            yield made
        return
    yield made


def _plan(name: str, options: argparse.Namespace) -> tuple[list[Any], list[Any], dict[str, Any], Any]:
    """Return cells, targets, protocol and the guess of the seconds of a benchmark."""
    repeats, block = options.repeats, options.block
    how = {"repeats": repeats, "block": block}
    if name == "training":
        cells, targets = training.settings(options.device), training.targets(options.device)
        return cells, targets, {**training.PROTOCOL, **how}, lambda some: training.guess(some, repeats, block)
    if name == "scaling":
        protocol = {**scaling.PROTOCOL, **how}
        return scaling.CELLS, scaling.TARGETS, protocol, lambda some: scaling.guess(some, repeats, block)
    if name == "estimators":
        protocol = {**estimators.PROTOCOL, **how}
        return estimators.CELLS, estimators.TARGETS, protocol, lambda some: estimators.guess(some, repeats, block)
    if name == "modules":
        protocol = {**modules.PROTOCOL, **how}
        return modules.CELLS, modules.TARGETS, protocol, lambda some: modules.guess(some, repeats, block)
    if name in ("attacked", "convolutional"):
        cells, targets, protocol = {
            "attacked": (attacked.ATTACKED, attacked.ATTACKED_TARGETS, attacked.ATTACKED_PROTOCOL),
            "convolutional": (attacked.CONVOLUTIONAL, attacked.CONVOLUTIONAL_TARGETS, attacked.CONVOLUTIONAL_PROTOCOL),
        }[name]
        return cells, targets, {**protocol, **how}, lambda some: attacked.guess(some, repeats, block)
    if name == "sweep":
        return sweeping.CELLS, sweeping.TARGETS, sweeping.PROTOCOL, sweeping.guess
    made = {"graph": graph, "precisions": precisions}[name]
    return made.CELLS, [], {**made.PROTOCOL, **how}, lambda some: training.guess(some, 2 * repeats, block)


if __name__ == "__main__":
    sys.exit(main())
