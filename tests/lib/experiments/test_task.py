"""A sweep computes any kind of task; the keys of trainings that are published stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lib.experiments import Configuration, Store, Task, cost, sweep
from lib.experiments.rows import Outcome, outcome


@dataclass(frozen=True)
class Square(Task):
    """Square a number and add the seed; negative ones fail, larger ones cost more."""

    kind: ClassVar[str] = "square"
    number: int
    seed: int

    def seconds(self, replicas: int) -> float:
        return float(abs(self.number) * replicas)


# One thread computes in this process: spawned workers would not know the kinds that this file defines.
pytestmark = pytest.mark.usefixtures("one_thread")

stacks_seen: list[tuple[int, ...]] = []


@outcome.register
def _square(first: Square, stack: Sequence[Square], *_: Any) -> Outcome:
    if first.number < 0:
        raise ValueError("negative")
    stacks_seen.append((first.number, *(task.seed for task in stack)))
    return Outcome([[{"epoch": 0, "value": t.number**2 + t.seed}] for t in stack], [None] * len(stack), 3.0, 1.5)


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
    class Cube(Task):
        kind: ClassVar[str] = "cube"
        number: int
        seed: int

    assert Cube(2, 0).key != Square(2, 0).key
    assert Cube(2, 0).cell != Square(2, 0).cell
    with pytest.raises(TypeError, match="Cube does not say what it costs"):
        Cube(2, 0).seconds(1)


def test_what_nobody_registered_is_a_failed_row(store: Store) -> None:
    @dataclass(frozen=True)
    class Lost(Square):
        pass

    class Stranger(Task):
        kind, seed = "stranger", 0

        def asdict(self) -> dict[str, Any]:
            return {"kind": "stranger", "seed": 0}

        def seconds(self, replicas: int) -> float:
            return 1.0

    assert sweep([Lost(1, 0)], store) == 0  # a subclass is computed as its parent is
    assert sweep([Stranger()], store) == 1
    assert "nothing is registered that computes a Stranger" in store.rows()[-1]["failure"]


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "results").glob("*.jsonl")), ids=lambda p: p.stem)
def test_published_rows_keep_their_keys(path: Path) -> None:
    rows = [row for row in Store(path).rows() if "kind" not in row["configuration"]]
    assert all(Configuration(**row["configuration"]).key == row["key"] for row in rows)
