"""A sweep computes any kind of task; the keys of trainings that are published stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from lib.experiments import Store, Task, cost, plan, sweep
from lib.rows import Conditions, Outcome


@dataclass(frozen=True)
class Square(Task):
    """Square a number and add the seed; negative ones fail, larger ones cost more."""

    kind: ClassVar[str] = "square"
    number: int
    seed: int

    def prepare(self, conditions: Conditions) -> None:
        if conditions.device != "cpu":
            raise ValueError("no such device")

    def seconds(self, replicas: int) -> float:
        return float(abs(self.number) * replicas)

    @classmethod
    def compute(cls, stack: Sequence[Square], conditions: Conditions) -> Outcome:
        if stack[0].number < 0:
            raise ValueError("negative")
        stacks_seen.append((stack[0].number, *(task.seed for task in stack)))
        return Outcome([[{"epoch": 0, "value": t.number**2 + t.seed}] for t in stack], [None] * len(stack), 3.0, 1.5)


# One thread computes in this process: spawned workers would not know the kinds that this file defines.
pytestmark = pytest.mark.usefixtures("one_thread")

stacks_seen: list[tuple[int, ...]] = []


def test_a_task_of_its_own_kind_becomes_rows(store: Store) -> None:
    stacks_seen.clear()
    tasks = [Square(2, 0), Square(2, 1), Square(9, 4), Square(-1, 0)]
    assert sweep(tasks, store) == 1
    assert stacks_seen == [(9, 4), (2, 0, 1)]  # the dearest first, consecutive seeds together
    rows = {row["key"]: row for row in store.rows()}
    assert rows[tasks[1].key]["configuration"] == {"kind": "square", "number": 2, "seed": 1}
    assert rows[tasks[1].key]["measurements"] == [{"epoch": 0, "value": 5}]
    assert rows[tasks[1].key]["provenance"]["cpu_seconds"] == 0.75
    assert rows[tasks[3].key]["failure"] == "ValueError: negative"
    assert sweep(tasks, store) == 0
    assert len(store.rows()) == 4
    assert store.frame().query("seed == 4")["value"].tolist() == [85]


def test_the_cost_model_asks_a_task_and_is_fitted_to_trainings_alone(store: Store) -> None:
    sweep([Square(3, 0)], store)
    model = cost.of_most_rows(store.rows())
    assert model.stacks == 0
    assert model.hours([Square(3, 0), Square(3, 1)]) == pytest.approx(6 / 3600)


def test_kinds_with_equal_settings_have_keys_of_their_own() -> None:
    @dataclass(frozen=True)
    class Cube(Square):
        kind: ClassVar[str] = "cube"

    assert Cube(2, 0).key != Square(2, 0).key
    assert Cube(2, 0).cell != Square(2, 0).cell
    assert Task.of(Cube(2, 0).asdict()) == Cube(2, 0)
    assert Task.of(Square(2, 0).asdict()) == Square(2, 0)


def test_a_task_that_does_not_say_how_it_is_computed_cannot_be_made() -> None:
    @dataclass(frozen=True)
    class Stranger(Task):
        kind: ClassVar[str] = "stranger"
        seed: int

        def seconds(self, replicas: int) -> float:
            return 1.0

    with pytest.raises(TypeError, match=r"compute.*prepare"):
        Stranger(0)


def test_a_row_of_an_unknown_kind_or_with_other_settings_is_named() -> None:
    with pytest.raises(ValueError, match="there is no task of kind 'sphere' here; known are"):
        Task.of({"kind": "sphere", "seed": 0})
    with pytest.raises(ValueError, match="a task of kind 'square' cannot have the settings"):
        Task.of({"kind": "square", "size": 1})


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "results").glob("*.jsonl")), ids=lambda p: p.stem)
def test_published_rows_keep_their_keys(path: Path) -> None:
    assert plan.EXPERIMENTS  # imported: it defines the kinds
    assert all(Task.of(row["configuration"]).key == row["key"] for row in Store(path).rows())
