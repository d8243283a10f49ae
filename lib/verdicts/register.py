"""The register of claims: what decides each of them, fixed before the rows are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.rows import ROUNDS, SEEDS
from lib.verdicts.checks import (
    Place,
    check_amendment,
    check_claim,
    check_date,
    check_later,
    check_rules,
    check_test,
    load_strict,
)
from lib.verdicts.claims import AXIS_FACTORS, Claim, Combination, Component, Family, Margin, Register, conditions

CURRENT = 2
# Version 1 is frozen to the byte, with a key that stands twice, of equal values.
PATHS = {1: Path(__file__).with_name("register-1.yml"), 2: Path(__file__).with_name("register.yml")}
_REPEATED = {1: ("log_width",), 2: ()}


def load(version: int = CURRENT) -> dict[int, Claim]:
    """Return the registered claims by number, with all defaults filled in. Errors are those of `read`."""
    return read(version).claims


def read(version: int = CURRENT) -> Register:
    """Return a version of the whole register.

    Raises:
        ValueError: there is no such version, or the register breaks a rule of its own.
        ImportError: PyYAML is not installed.
    """
    if version not in PATHS:
        raise ValueError(f"version must be one of {', '.join(map(str, PATHS))}, got {version!r}.")
    return parse(load_strict(PATHS[version], _REPEATED[version]))


def parse(document: Any) -> Register:
    """Return the register that a parsed register.yml, of either version, describes.

    Raises:
        ValueError: it breaks a rule of its own.
    """
    place = Place("register", document)
    place.keys(["version"], optional=document if isinstance(document, dict) else ())
    place.one_of("version", document["version"], list(PATHS))
    new = document["version"] > 1
    place.keys([*_RULES, *_VOCABULARY, *(_SECOND if new else _FIRST), "sweeps", "defaults", "claims", "later"])
    check_rules(document)
    claims: dict[int, Claim] = {}
    for entry in document["claims"]:
        claim = _claim(entry, document)
        if claim.number in claims:
            Place(f"claim {claim.number}", entry).fail("it is registered twice; merge the two entries", "number")
        claims[claim.number] = claim
    for entry, claim in zip(document["claims"], claims.values(), strict=True):
        for number in (number for test in claim.tests for number in test.of):
            if number not in claims or number == claim.number:
                Place(f"claim {claim.number}", entry).fail(f"of names {number!r}, which is no other registered claim")
    check_later(document["later"], claims)
    for amendment in document["amendments"]:
        check_amendment(amendment, claims)
    if new:
        check_complete(document)
    return Register(
        version=document["version"],
        claims=claims,
        later=dict(document["later"]),
        families=_families(document, claims),
        amendments=tuple(document["amendments"]),
        pilot_seeds=tuple(document["pilots"]["seeds"]),
        vocabulary=document,
    )


_VOCABULARY = ("columns", "moments", "derived", "axes", "cells", "effects", "statistics", "margins", "generality")
_RULES = ("version", "alpha", "minimum_seeds", "primary_setting", "trained_accuracy", "pilots", "amendments")
_FIRST = ("levels",)
_SECOND = (
    *("least_levels", "learned_accuracy", "least_r_squared", "largest_correlation", "power", "rounds", "given_up"),
    *("families", "combine", "multiverse", "changes"),
)
_CONDITIONS = ("supported_if", "contradicted_if", "inconclusive_if", "not_testable_if")
_OWN = ("combine", "multiverse")  # what an entry of version 2 has to say, and one of version 1 cannot


def _claim(entry: Any, document: Mapping[str, Any]) -> Claim:
    number = entry.get("number") if isinstance(entry, dict) else None
    place = Place(f"claim {number}", entry)
    own = _OWN if document["version"] > 1 else ()
    place.keys(
        ("number", "statement", "source", "family", "tests", *own),
        optional=(*_CONDITIONS, "reading", "evidence", "generality", "reported"),
    )
    # What a computation would report beside its result are rows, and it has none.
    computed = {"reported": {}} if entry.get("evidence") == "computation" else {}
    filled = {**document["defaults"]["claim"], **computed, **entry}
    check_claim(place, filled, document)
    if own:
        check_combination(place, filled, document)
    curves = filled["combine"]["curves"] if own else None
    tests = tuple(
        _test(f"claim {number}, test {i}", t, curves, document) for i, t in enumerate(entry["tests"], start=1)
    )
    if own:
        check_multiverse(place, filled, tests, document)
    least = document["least_levels" if own else "levels"]
    levels = max(least.get(test.statistic, least["default"]) for test in tests)
    words = {"seeds": document["minimum_seeds"], "levels": levels}
    kind = "axis" if any(test.axis for test in tests) else "rows"
    testable = document["defaults"]["not_testable_if"][kind if filled["evidence"] == "rows" else "computation"]
    sentences = {
        "supported_if": "; and ".join(test.supported_if for test in tests),
        "contradicted_if": "; or ".join(test.contradicted_if for test in tests if test.against != "never"),
        "inconclusive_if": document["defaults"]["inconclusive_if"].format(**words),
        "not_testable_if": testable.format(**words),
    }
    return Claim(
        **{name: filled[name] for name in ("number", "statement", "source", "family", "evidence", "generality")},
        **{name: filled.get(name, text) for name, text in sentences.items()},
        reading=filled.get("reading", ""),
        tests=tests,
        combine=Combination(**filled["combine"]) if own else None,
        multiverse={axis: tuple(options) for axis, options in filled.get("multiverse", {}).items()},
        alpha=document["alpha"],
        minimum_seeds=document["minimum_seeds"],
        general_if=document["generality"][filled["generality"]],
        reported={name: tuple(values) for name, values in filled["reported"].items()},
    )


_ONLY_FIRST = {"quantifier"}
_ONLY_SECOND = {"levels", "samples", "features", "architectures", "strengths", "spread", "finds"}


def _test(name: str, entry: Any, curves: str | None, document: Mapping[str, Any]) -> Component:
    place = Place(name, entry)
    fields = {field.name for field in dataclasses.fields(Component)}
    place.keys(("statistic",), optional=sorted(fields - (_ONLY_SECOND if curves is None else _ONLY_FIRST)))
    filled = {**document["defaults"]["test"], **entry}
    if filled.get("arms"):
        filled.setdefault("initializers", filled["arms"])
    check_test(place, filled, document)
    if curves is not None:
        check_selection(place, filled, document)
    margin = Margin(filled["margin"], **document["margins"][filled["margin"]])
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in filled.items()}
    test = Component(**{**values, "margin": margin})
    return dataclasses.replace(test, **conditions(test, curves or test.quantifier or "every", document))


def _families(document: Mapping[str, Any], claims: Mapping[int, Claim]) -> dict[str, Family]:
    """Return the fixed families of version 2; those of version 1 are the registered claims that have a p value."""
    if "families" in document:
        lists = {name: {**f, "claims": tuple(f["claims"])} for name, f in document["families"].items()}
        return {name: Family(**{**f, "arithmetic": tuple(f["arithmetic"])}) for name, f in lists.items()}
    families = {}
    for name in dict.fromkeys(claim.family for claim in claims.values()):
        members = [claim for claim in claims.values() if claim.family == name]
        without = [c.number for c in members if all(t.statistic in ("arithmetic", "conjunction") for t in c.tests)]
        numbers = tuple(claim.number for claim in members)
        families[name] = Family("", numbers, tuple(without), len(numbers) - len(without))
    return families


CLAIMS = 86  # the list of claims
_WITHOUT_P = ("arithmetic", "conjunction")
_SPANS = ("all", "to_256", "beyond", "steep")


def check_complete(document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with the sections that version 1 does not have."""
    place = Place("register", document)
    shares = ("learned_accuracy", "least_r_squared")
    for name, low, high in (*((name, 0, 1) for name in shares), ("largest_correlation", 0, 1), ("power", 0.5, 1)):
        place.typed(name, "number")
        if not low < document[name] < high:
            place.fail(f"{name} must lie between {low} and {high}, got {document[name]!r}", name)
    place.one_of("axes", list(document["axes"]), AXIS_FACTORS)
    _check_families(document)
    _check_rounds(document)
    for entry in document["given_up"]:
        given_up = Place("given_up", entry)
        given_up.keys(("date", "sweep", "initializers", "depths", "widths", "reason"))
        check_date(given_up)
        given_up.one_of("sweep", entry["sweep"], ("wide",))
        given_up.typed("reason", "text")
    for entry in document["changes"]:
        change = Place("changes", entry)
        change.keys(("rule", "change", "reason"))
        for name in ("rule", "change", "reason"):
            change.typed(name, "text")


