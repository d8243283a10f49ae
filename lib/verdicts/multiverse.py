"""How far a verdict depends on choices: every registered universe, every seed left out, and how strong it stays."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.verdicts.archive import Archive
from lib.verdicts.claims import Claim, Component, Register
from lib.verdicts.computations import Computed
from lib.verdicts.decisions import Decision, adjust_one
from lib.verdicts.selection import Choice, Curve
from lib.verdicts.verdict import REPEATED, Finding, conclude, decide, gather, weigh

# Options of axes that change no rows: they reuse the curves.
_MARGINS = {"registered": 1.0, "half": 0.5, "double": 2.0}
DECIDING = ("supported", "contradicted", "inconclusive")
# Of the numbers that are published. Universes that agree in these are one: the last bits depend on the machine.
DIGITS = 6


@dataclass(frozen=True)
class Universe:
    """One combination of choices, the verdict under it, and the effect of the curve that is nearest to failing.

    Attributes:
        choices: axis -> option, as the register lists them.
        word: the verdict.
        effect, low, high: with its 95 % interval; NaN where nothing can be tested.
        identity: what it computed, by which identical universes count once.
    """

    choices: Mapping[str, Any]
    word: str
    effect: float
    low: float
    high: float
    identity: tuple[Any, ...] = dataclasses.field(repr=False, default=())


@dataclass(frozen=True)
class Multiverse:
    """All distinct universes of a claim, the registered one first.

    Attributes:
        universes: identical ones once.
        left_out: seed -> the verdict without it.
    """

    universes: tuple[Universe, ...]
    left_out: Mapping[int, str]

    def shares(self) -> dict[str, float]:
        """Return the shares of the three words among the universes that can be tested."""
        words = [universe.word for universe in self.universes if universe.word in DECIDING]
        return {word: words.count(word) / len(words) if words else 0.0 for word in DECIDING}

    def fragile(self, verdict: str) -> bool:
        """Return whether under two thirds of the universes that decide agree, or fewer than half decide at all."""
        words = [universe.word for universe in self.universes if universe.word in DECIDING]
        decided = [word for word in words if word != "inconclusive"]
        if not words:
            return False
        if 2 * len(decided) < len(words):
            return True
        agree = sum(word == verdict for word in decided)
        return verdict in DECIDING and 3 * agree < 2 * len(decided)


def explore(
    claim: Claim,
    register: Register,
    archive: Archive,
    round: int,
    raw: Mapping[int, Decision],
    computed: Computed | None = None,
) -> Multiverse | None:
    """Return the multiverse of a claim on the rows of a round; None where no test of it has rows.

    Args:
        claim: with the axes of its choices and their options.
        register: the rules.
        archive: the rows.
        round: whose rows decide.
        raw: p values of all claims as registered; a universe changes one claim of its family.
        computed: the outcome of its arithmetic test, which is the same in all universes.

    Source: lib/verdicts/register.yml, rule 16.
    """
    weighed = [test for test in claim.tests if test.statistic not in ("arithmetic", "conjunction")]
    if not weighed:
        return None
    axes = dict(claim.multiverse)
    rows = [name for name in ("setting", "dataset", "adjustment", "moment", "measure", "trained") if name in axes]
    universes: dict[tuple[Any, ...], Universe] = {}
    gathered = {
        options: _gather(claim, register, archive, round, dict(zip(rows, options, strict=True)), computed)
        for options in itertools.product(*(axes[name] for name in rows))
    }
    if not any(finding.curves for findings in gathered.values() for finding in findings):
        return None
    for margin in axes.get("margin", ("registered",)):
        weighed_findings = _weigh(list(gathered.values()), register, _MARGINS[margin])
        for options, findings in zip(gathered, weighed_findings, strict=True):
            for pooling, correction in itertools.product(
                axes.get("pooling", ("nested",)), axes.get("correction", ("none",))
            ):
                mine = decide(claim, findings, register, pooling)
                adjusted = adjust_one(claim, mine, raw, register) if correction == "holm" else mine
                choices = dict(zip(rows, options, strict=True)) | {
                    name: option
                    for name, option in (("margin", margin), ("pooling", pooling), ("correction", correction))
                    if name in axes
                }
                universe = _universe(claim, choices, findings, adjusted)
                universes.setdefault(universe.identity, universe)
    registered = next(iter(gathered))
    return Multiverse(tuple(universes.values()), leave_one_out(claim, register, gathered[registered], raw))


def leave_one_out(
    claim: Claim, register: Register, findings: Sequence[Finding], raw: Mapping[int, Decision]
) -> dict[int, str]:
    """Return the verdict of a claim with each of its seeds left out of every curve, one seed fewer being enough."""
    fewer = dataclasses.replace(
        register, vocabulary={**register.vocabulary, "minimum_seeds": register.vocabulary["minimum_seeds"] - 1}
    )
    seeds = sorted({seed for finding in findings for curve in finding.curves for seed in curve.seeds.tolist()})
    parts = [[_without(finding, seed) for finding in findings] for seed in seeds]
    found = {}
    for seed, without in zip(seeds, _weigh(parts, fewer, 1.0), strict=True):
        adjusted = adjust_one(claim, decide(claim, without, fewer), raw, fewer)
        found[seed] = conclude(claim, without, adjusted)[0]
    return found


def _without(finding: Finding, seed: int) -> Finding:
    def drop(curve: Curve) -> Curve:
        stays = curve.seeds != seed
        return dataclasses.replace(
            curve,
            matrix=curve.matrix[:, stays],
            versus=None if curve.versus is None else curve.versus[:, stays],
            seeds=curve.seeds[stays],
            keys=curve.keys[:, stays],
        )

    return dataclasses.replace(finding, curves=tuple(drop(curve) for curve in finding.curves))


def _gather(
    claim: Claim,
    register: Register,
    archive: Archive,
    round: int,
    options: Mapping[str, Any],
    computed: Computed | None,
) -> list[Finding]:
    """Return the curves of a claim's tests under some choices of rows."""
    setting = options.get("setting")
    scaling, _, momentum = (setting or "").partition("/")
    first = claim.multiverse.get("setting", (setting,))[0]
    choice = Choice(
        round,
        options.get("trained", register.vocabulary["trained_accuracy"]),
        # The registered setting is that of the larger grids.
        (scaling, float(momentum)) if setting not in (None, first) else None,
        options.get("moment"),
    )
    measure = options.get("measure", "P")
    tests = [replace_sweeps(replace_measure(test, measure), options) for test in claim.tests]
    return [dataclasses.replace(gather(test, register, archive, choice), computed=computed) for test in tests]


