"""The verdict of each claim: its registered tests on the rows of a round, combined, adjusted and put into a word."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lib.trends import shared
from lib.verdicts.archive import Archive, in_place
from lib.verdicts.claims import Claim, Component, Register
from lib.verdicts.computations import Computed
from lib.verdicts.decisions import UNDECIDED, Decision, Result, Tested, adjust, combine, over_curves
from lib.verdicts.effects import comparable
from lib.verdicts.selection import Choice, Curve, peaks_over_plateaus, select, steps
from lib.verdicts.statistics import get


@dataclass(frozen=True)
class Finding:
    """What a test found: its curves with their results, and in words what was left out.

    Attributes:
        test: as registered.
        curves, results: those that were tested, one result a curve.
        left_out: cells, levels, seeds and curves that do not count, with the reason.
        absent: sweeps that have no rows.
        locked: whether version 1 leaves the claim open because a cell has too few seeds.
        may_contradict: False where the test can only withhold support.
        computed: inputs and outcome of an arithmetic test.
    """

    test: Component
    curves: tuple[Curve, ...] = ()
    results: tuple[Result, ...] = ()
    left_out: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    locked: bool = False
    may_contradict: bool = True
    computed: Computed | None = None


@dataclass(frozen=True)
class Verdict:
    """What the rows of a round say of a claim by a version of the rules.

    Attributes:
        claim: as registered.
        word: supported, contradicted, inconclusive or not testable.
        reason: why, where it is not the p values that say so.
        raw, adjusted: p values for and against, before and after Holm's method; NaN where there are none.
        tests: what each of its tests found.
    """

    claim: Claim
    word: str
    reason: str = ""
    raw: Decision = UNDECIDED
    adjusted: Decision = UNDECIDED
    tests: tuple[Finding, ...] = field(default=(), repr=False)


def judge(
    register: Register,
    archive: Archive,
    round: int,
    computed: Mapping[int, Computed],
    missing: Mapping[int, str] | None = None,
) -> dict[int, Verdict]:
    """Return the verdict of every registered claim, by number.

    Args:
        register: the rules, of either version.
        archive: the rows.
        round: whose rows decide.
        computed: the stored outcomes of arithmetic tests, by claim.
        missing: claims that are not judged yet, each with the reason.
    """
    missing = missing or {}
    choice = Choice(round, register.vocabulary["trained_accuracy"])
    found = {
        number: tuple(find(test, register, archive, choice, computed.get(number)) for test in claim.tests)
        for number, claim in register.claims.items()
    }
    raw = {
        number: UNDECIDED if number in missing else decide(register.claims[number], tests, register)
        for number, tests in found.items()
    }
    adjusted = adjust(register, raw)
    verdicts: dict[int, Verdict] = {}
    for number, claim in register.claims.items():
        tests = found[number]
        decision = adjusted.get(number, raw[number])
        word, reason = conclude(claim, tests, decision)
        if number in missing:
            # What its rows say so far is nobody's to see: looking at half of them is a second chance.
            word, reason, tests = "not testable", missing[number], ()
        verdicts[number] = Verdict(claim, word, reason, raw[number], decision, tests)
    for number, claim in register.claims.items():
        if claim.tests[0].statistic == "conjunction" and number not in missing:
            words = [verdicts[other].word for other in claim.tests[0].of]
            verdicts[number] = replace(verdicts[number], word=_conjunction(words))
    return verdicts


def find(
    test: Component, register: Register, archive: Archive, choice: Choice, computed: Computed | None = None
) -> Finding:
    """Return the curves and results of a test in the rows of a round."""
    found = replace(gather(test, register, archive, choice), computed=computed)
    if not found.curves:
        return found
    (found,) = weigh([found], test, register)
    if register.version == 1 and test.against == "trained":
        results = [_unless_untrained(*pair) for pair in zip(found.curves, found.results, strict=True)]
        found = replace(found, results=tuple(results))
    return found


def weigh(found: Sequence[Finding], test: Component, register: Register) -> list[Finding]:
    """Return findings with the results of their curves, all in one call of the test's statistic.

    Args:
        found: what the test, or one of its universes, gathered.
        test: with the margin that counts.
        register: the rules.
    """
    curves = [curve for one in found for curve in one.curves]
    results = iter(get(test.statistic)(curves, test, register) if curves else ())
    return [replace(one, results=tuple(itertools.islice(results, len(one.curves)))) for one in found]


def gather(test: Component, register: Register, archive: Archive, choice: Choice) -> Finding:
    """Return the curves of a test in the rows of a round, by the rules for levels and seeds, without results."""
    if test.statistic in ("arithmetic", "conjunction"):
        return Finding(test)
    selected = select(test, register, archive, choice)
    least = least_levels(test, register, choice)
    left_out, curves, locked = list(selected.left_out), [], False
    for curve in selected.curves:
        if register.version == 1:
            parts, notes, short = _as_in_version_1(curve, test, least, register.vocabulary["minimum_seeds"])
            locked |= short
        else:
            parts, notes = complete(curve, test, least, register.vocabulary["minimum_seeds"])
        curves += parts
        left_out += notes
    may = test.against == "always" or (test.against == "trained" and (register.version == 1 or not selected.untrained))
    return Finding(
        test, tuple(curves), left_out=tuple(left_out), absent=tuple(selected.absent), locked=locked, may_contradict=may
    )


def least_levels(test: Component, register: Register, choice: Choice) -> int:
    """Return how many levels of its axis a test needs; `setting`, and what is repeated on other data, has two.

    A peak is between others.
    """
    if choice.setting or any(sweep == "setting" or sweep.endswith(REPEATED) for sweep in test.sweeps):
        return 3 if test.statistic == "inverted_u" else 2
    levels = register.vocabulary.get("least_levels") or register.vocabulary["levels"]
    return levels.get(test.statistic, levels["default"])


def _as_in_version_1(
    curve: Curve, test: Component, least_levels: int, least: int
) -> tuple[list[Curve], list[str], bool]:
    """Return the curve with all its levels, where they are enough, and whether a cell has too few seeds to decide."""
    name = name_of(curve) or "the curve"
    if test.moment.startswith("loss_"):
        # Claim 45 speaks of the widths at which five seeds reach the loss, so that others are not selected cells.
        curve, notes = cut(curve, np.isfinite(curve.matrix).sum(axis=1) >= least, None, name)
    else:
        notes = []
    if test.axis and len(curve.levels) < least_levels:
        return [], [*notes, f"{name} ({len(curve.levels)} of {least_levels} levels)"], False
    # The runs that a binomial test counts are not missing seeds of a cell.
    counts = np.isfinite(curve.matrix).sum(axis=1)
    short = test.statistic != "clopper_pearson" and bool((counts < least).any())
    if test.column == "peak_ratio":
        curve = peaks_over_plateaus(curve)
    return (steps(curve) if test.effect == "step" else [curve]), notes, short


def _unless_untrained(curve: Curve, result: Result) -> Result:
    if not curve.factors["untrained"].any():
        return result
    return replace(result, decision=result.decision._replace(p_against=1.0))


def decide(claim: Claim, tests: Sequence[Finding], register: Register, pooling: str = "nested") -> Decision:
    """Return the p values of a claim before its family is adjusted; NaN where one of its tests withholds them."""
    if any(test.locked for test in tests):
        return UNDECIDED
    return combine(claim, [tested(test) for test in tests], pooling)


def tested(found: Finding) -> Tested:
    """Return the p values of a test's curves by name; an arithmetic test has p = 0 for what its outcome says."""
    if found.test.statistic in ("arithmetic", "conjunction"):
        outcome = found.computed.outcome if found.computed else None
        values = {"supported": Decision(0.0, 1.0), "contradicted": Decision(1.0, 0.0)}
        return Tested(found.test, {"": values.get(outcome, Decision(1.0, 1.0))}, True)
    pairs = zip(found.curves, found.results, strict=True)
    return Tested(found.test, {name_of(curve): result.decision for curve, result in pairs}, found.may_contradict)