def check_combination(place: Place, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise ValueError unless an entry says, in words that fit its tests, how its p values combine."""
    combine = Place(f"{place.name}, combine", entry["combine"])
    combine.keys(("curves", "tests", "family"))
    for name in ("curves", "tests", "family"):
        combine.one_of(name, entry["combine"][name], document["combine"][name])
    tests = [test for test in entry["tests"] if isinstance(test, Mapping)]
    statistics = {test.get("statistic") for test in tests}
    curves, how, family = (entry["combine"][name] for name in ("curves", "tests", "family"))
    many = any(test.get("curves") or test.get("effect") == "step" or len(test.get("arms", ())) > 2 for test in tests)
    if statistics <= set(_WITHOUT_P):
        only = "verdicts" if "conjunction" in statistics else "arithmetic"
        if (curves, how, family) != ("none", only, "none"):
            combine.fail(f"it must be {{curves: none, tests: {only}, family: none}} where no test has a p value")
    elif family != "holm" or curves == "none" or how in ("arithmetic", "verdicts"):
        combine.fail("a claim whose tests have p values says how its curves and tests combine, and family: holm")
    elif (how == "one") != (len(tests) == 1):
        combine.fail(
            f"tests must be one for a single test, nested or within for several; there are {len(tests)}", "tests"
        )
    elif (curves == "one") == many:
        combine.fail("curves must be one where every test has a single curve, every or some elsewhere", "curves")
    elif len(tests) > 1 and (how == "within") != (curves == "some"):
        combine.fail("tests combine within curves where the curve is not stated (curves: some), else nested", "tests")


def check_selection(place: Place, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise ValueError unless a test names the levels of its axis, and initializers, depths and widths of its cells."""
    if entry["statistic"] in _WITHOUT_P:
        return
    factor = AXIS_FACTORS.get(entry.get("axis"))
    if (factor is None) != ("levels" not in entry):
        place.fail("levels must list the levels of the axis, and stands only beside an axis", "levels")
    levels = entry.get("levels", [])
    if levels != sorted(set(levels)):
        place.fail(f"levels must increase, got {levels}", "levels")
    blocks = [block for sweep in entry["sweeps"] for block in document["sweeps"][sweep]["blocks"]]
    named = {"initializer": any(block["initializers"] for block in blocks), "depth": True, "width": True}
    named |= {name: any(f"{name}s" in block for block in blocks) for name in ("architecture", "strength")}
    for name, needed in named.items():
        if name == factor:
            if f"{name}s" in entry:
                place.fail(f"{name}s are the levels of the axis; list them there alone", f"{name}s")
            known = {value for block in blocks for value in block.get(f"{name}s", ())}
            place.one_of("levels", levels, sorted(known), name=f"a level of the {name}")
        elif needed and f"{name}s" not in entry:
            place.fail(f"{name}s are missing; a test names every cell that it takes", f"{name}s")
    found = entry.get("finds")
    if found != "unknown" and (isinstance(found, bool) or not isinstance(found, (int, float)) or found <= 0):
        place.fail(f"finds must be a positive number or unknown (rule 17), got {found!r}", "finds")


def check_multiverse(place: Place, entry: Mapping[str, Any], tests: Sequence[Component], document: Any) -> None:
    """Raise ValueError unless an entry lists its axes of choices, each with the registered option first."""
    axes = Place(f"{place.name}, multiverse", entry["multiverse"])
    axes.keys((), document["multiverse"])
    family = document["families"].get(entry["family"])
    if family is None:
        place.one_of("family", entry["family"], document["families"])
    weighed = [test for test in tests if test.statistic not in _WITHOUT_P]
    moments = list(dict.fromkeys(test.moment for test in weighed))
    needed = {
        "margin": any(test.margin.value for test in weighed),
        "correction": bool(weighed) and family["k"] > 1,
        "pooling": entry["combine"]["tests"] == "nested" and sum(test.against != "never" for test in tests) > 1,
    }
    for axis, there in needed.items():
        if there != (axis in entry["multiverse"]):
            axes.fail(f"{axis} must {'' if there else 'not '}be an axis of this claim", axis)
    if "setting" in entry["multiverse"] and entry["generality"] != "settings":
        axes.fail("setting is an axis only where the generality is settings", "setting")
    if ("dataset" in entry["multiverse"]) != (entry["generality"] == "repetition"):
        axes.fail("dataset is an axis where the generality is repetition, and nowhere else", "dataset")
    registered = {
        "setting": "raw/0",
        "moment": moments[0] if len(moments) == 1 else None,
        "measure": "P",
        "dataset": "mnist",
        "adjustment": "war",
        "trained": document["trained_accuracy"],
        "margin": "registered",
        "correction": "holm",
        "pooling": "nested",
    }
    for axis, options in entry["multiverse"].items():
        axes.one_of(axis, options, document["multiverse"][axis]["options"])
        if not isinstance(options, list) or len(options) < 2 or options[0] != registered[axis]:
            axes.fail(f"{axis} must list {registered[axis]}, which is registered, and then others, got {options}", axis)


def _check_families(document: Mapping[str, Any]) -> None:
    """Every claim of the list is in one family, which counts its claims but the arithmetic ones."""
    entries = {entry["number"]: entry for entry in document["claims"]}
    seen: dict[int, str] = {}
    for name, family in document["families"].items():
        place = Place(f"family {name}", family)
        place.keys(("title", "arithmetic", "k", "claims"))
        for field in ("claims", "arithmetic"):
            place.typed(field, "list of integers")
        if family["k"] != len(family["claims"]) - len(family["arithmetic"]):
            place.fail(f"k must be the number of claims less the arithmetic ones, got {family['k']!r}", "k")
        for number in family["claims"]:
            if number in seen:
                place.fail(f"claim {number} is in the family {seen[number]} already", "claims")
            seen[number] = name
            entry = entries.get(number)
            if entry is None:
                continue
            if entry["family"] != name:
                Place(f"claim {number}", entry).fail(f"family must be {name}, whose list has the claim", "family")
            arithmetic = all(test["statistic"] == "arithmetic" for test in entry["tests"])
            if arithmetic != (number in family["arithmetic"]):
                place.fail(f"claim {number} must {'' if arithmetic else 'not '}be listed as arithmetic", "arithmetic")
    lacking = sorted(set(range(1, CLAIMS + 1)) ^ set(seen))
    if lacking:
        Place("families", document["families"]).fail(f"they must hold claims 1 to {CLAIMS} once each; see {lacking}")
    missing = sorted(set(seen) - set(entries) - set(document["later"]))
    if missing:
        Place("register", document).fail(f"claims {missing} are neither registered nor under `later`", "later")


def _check_rounds(document: Mapping[str, Any]) -> None:
    """The seeds of every sweep are those by which rows are made: the first ones set apart for its kind of task."""
    rounds = Place("rounds", document["rounds"])
    rounds.keys(list(ROUNDS))
    for number, sweeps in document["rounds"].items():
        for sweep, spans in sweeps.items():
            place = Place(f"round {number}", sweeps)
            place.one_of(sweep, sweep, document["sweeps"], name="a sweep")
            there = SEEDS[document["sweeps"][sweep].get("task", "")][number]
            Place(f"round {number}, {sweep}", spans).keys((), _SPANS)
            for name, span in spans.items():
                Place(f"round {number}, {sweep}", spans).typed(name, "list of integers")
                if len(span) != 2 or span[0] != there[0] or not span[0] < span[1] <= there[-1]:
                    place.fail(f"{sweep} must have [first, last] within {there[0]} to {there[-1]}, got {span}", sweep)
    for sweep, entry in document["sweeps"].items():
        for block in entry["blocks"]:
            for number in block.get("rounds", ROUNDS):
                if sweep not in document["rounds"].get(number, ()):
                    Place(f"sweep {sweep}", block).fail(f"round {number} lists no seeds for it", "rounds")
