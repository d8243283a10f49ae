"""The rules were there before the rows: the register named each experiment before the first of its rows."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from lib.experiments import Store

ROOT = Path(__file__).parents[3]
REGISTER = "lib/experiments/register.yml"
DECIDING = sorted(path for path in (ROOT / "results").glob("*.jsonl") if path.stem != "pilot")


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True).stdout


def registered(experiment: str) -> tuple[str, datetime]:
    """The commit in which the register first named an experiment, and its time."""
    # The paper's own widths are one sweep in the register and several experiments of the plan.
    name = "paper" if experiment.startswith("paper-") else experiment
    first, *_ = git("log", "--reverse", "--format=%H %cI", f"-S{name}", "--", REGISTER).splitlines()
    commit, time = first.split()
    return commit, datetime.fromisoformat(time)


@pytest.mark.parametrize("path", DECIDING, ids=lambda path: path.stem)
def test_the_register_precedes_every_row(path: Path) -> None:
    commit, time = registered(path.stem)
    name = path.relative_to(ROOT).as_posix()
    for row_commit in git("log", "--format=%H", "--", name).split():
        # Exits non-zero, and so raises, where the register came later or on another branch.
        git("merge-base", "--is-ancestor", commit, row_commit)
    early = [row["key"] for row in Store(path).rows() if datetime.fromisoformat(row["provenance"]["date"]) < time]
    assert not early, f"rows older than the register: {early}"


@pytest.mark.parametrize(
    ("experiment", "numbers"),
    [
        ("early", (38, 39, 40, 41, 42, 43, 44)),
        ("regime-slopes", (34,)),
        ("regime-powers", (34,)),
        ("regime-map", (85,)),
        ("regime-depths", (32,)),
        ("regime-directions", (46,)),
        ("budget", (36,)),
        ("random-labels", (31,)),
    ],
)
def test_claims_registered_later_precede_their_own_rows(experiment: str, numbers: tuple[int, ...]) -> None:
    path = ROOT / "results" / f"{experiment}.jsonl"
    first = min(datetime.fromisoformat(row["provenance"]["date"]) for row in Store(path).rows())
    for number in numbers:
        # The author's date stays what it is when a commit is picked onto another branch.
        dates = git("log", f"-S- number: {number}\n", "--format=%aI", "--", REGISTER).split()
        assert datetime.fromisoformat(dates[-1]) < first, number


def test_the_pilot_s_seeds_decide_nothing() -> None:
    looked_at = {row["configuration"]["seed"] for row in Store(ROOT / "results" / "pilot.jsonl").rows()}
    for path in DECIDING:
        seeds = {row["configuration"]["seed"] for row in Store(path).rows()}
        assert not seeds & looked_at, f"{path.name} holds seeds that the pilot has looked at"
