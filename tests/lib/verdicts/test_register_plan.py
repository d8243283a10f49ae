"""What the register lists is what the plan trains: the same cells and seeds in every sweep and round."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from lib.experiments.plan import EXPERIMENTS
from lib.rows import ROUNDS, Task
from lib.verdicts.claims import Register
from lib.verdicts.register import read

pytest.importorskip("yaml")

# Those on attacked and convolutional networks are compared in test_attacked_claims.py.
TRAININGS = ("setting", "grid", "nonlazy", "samples", "fashion", "wide", "constant", "budget", "paper")


@pytest.fixture(scope="module")
def register() -> Register:
    return read(2)


def listed(register: Register, sweep: str, round: int) -> set[tuple[Any, ...]]:
    """Return the cells with their seeds that a sweep has in a round, by the register."""
    entry = register.vocabulary["sweeps"][sweep]
    settings = list(itertools.product(entry["scalings"], entry["momenta"], entry.get("lr", [1e-3])))
    return {
        (entry["dataset"], *setting, initializer, depth, width, samples, seed)
        for block in entry["blocks"]
        if round in block.get("rounds", ROUNDS)
        for setting in settings
        for initializer, depth, width in itertools.product(block["initializers"], block["depths"], block["widths"])
        for samples in entry.get("samples", [0])
        for seed in register.seeds(sweep, round, width, initializer)
    }


def planned(register: Register, sweep: str, round: int) -> list[Task]:
    names = register.vocabulary["sweeps"][sweep].get("experiments", [sweep])
    own = {"samples": ["samples"], "map": ["regime-map"]}.get(sweep, names)  # others lend them rows
    return [task for name in own for task in EXPERIMENTS[name](round)]


@pytest.mark.parametrize("round", ROUNDS)
@pytest.mark.parametrize("sweep", TRAININGS)
def test_a_sweep_of_trainings_is_planned_as_registered(register: Register, sweep: str, round: int) -> None:
    tasks = {
        (t.dataset, t.scaling, t.momentum, t.lr, t.initializer, t.depth, t.width, t.samples or 0, t.seed)
        for t in planned(register, sweep, round)
    }
    if sweep == "samples":
        tasks = {(*task[:7], task[7] or 60_000, task[8]) for task in tasks}
    assert tasks == listed(register, sweep, round)


@pytest.mark.parametrize("round", ROUNDS)
def test_other_tasks_have_the_registered_seeds(register: Register, round: int) -> None:
    for sweep, entry in register.vocabulary["sweeps"].items():
        if sweep in TRAININGS:
            continue
        for task in planned(register, sweep, round):
            initializer = getattr(task, "initializer", f"power-{getattr(task, 'gamma', 0) / 2:g}")
            assert task.seed in register.seeds(sweep, round, initializer=initializer), (sweep, task)
            names = {name for block in entry["blocks"] for name in block["initializers"]}
            assert not names or initializer in names


def test_budget_and_constant_run_as_long_as_the_register_says(register: Register) -> None:
    assert {t.epochs for t in EXPERIMENTS["budget"](2)} == set(register.vocabulary["sweeps"]["budget"]["epochs"])
    assert {(t.epochs, t.schedule) for t in EXPERIMENTS["constant"](2)} == {(200, "constant")}