def combined(claim: Claim, found: Finding) -> Decision:
    """Return the p values of a test, its curves combined as the claim says."""
    return over_curves(claim, tested(found))


def name_of(curve: Curve) -> str:
    """Return the factors of a curve in words: "initializer = he, depth = 6"."""
    return ", ".join(f"{key} = {value}" for key, value in curve.where.items())


def conclude(claim: Claim, tests: Sequence[Finding], adjusted: Decision) -> tuple[str, str]:
    """Return a claim's verdict and, where it is not for its p values, the reason."""
    if all(test.test.statistic == "arithmetic" for test in tests):
        outcome = tests[0].computed.outcome if tests[0].computed else None
        return (outcome, "") if outcome else ("not testable", "its computation is not stored")
    if all(test.test.statistic == "conjunction" for test in tests):
        return "inconclusive", ""  # the verdicts of other claims say more
    empty = [i for i, t in enumerate(tests, start=1) if not t.curves and t.test.statistic != "arithmetic"]
    absent = [name for test in tests for name in test.absent]
    if any(test.locked for test in tests):
        return "inconclusive", "a cell has fewer seeds than a decision needs"
    word = adjusted.outcome(claim.alpha)
    if word != "contradicted" and claim.combine is None and absent:
        return "not testable", f"no rows of {', '.join(dict.fromkeys(absent))}"
    if empty and word != "contradicted":
        none = "none of its tests has" if len(empty) == len(tests) else f"its test {empty[0]} does not have"
        return "not testable", f"{none} a curve that can be tested"
    return word, ""


def _conjunction(words: Sequence[str]) -> str:
    if "contradicted" in words:
        return "contradicted"
    if all(word == "supported" for word in words):
        return "supported"
    return "not testable" if all(word == "not testable" for word in words) else "inconclusive"


# How the sweeps are named that repeat another on Fashion-MNIST, with fewer levels.
REPEATED = "-fashion"
# What these do with a gap is part of their definition.
_OWN = ("crossing",)


