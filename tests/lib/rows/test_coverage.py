"""What is planned is there, failed or missing, and each seed is counted once."""

from __future__ import annotations

from typing import Any

from lib.experiments import Configuration
from lib.rows.coverage import coverage, missing


def row(task: Configuration, failure: str | None = None) -> dict[str, Any]:
    return {"key": task.key, "configuration": task.asdict(), "failure": failure}


def test_every_planned_seed_is_there_failed_or_missing(small) -> None:
    tasks = [small(width=width, seed=seed) for width in (8, 16) for seed in (3, 4, 5)]
    rows = [row(tasks[0]), row(tasks[1], "diverged"), row(tasks[3]), row(tasks[4]), row(tasks[5])]
    table = coverage(tasks, rows)
    counts = table.set_index("width")[["planned", "there", "failed"]]
    assert counts.loc[8].tolist() == [3, 1, 1]
    assert counts.loc[16].tolist() == [3, 3, 0]
    assert "seed" not in table
    lacking = missing(table)
    assert lacking[["width", "missing"]].to_numpy().tolist() == [[8, 1]]


def test_the_last_row_of_a_training_counts_and_others_do_not(small) -> None:
    task = small(seed=3)
    again = [row(task, "diverged"), row(task), row(small(seed=9))]
    assert coverage([task], again)[["there", "failed"]].to_numpy().tolist() == [[1, 0]]
    assert coverage([task], again[::-1])[["there", "failed"]].to_numpy().tolist() == [[0, 1]]
    assert missing(coverage([task], again)).empty


def test_nothing_published_means_that_everything_is_missing(small) -> None:
    tasks = [small(seed=seed) for seed in range(5)]
    assert missing(coverage(tasks, []))["missing"].tolist() == [5]
