"""Rounds of evidence: no two share a seed, and a row's seed tells its round."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pandas as pd
import pytest

from lib.experiments.plan import EXPERIMENTS
from lib.rows import ROUNDS, SEEDS, Task, in_round, round_of, seeds

ROOT = Path(__file__).parents[3]


def row(seed: int, **settings: object) -> dict[str, object]:
    return {"configuration": {"seed": seed, **settings}}


def test_no_two_rounds_share_a_seed() -> None:
    for rounds in SEEDS.values():
        for one, other in itertools.combinations(rounds.values(), 2):
            assert not set(one) & set(other)
    assert set(SEEDS) == {kind for kind in Task._kinds if not Task._kinds[kind].__module__.startswith("test")}


def test_a_row_belongs_to_the_round_of_its_seed_and_kind() -> None:
    rows = [
        row(0),
        row(3),
        row(8),
        row(16),
        row(8, kind="width-scan"),
        row(23, kind="untrained-network"),
        row(3, kind="?"),
    ]
    assert [round_of(r["configuration"]) for r in rows] == [0, 1, 2, None, 1, 2, None]
    assert in_round(rows, 1) == [rows[1], rows[4]]
    assert in_round(rows, 0, 1) == [rows[0], rows[1], rows[4]]


def test_a_frame_is_cut_as_its_rows_are() -> None:
    trainings = pd.DataFrame({"seed": [3, 8, 15, 2], "P": [1.0, 2.0, 3.0, 4.0]})
    assert in_round(trainings, 2).P.tolist() == [2.0, 3.0]
    mixed = pd.DataFrame({"kind": ["width-scan", None], "seed": [8, 8]}, index=[5, 7])
    assert in_round(mixed, 1).index.tolist() == [5]


def test_seeds_that_are_not_set_apart() -> None:
    assert (seeds("", 2), seeds("", 2, 5)) == (range(8, 16), range(8, 13))
    with pytest.raises(ValueError, match="round must be one that has seeds for trainings, got 3"):
        seeds("", 3)
    with pytest.raises(ValueError, match="count must be at most 5, the seeds of round 1, got 8"):
        seeds("", 1, 8)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_tasks_of_a_round_have_its_seeds(name: str) -> None:
    for number in ROUNDS:
        expected = {0} if name == "pilot" else {number}
        assert {round_of(task.asdict()) for task in EXPERIMENTS[name](number)} <= expected
    assert {t.key for t in EXPERIMENTS[name](1)}.isdisjoint(t.key for t in EXPERIMENTS[name](2))


@pytest.mark.parametrize("chapter", sorted((ROOT / "chapters").glob("*.md")), ids=lambda path: path.stem)
def test_pages_read_rows_of_a_round(chapter: Path) -> None:
    """Rows of a new round are appended to the files that pages read, and must not change their numbers by that."""
    cells = re.findall(r"```{code-cell}.*?\n(.*?)```", chapter.read_text(encoding="utf-8"), flags=re.DOTALL)
    for cell in cells:
        if "published(" not in cell:
            continue
        # Options and magics are a notebook's, not Python's.
        code = "\n".join(line for line in cell.splitlines() if not re.match(r"\s*[%!:]", line))
        calls = [c for c in ast.walk(ast.parse(code)) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)]
        within = {id(inner) for call in calls if call.func.id == "in_round" for inner in ast.walk(call)}
        for call in (call for call in calls if call.func.id == "published"):
            assert id(call) in within or ast.unparse(call) == "published('pilot')", ast.unparse(call)
