"""The register of claims: what decides each of them, fixed before the rows are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.experiments.register_checks import (
    check_amendment,
    check_claim,
    check_keys,
    check_later,
    check_rules,
    check_test,
    fail,
)

PATH = Path(__file__).with_name("register.yml")


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
        sweeps, settings, initializers, depths, widths, cells, trained: which rows it selects (None: all of the sweeps).
        column, versus, transform, moment: the measurement.
        axis, curves, pool, arms: what is regressed on what, one curve a combination, common slopes, compared arms.
        center, margin: what support has to exceed, and by how much less contradicts.
        quantifier, against: how curves combine, and when the test may contradict.
        computation, of: of an arithmetic test, and of a conjunction of claims.
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
    quantifier: str
    against: str
    alternative: str | None = None
    initializers: tuple[str, ...] | None = None
    depths: tuple[int, ...] | None = None
    widths: tuple[int, ...] | None = None
    versus: str | None = None
    axis: str | None = None
    curves: tuple[str, ...] = ()
    pool: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    computation: str | None = None
    of: tuple[int, ...] = ()
    supported_if: str = ""
    contradicted_if: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim with all that its verdict depends on.

    Attributes:
        number: the claim's number in the list of claims.
        statement, reading, source: what is claimed, how an ambiguity was read, and where it is claimed.
        family: the family of Holm's method.
        evidence: "rows" or "computation".
        tests: all of them have to support the claim; one can contradict it.
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
    reading: str = ""


@dataclass(frozen=True)
class Register:
    """The whole register: the claims, those that later experiments decide, and the words they are written in.

    Attributes:
        claims, later: by number; `later` gives the reason.
        amendments: changes after the first deciding row, each with date, claims, change and reason.
        pilot_seeds: the seeds that never decide.
        vocabulary: register.yml as it is, for its definitions (statistics, effects, cells, sweeps, ...).
    """

    claims: dict[int, Claim]
    later: dict[int, str]
    amendments: tuple[Mapping[str, Any], ...]
    pilot_seeds: tuple[int, ...]
    vocabulary: Mapping[str, Any]


def load(path: Path | str = PATH) -> dict[int, Claim]:
    """Return the registered claims by number, with all defaults filled in.

    Raises:
        ValueError: the register breaks a rule of its own.
        ImportError: PyYAML is not installed.

    Used by: chapter 15 and every chapter that shows verdicts.
    """
    return read(path).claims


def read(path: Path | str = PATH) -> Register:
    """Return the whole register. Errors are those of `load`."""
    # The library imports without PyYAML; only who reads the register needs it.
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"register: {path} is not YAML ({' '.join(str(error).split())}); correct it there.") from None
    return parse(document)


def parse(document: Any) -> Register:
    """Return the register that a parsed register.yml describes. Errors are those of `load`."""
    check_keys("register", document, required=_DOCUMENT)
    check_rules(document)
    claims: dict[int, Claim] = {}
    for entry in document["claims"]:
        claim = _claim(entry, document)
        if claim.number in claims:
            fail(f"claim {claim.number}", "it is registered twice; merge the two entries")
        claims[claim.number] = claim
    for claim in claims.values():
        for number in (number for test in claim.tests for number in test.of):
            if number not in claims or number == claim.number:
                fail(f"claim {claim.number}", f"of names {number!r}, which is no other registered claim")
    check_later(document["later"], claims)
    for amendment in document["amendments"]:
        check_amendment(amendment, claims)
    return Register(
        claims=claims,
        later=dict(document["later"]),
        amendments=tuple(document["amendments"]),
        pilot_seeds=tuple(document["pilots"]["seeds"]),
        vocabulary=document,
    )


_VOCABULARY = (
    "columns",
    "moments",
    "derived",
    "axes",
    "cells",
    "effects",
    "statistics",
    "levels",
    "margins",
    "generality",
)
_RULES = ("version", "alpha", "minimum_seeds", "primary_setting", "trained_accuracy", "pilots", "amendments")
_DOCUMENT = (*_RULES, *_VOCABULARY, "sweeps", "defaults", "claims", "later")
_CONDITIONS = ("supported_if", "contradicted_if", "inconclusive_if", "not_testable_if")


def _claim(entry: Any, document: Mapping[str, Any]) -> Claim:
    number = entry.get("number") if isinstance(entry, dict) else None
    where = f"claim {number}"
    check_keys(
        where,
        entry,
        required=("number", "statement", "source", "family", "tests"),
        optional=(*_CONDITIONS, "reading", "evidence", "generality", "reported"),
    )
    # What a computation would report beside its result are rows, and it has none.
    computed = {"reported": {}} if entry.get("evidence") == "computation" else {}
    entry = {**document["defaults"]["claim"], **computed, **entry}
    check_claim(where, entry, document)
    tests = tuple(_test(f"{where}, test {i}", test, document) for i, test in enumerate(entry["tests"], start=1))
    levels = max(document["levels"].get(test.statistic, document["levels"]["default"]) for test in tests)
    words = {"seeds": document["minimum_seeds"], "levels": levels}
    kind = "axis" if any(test.axis for test in tests) else "rows"
    testable = document["defaults"]["not_testable_if"][kind if entry["evidence"] == "rows" else "computation"]
    conditions = {
        "supported_if": "; and ".join(test.supported_if for test in tests),
        "contradicted_if": "; or ".join(test.contradicted_if for test in tests if test.against != "never"),
        "inconclusive_if": document["defaults"]["inconclusive_if"].format(**words),
        "not_testable_if": testable.format(**words),
    }
    return Claim(
        **{name: entry[name] for name in ("number", "statement", "source", "family", "evidence", "generality")},
        **{name: entry.get(name, text) for name, text in conditions.items()},
        reading=entry.get("reading", ""),
        tests=tests,
        alpha=document["alpha"],
        minimum_seeds=document["minimum_seeds"],
        general_if=document["generality"][entry["generality"]],
        reported={name: tuple(values) for name, values in entry["reported"].items()},
    )


def _test(where: str, entry: Any, document: Mapping[str, Any]) -> Component:
    names = [field.name for field in dataclasses.fields(Component)]
    check_keys(where, entry, required=("statistic",), optional=names)
    entry = {**document["defaults"]["test"], **entry}
    if entry.get("arms"):
        entry.setdefault("initializers", entry["arms"])
    check_test(where, entry, document)
    margin = Margin(entry["margin"], **document["margins"][entry["margin"]])
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    test = Component(**{**values, "margin": margin})
    return dataclasses.replace(test, **_conditions(test, document))


def _conditions(test: Component, document: Mapping[str, Any]) -> dict[str, str]:
    """Fill the sentences of the test's statistic; an arithmetic test brings its own."""
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
        "scope": every,
        "scope_against": every if test.quantifier == "unstated" else one,
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
    if test.effect == "spearman":
        subject = f"the rank correlation of {test.column} with {test.versus}"
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


def _scopes(test: Component) -> tuple[str, str]:
    """Return the words for "in every curve" and "in one of them"; a test of a single curve needs none."""
    pairs = {"step": ["neighbouring pair"], "slope_difference": ["pair of initializations"]}
    curve = " and ".join([*test.curves, *pairs.get(test.effect, [])])
    return (f" for every {curve}", f" for at least one {curve}") if curve else ("", "")


def _number(value: float) -> str:
    return f"{round(value, 4):g}"
