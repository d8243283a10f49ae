"""The rules were there before the rows: each round's version of the register precedes the first of its rows."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from lib.experiments import Store
from lib.rows import ROUNDS, in_round, round_of
from lib.verdicts import register as registers

ROOT = Path(__file__).parents[3]
# Where each version of the register has stood, the newest place first: version 1 was register.yml before it was frozen.
# A claim is as old as its first mention in any of them.
REGISTER = {
    1: ("lib/verdicts/register-1.yml", "lib/verdicts/register.yml", "lib/experiments/register.yml"),
    2: ("lib/verdicts/register.yml",),
}
DECIDING = sorted(path for path in (ROOT / "results").glob("*.jsonl") if path.stem not in ("pilot", "precision"))
# Experiments whose sweep has another name in the register.
NAMES = {1: {"drawn": "draws"}, 2: {}}


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True).stdout


def first_commit(round: int, text: str) -> tuple[str, datetime]:
    """The commit in which a version of the register first held a text, and its time."""
    # -S finds the commits that changed how often the text occurs; in version 2's file, version 1 had gone before.
    since = [f"{version_2()[0]}^.."] if round == 2 else []
    log = git("log", "--reverse", "--format=%H %cI", f"-S{text}", *since, "--", *REGISTER[round])
    lines = log.splitlines() or [" ".join(version_2())]
    commit, time = lines[0].split()
    return commit, datetime.fromisoformat(time)


def version_2() -> tuple[str, str]:
    """The commit in which register.yml became version 2, and its time."""
    first, *_ = git("log", "--reverse", "--format=%H %cI", "-Sversion: 2", "--", *REGISTER[2]).splitlines()
    commit, time = first.split()
    return commit, time


def registered(experiment: str, round: int) -> tuple[str, datetime]:
    """The commit in which the round's version first named an experiment, and its time."""
    # The paper's own widths are one sweep in the register and several experiments of the plan.
    name = "paper" if experiment.startswith("paper-") else NAMES[round].get(experiment, experiment)
    # In a list of seeds, where a round has one: a word may stand in prose long before.
    named = round == 2 and name in registers.read(2).vocabulary["rounds"][2]
    return first_commit(round, f"\n    {name}: {{" if named else name)


@pytest.mark.parametrize("round", ROUNDS)
@pytest.mark.parametrize("path", DECIDING, ids=lambda path: path.stem)
def test_the_register_precedes_every_row_of_its_round(path: Path, round: int) -> None:
    rows = in_round(Store(path).rows(), round)
    if not rows:
        return
    commit, time = registered(path.stem, round)
    early = [row["key"] for row in rows if datetime.fromisoformat(row["provenance"]["date"]) < time]
    assert not early, f"rows older than version {round} of the register: {early}"
    if round == 1:
        name = path.relative_to(ROOT).as_posix()
        for row_commit in git("log", "--format=%H", "--", name).split():
            # Exits non-zero, and so raises, where the register came later or on another branch.
            git("merge-base", "--is-ancestor", commit, row_commit)


def test_rows_belong_to_a_round() -> None:
    for path in DECIDING:
        outside = [row["key"] for row in Store(path).rows() if round_of(row["configuration"]) not in ROUNDS]
        assert not outside, f"{path.name} has rows of no round: {outside}"


yaml = pytest.importorskip("yaml")


