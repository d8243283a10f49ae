"""The keys of what each experiment plans, without a second's wait for torch where they have been asked for before."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from lib.rows import ROUNDS

_CHECKOUT = Path(__file__).parents[2]
_KEPT = _CHECKOUT / "_build" / "planned.json"


def by_round() -> list[tuple[str, int, list[str]]]:
    """Return (experiment, round, keys of its tasks) for each experiment of `lib.experiments.plan` and round it has.

    Tasks import torch. So their keys are kept, in a file that can be deleted at any time, under a digest of all that
    they may depend on: the sources of `lib`.
    """
    if "lib.experiments.plan" in sys.modules:
        return _planned()
    digest = _digest()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_KEPT.read_bytes())
        if kept["digest"] == digest:
            return [(name, number, listed) for name, number, listed in kept["keys"]]
    found = _planned()
    unfinished = _KEPT.with_name(f"{_KEPT.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a checkout that cannot be written is asked again
        unfinished.parent.mkdir(exist_ok=True)
        unfinished.write_text(json.dumps({"digest": digest, "keys": found}))
        os.replace(unfinished, _KEPT)
    return found


def _planned() -> list[tuple[str, int, list[str]]]:
    from lib.experiments.plan import EXPERIMENTS

    every = [(name, number, tasks(number)) for name, tasks in EXPERIMENTS.items() for number in ROUNDS]
    return [(name, number, [task.key for task in listed]) for name, number, listed in every if listed]


def _digest() -> str:
    state = hashlib.sha256()
    for path in sorted((_CHECKOUT / "lib").rglob("*.py")):
        state.update(path.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()
