"""What the register holds: claims, their tests in data and in words, how these combine, and the families of claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Fewer replicates never decide a registered claim.
MINIMUM_SEEDS = 5
# The factor whose levels an axis runs through; the levels of the last two are c and γ themselves.
AXIS_FACTORS = {
    "log2_width": "width",
    "log_width": "width",
    "log_bound_over_plateau": "width",
    "depth": "depth",
    "log_depth": "depth",
    "log2_depth": "depth",
    "log2_samples": "samples",
    "log_samples": "samples",
    "exponent": "exponent",
    "boundary_distance": "gamma",
    "log_strength": "strength",
}
# Where round 1 lacked a seed that converged, round 2 takes more: `steep` in `rounds`.
STEEP = ("power-2.25", "power-2.5")


@dataclass(frozen=True)
class Margin:
    """A margin with its name and the reason for its size."""

    name: str
    value: float
    reason: str


@dataclass(frozen=True)
class Component:
    """One test of a claim. register.yml defines every word of the vocabulary; None is "not part of this test".

    Attributes:
        statistic, effect, alternative: the test, the number it takes from a seed, and its direction.
        sweeps, settings, initializers, architectures, depths, widths, samples, features, strengths, cells, trained:
            which rows it selects (None: all of the sweeps, or those that `levels` lists).
        column, versus, transform, moment: the measurement.
        axis, levels, curves, pool, arms: what is regressed on what at which levels, one curve a combination, common
            slopes, compared arms.
        center, margin: what support has to exceed, and by how much less contradicts.
        quantifier: how curves combine in version 1; in version 2 `Claim.combine` says it.
        against: when the test may contradict.
        computation, of: of an arithmetic test, and of a conjunction of claims.
        spread, finds: the spread over seeds in round 1, and the smallest effect that round 2 finds.
        supported_if, contradicted_if: the exact conditions, in words.
    """

    statistic: str
    sweeps: tuple[str, ...]
    settings: str
    cells: tuple[str, ...]
    trained: bool
    column: str
    transform: str
    moment: str
    effect: str
    center: float
    margin: Margin
    against: str
    quantifier: str | None = None
    alternative: str | None = None
    initializers: tuple[str, ...] | None = None
    depths: tuple[int, ...] | None = None
    widths: tuple[int, ...] | None = None
    samples: tuple[int, ...] | None = None
    features: tuple[int, ...] | None = None
    architectures: tuple[str, ...] | None = None
    strengths: tuple[float, ...] | None = None
    versus: str | None = None
    axis: str | None = None
    levels: tuple[float, ...] | None = None
    curves: tuple[str, ...] = ()
    pool: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    computation: str | None = None
    of: tuple[int, ...] = ()
    spread: float | None = None
    finds: float | str | None = None
    supported_if: str = ""
    contradicted_if: str = ""


@dataclass(frozen=True)
class Combination:
    """How p values become one of a claim and one of its family; `combine` in register.yml defines the words."""

    curves: str
    tests: str
    family: str


@dataclass(frozen=True)
class Family:
    """The claims that share Holm's method: their numbers, registered or not, and how many of them count."""

    title: str
    claims: tuple[int, ...]
    arithmetic: tuple[int, ...]
    k: int


@dataclass(frozen=True)
class Claim:
    """A claim with all that its verdict depends on.

    Attributes:
        number: the claim's number in the list of claims.
        statement, reading, source: what is claimed, how an ambiguity was read, and where it is claimed.
        family: the family of Holm's method.
        evidence: "rows" or "computation".
        tests: all of them have to support the claim; one can contradict it.
        combine: how curves, tests and family combine; None in version 1, whose rule 6 can be read in two ways.
        multiverse: axis of choices -> its options, the registered one first; empty in version 1.
        supported_if, contradicted_if, inconclusive_if, not_testable_if, general_if: the exact conditions, in words.
        reported: further moments, columns and initializers to show; they decide nothing.
    """

    number: int
    statement: str
    source: str
    family: str
    evidence: str
    tests: tuple[Component, ...]
    alpha: float
    minimum_seeds: int
    supported_if: str
    contradicted_if: str
    inconclusive_if: str
    not_testable_if: str
    generality: str
    general_if: str
    reported: Mapping[str, tuple[str, ...]]
    combine: Combination | None = None
    multiverse: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    reading: str = ""