def grown(then: Any, now: Any) -> bool:
    """Return whether nothing that was there has changed; words may have been added."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(name in now and grown(then[name], now[name]) for name in then)
    if isinstance(then, list):
        return isinstance(now, list) and all(value in now for value in then)
    return then == now


def experiments(register: dict[str, Any], claim: dict[str, Any]) -> set[str]:
    """The experiments whose rows decide a claim."""
    sweeps = {name for test in claim["tests"] for name in test.get("sweeps", register["defaults"]["test"]["sweeps"])}
    return {name for sweep in sweeps for name in register["sweeps"][sweep].get("experiments", [sweep])}


def changes(now: dict[str, Any], first: dict[str, str], before: Callable[[str], dict[str, Any]]) -> list[Any]:
    """What stands in a register without an amendment and did not when the first row that it is about was made.

    Args:
        now: the register.
        first: the date of each experiment's first row of round 2.
        before: the register as it was just before a date.
    """
    amended = {number for amendment in now["amendments"] for number in amendment["claims"]}
    found = []
    for claim in now["claims"]:
        names = experiments(now, claim)
        dates = {name: first[name] for name in names if name in first}
        if claim["number"] in amended or not dates:
            continue
        then = before(min(dates.values()))
        if claim in then["claims"]:
            continue
        # New chapters take claims out of `later`, each before the first row of the experiments that are its own:
        # claim 78 is also about older ones.
        own = names - {name for other in then["claims"] for name in experiments(then, other)}
        late = [dates[name] for name in own if name in dates]
        if claim["number"] not in then["later"] or not own or (late and claim not in before(min(late))["claims"]):
            found.append(claim["number"])
    for name, date in first.items():
        then = before(date)
        for sweep, entry in now["sweeps"].items():
            if name in entry.get("experiments", [sweep]) and entry != then["sweeps"].get(sweep) and not amended:
                found.append(sweep)
    # A change of a word that claims share amends all who use it.
    free = {"amendments", "given_up", "later", "claims"}
    oldest = before(min(first.values())) if first else now
    found += [name for name in now if name not in free and not amended and not grown(oldest.get(name), now[name])]
    return found


def test_version_2_changes_by_amendments_alone_once_it_has_rows() -> None:
    """What stands in register.yml was there before the first row of round 2 that it is about, or is an amendment."""
    first = {path.stem: [row["provenance"]["date"] for row in in_round(Store(path).rows(), 2)] for path in DECIDING}

    @lru_cache
    def before(date: str) -> dict[str, Any]:
        commit = git("log", "-1", "--format=%H", f"--before={date}", "--", *REGISTER[2]).strip()
        return yaml.safe_load(git("show", f"{commit}:{REGISTER[2][0]}"))

    now = yaml.safe_load((ROOT / REGISTER[2][0]).read_text(encoding="utf-8"))
    assert not changes(now, {name: min(dates) for name, dates in first.items() if dates}, before)


def test_what_is_registered_late_or_changed_is_found() -> None:
    now = yaml.safe_load((ROOT / REGISTER[2][0]).read_text(encoding="utf-8"))
    then = copy.deepcopy(now)
    then["later"] = dict.fromkeys(range(70, 85), "It waits.")
    then["claims"] = [claim for claim in then["claims"] if claim["number"] not in then["later"]]
    then["sweeps"] = {name: entry for name, entry in now["sweeps"].items() if name not in ("adversarial", "madry")}
    old, registers_at = "2026-01-01", {"2026-01-01": then, "2026-02-01": now}

    def found(now: dict[str, Any], **first: str) -> list[Any]:
        return changes(now, first, registers_at.__getitem__)

    assert found(now) == found(now, grid=old) == found(now, grid=old, adversarial="2026-02-01") == []
    assert found(now, adversarial=old) == [*range(70, 83), 84, "adversarial", "madry"]
    for change, word in (
        (lambda r: r["claims"][0].update(statement="another"), 1),
        (lambda r: r["margins"]["trend"].update(value=0.1), "margins"),
        (lambda r: r["axes"].pop("log2_width"), "axes"),
    ):
        changed = copy.deepcopy(now)
        change(changed)
        assert found(changed, grid=old) == [word]
        changed["amendments"].append({"claims": [1]})
        assert found(changed, grid=old) == []


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
        dates = git("log", f"-S- number: {number}\n", "--format=%aI", "--", *REGISTER[1]).split()
        assert datetime.fromisoformat(dates[-1]) < first, number


def test_the_pilot_s_seeds_decide_nothing() -> None:
    looked_at = {row["configuration"]["seed"] for row in Store(ROOT / "results" / "pilot.jsonl").rows()}
    for path in DECIDING:
        trained = [row["configuration"] for row in Store(path).rows() if "kind" not in row["configuration"]]
        seeds = {configuration["seed"] for configuration in trained}
        assert not seeds & looked_at, f"{path.name} holds seeds that the pilot has looked at"