def complete(curve: Curve, test: Component, least_levels: int, least: int) -> tuple[list[Curve], list[str]]:
    """Return the parts of a curve that version 2 tests (none, one, or its steps), and in words what was left out.

    Levels with fewer than `least` usable seeds go. If fewer seeds have all that stay, the level that most seeds
    lack goes (of equals, the largest), and so on; then seeds that lack a level go.

    Source: lib/verdicts/register.yml, rules 5, 6 and 13.
    """
    name = ", ".join(f"{key} = {value}" for key, value in curve.where.items()) or "the curve"
    if test.effect in _OWN:
        kept, notes = curve, []
    elif test.statistic == "clopper_pearson":
        return [curve], []
    elif test.statistic == "eta_squared":
        kept, notes = cut(curve, np.isfinite(curve.matrix).sum(axis=1) >= least, None, name)
    elif test.statistic == "argmax_tost" or test.column == "peak_ratio":
        kept, notes = _each_level(curve, test, name, least)
    else:
        kept, notes = cut(curve, *shared(_missing(curve), least), name)
        if test.axis and "place" in test.cells and not in_place(kept.factors):
            return [], [*notes, f"{name} (the peak's place is not inside its widths)"]
    if kept is None or not kept.matrix.size or not np.isfinite(kept.matrix).any():
        return [], [*notes, f"{name} (no cell has {least} usable seeds)"]
    if test.column == "peak_ratio":
        kept = peaks_over_plateaus(kept)
    if test.axis and len(kept.levels) < least_levels:
        return [], [*notes, f"{name} ({len(kept.levels)} of {least_levels} levels)"]
    if not comparable(kept, test):
        return [], [*notes, f"{name} (it has nothing to compare with)"]
    if test.axis is None and _complete_seeds(kept.matrix) < least:
        return [], [*notes, f"{name} ({_complete_seeds(kept.matrix)} seeds)"]
    return (steps(kept) if test.effect == "step" else [kept]), notes


def _missing(curve: Curve) -> np.ndarray:
    there = np.isfinite(curve.matrix)
    return ~(there if curve.versus is None else there & np.isfinite(curve.versus))


def cut(curve: Curve, cells: np.ndarray, seeds: np.ndarray | None, name: str) -> tuple[Curve, list[str]]:
    """Return a curve cut to cells and seeds, and the names of what was cut."""
    notes = [f"{name}: {_cell(curve, i)}" for i in np.flatnonzero(~cells)]
    if seeds is None:
        seeds = np.ones(curve.matrix.shape[1], dtype=bool)
    elif cells.any():
        # Seeds that have nothing here are not planned for these cells.
        some = np.isfinite(curve.matrix[cells]).any(axis=0)
        notes += [f"{name}: seed {seed}" for seed in curve.seeds[some & ~seeds].tolist()]
    return (
        dataclasses.replace(
            curve,
            matrix=curve.matrix[np.ix_(cells, seeds)],
            versus=None if curve.versus is None else curve.versus[np.ix_(cells, seeds)],
            axis=None if curve.axis is None else curve.axis[cells],
            factors={key: column[cells] for key, column in curve.factors.items()},
            seeds=curve.seeds[seeds],
            keys=curve.keys[np.ix_(cells, seeds)],
        ),
        notes,
    )


def _each_level(curve: Curve, test: Component, name: str, least: int) -> tuple[Curve | None, list[str]]:
    """Return a curve whose levels were completed one by one: each has its own widths and its own seeds."""
    stays = np.zeros(len(curve.matrix), dtype=bool)
    matrix, notes = curve.matrix.copy(), []
    for level in curve.levels:
        at = np.flatnonzero(curve.axis == level)
        cells, seeds = shared(~np.isfinite(curve.matrix[at]), least)
        notes += [f"{name}: {_cell(curve, i)}" for i in at[~cells]]
        matrix[np.ix_(at, ~seeds)] = np.nan
        part = {key: column[at[cells]] for key, column in curve.factors.items()}
        if cells.sum() < 2 or ("place" in test.cells and not in_place(part)):
            notes.append(f"{name}: {_cell(curve, at[0], without='width')} (the peak's place is not inside its widths)")
            continue
        stays[at[cells]] = True
    kept, _ = cut(dataclasses.replace(curve, matrix=matrix), stays, None, name)
    return kept, notes


def _cell(curve: Curve, cell: int, without: str = "") -> str:
    letters = {"initializer": "", "architecture": "", "depth": "L = ", "width": "m = ", "samples": "n = "}
    letters |= {"strength": "λ = "}
    parts = [
        letter + (str(curve.factors[key][cell]) if not letter else format(curve.factors[key][cell], "g"))
        for key, letter in letters.items()
        if key in curve.factors and key not in curve.where and key != without and curve.factors[key][cell] != ""
    ]
    return ", ".join(parts)


def _complete_seeds(matrix: np.ndarray) -> int:
    return int(np.isfinite(matrix).all(axis=0).sum())