@dataclass(frozen=True)
class Register:
    """The whole register: the claims, those that later experiments decide, and the words they are written in.

    Attributes:
        version: 1 or 2.
        claims, later: by number; `later` gives the reason.
        families: by name.
        amendments: changes after the first deciding row, each with date, claims, change and reason.
        pilot_seeds: the seeds that never decide.
        vocabulary: register.yml as it is, for its definitions (statistics, effects, cells, sweeps, ...).
    """

    version: int
    claims: dict[int, Claim]
    later: dict[int, str]
    families: dict[str, Family]
    amendments: tuple[Mapping[str, Any], ...]
    pilot_seeds: tuple[int, ...]
    vocabulary: Mapping[str, Any]

    def seeds(self, sweep: str, round: int, width: int = 0, initializer: str = "") -> range:
        """Return the registered seeds of a cell of a sweep in a round; none where the round does not have the sweep.

        Raises:
            ValueError: version 1, whose single round had no list, or no such round.
        """
        rounds = self.vocabulary.get("rounds", {})
        if round not in rounds:
            raise ValueError(
                f"round must be one of {', '.join(map(str, rounds)) or 'none in version 1'}, got {round!r}."
            )
        spans = rounds[round].get(sweep)
        if spans is None:
            return range(0)
        name = "all" if "all" in spans else "to_256" if width <= 256 else "beyond"
        first, last = spans["steep" if "steep" in spans and initializer in STEEP else name]
        return range(first, last + 1)


def conditions(test: Component, curves: str, document: Mapping[str, Any]) -> dict[str, str]:
    """Return supported_if and contradicted_if of a test; an arithmetic test brings its own.

    Args:
        test: the test.
        curves: how its curves combine: "every", "one" or "none"; "some" (in version 1 "unstated").
        document: register.yml.
    """
    if test.computation is not None:
        return {}
    sign = -1 if test.alternative == "less" else 1
    every, one = _scopes(test)
    words = {
        "subject": _subject(test, document["axes"]),
        "beyond": "above" if sign > 0 else "below",
        "short": "below" if sign > 0 else "above",
        "center": _number(test.center),
        "margin": _number(test.margin.value),
        "bound": _number(test.center + sign * test.margin.value),
        "low": _number(test.center - test.margin.value),
        "high": _number(test.center + test.margin.value),
        "scope": one if curves == "some" else every,
        "scope_against": every if curves in ("some", "unstated") else one,
        "alpha": document["alpha"],
        "of": ", ".join(map(str, test.of)),
    }
    definition = document["statistics"][test.statistic]
    sentences = {name: definition[name].format(**words) for name in ("supported_if", "contradicted_if")}
    if test.against == "trained":
        sentences["contradicted_if"] += ", where the networks train"
    return sentences


def _subject(test: Component, axes: Mapping[str, str]) -> str:
    """Return what is compared: "the change of log P over L (he), at epoch 50,"."""
    measured = f"log {test.column}" if test.transform == "log" else test.column
    effect = test.effect.replace("_", " ")
    if test.effect in _SUBJECTS:
        subject = _SUBJECTS[test.effect].format(column=test.column, versus=test.versus)
    elif test.statistic == "argmax_tost":
        subject = f"the slope of log2 of the width where {measured} is largest"
    elif test.effect == "level" or test.statistic in ("inverted_u", "eta_squared"):
        subject = measured
    else:
        subject = f"the {effect} of {measured}"
    subject += f" over {axes[test.axis]}" if test.axis else ""
    who = " minus ".join(test.arms) if test.effect == "difference" else ", ".join(test.initializers or ())
    subject += f" ({who})" if who else ""
    return subject if test.moment == "all" else f"{subject}, at {test.moment.replace('_', ' ')},"


_SUBJECTS = {
    "spearman": "the rank correlation of {column} with {versus}",
    "kendall": "Kendall's τ of {column} and {versus}",
    "r_squared": "the R² of {column} on {versus}",
    "interaction": "the change of {column} at the widest network minus at the narrowest",
    "chosen_change": "the change of log λ, chosen by {versus}",
    "widest_gap": "{column} at the widest network minus at a narrower one, chosen by {versus}",
    "reuse_gap": "{column} of the widest network at the narrowest one's λ minus at its own, chosen by {versus}",
    "adjusted_gap": "{column} with the adjusted λ minus with that of the grid, chosen by {versus}",
}


def _scopes(test: Component) -> tuple[str, str]:
    """Return the words for "in every curve" and "in one of them"; a test of a single curve needs none."""
    pairs = {"step": ["neighbouring pair"], "slope_difference": ["pair of initializations"]}
    curve = " and ".join([*test.curves, *pairs.get(test.effect, [])])
    return (f" for every {curve}", f" for at least one {curve}") if curve else ("", "")


def _number(value: float) -> str:
    return f"{round(value, 4):g}"