def replace_measure(test: Component, measure: str) -> Component:
    """Return a test with another measure of stability in the place of P."""
    return dataclasses.replace(test, column=measure) if test.column == "P" else test


def replace_sweeps(test: Component, options: Mapping[str, Any]) -> Component:
    """Return a test on the rows of another data set, or of another guess of the reconstruction."""
    sweeps = [options.get("adjustment", sweep) if sweep == "war" else sweep for sweep in test.sweeps]
    if options.get("dataset", "mnist") != "mnist":
        sweeps = [sweep + REPEATED for sweep in sweeps]
    return dataclasses.replace(test, sweeps=tuple(sweeps))


def _weigh(universes: Sequence[Sequence[Finding]], register: Register, factor: float) -> list[list[Finding]]:
    """Return findings with the results of their curves, each test of all universes in one call of its statistic."""
    found = [list(findings) for findings in universes]
    for number in range(len(found[0]) if found else 0):
        column = [findings[number] for findings in found]
        test = column[0].test
        if test.statistic in ("arithmetic", "conjunction"):
            continue
        margin = dataclasses.replace(test.margin, value=test.margin.value * factor)
        weighed = weigh(column, dataclasses.replace(test, margin=margin), register)
        for findings, finding in zip(found, weighed, strict=True):
            findings[number] = finding
    return found


def _universe(claim: Claim, choices: Mapping[str, Any], findings: Sequence[Finding], adjusted: Decision) -> Universe:
    word, _ = conclude(claim, findings, adjusted)
    results = [result for finding in findings for result in finding.results]
    if not results:
        return Universe(choices, word, np.nan, np.nan, np.nan, (word,))
    nearest = max(results, key=lambda result: np.nan_to_num(result.decision.p_for, nan=1.0))
    numbers = [number for r in results for number in (r.effect, r.low, r.high, *r.decision)]
    identity = (word, *(f"{number:.{DIGITS}g}" for number in (*numbers, *adjusted)))
    return Universe(choices, word, nearest.effect, nearest.low, nearest.high, identity)


# FORRT's statuses say the direction of agreement; "PartiallySupported" is none of ours, for a claim is one sentence.
_STATUS = {
    "supported": "Validated",
    "contradicted": "Contradicted",
    "inconclusive": "Inconclusive",
    "not testable": "NotTested",
}
LEVELS = ("VeryLowConfidence", "LowConfidence", "Moderate", "HighConfidence", "VeryHighConfidence")


def status(word: str) -> str:
    """Return the validation status of a verdict.

    Source: FORRT's template of a replication outcome, `validationStatus`.
    """
    return _STATUS[word]


def confidence(word: str, without_seed: Collection[str] | None, fragile: bool | None) -> str:
    """Return how strong the evidence is, whichever way it points, from the strongest down.

    A computation has the highest level. Rows start one below it, for they are of one data set and architecture; a
    verdict that is fragile or changes when one seed is left out loses a level for each, one that decides nothing
    another, and what was not tested has the lowest.

    Args:
        word: the verdict.
        without_seed: the verdicts when one seed is left out; None for a computation, which has no seeds.
        fragile: whether it hangs on choices.

    Source: FORRT's template of a replication outcome, `confidenceLevel`; the steps are ours.
    """
    if word == "not testable":
        return LEVELS[0]
    if without_seed is None:
        return LEVELS[-1]
    level = len(LEVELS) - 2
    level -= bool(fragile)
    level -= any(other != word for other in without_seed)
    level -= word == "inconclusive"
    return LEVELS[max(level, 0)]
