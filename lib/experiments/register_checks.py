"""What a register has to obey, and one sentence for each way in which it does not."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from lib import initializers

FACTORS = ("initializer", "depth", "width", "samples", "features", "gamma_prime", "lr", "epochs")
# What a statistic needs of its test beyond a selection and a measurement.
NEEDS = {
    "t": ("alternative",),
    "page_t": ("alternative", "axis"),
    "tost": ("positive margin",),
    "inverted_u": ("axis", "positive margin"),
    "argmax_tost": ("axis", "positive margin"),
    "clopper_pearson": ("share",),
    "eta_squared": ("axis", "share"),
    "arithmetic": ("computation", "supported_if", "contradicted_if"),
    "conjunction": ("of",),
}
# The same for the number that it takes from a seed; aic_difference fixes all of it.
EFFECTS = {
    "level": (),
    "difference": ("arms",),
    "step": ("axis",),
    "slope": ("axis",),
    "change": ("axis",),
    "crossing": ("axis",),
    "slope_difference": ("axis", "arms"),
    "spearman": ("versus",),
    "aic_difference": (),
}


def fail(where: str, sentence: str) -> NoReturn:
    """Raise the ValueError of one defect."""
    raise ValueError(f"{where}: {sentence}.")


def check_keys(where: str, entry: Any, required: Collection[str], optional: Collection[str] = ()) -> None:
    """Raise ValueError unless `entry` is a mapping with all required keys and no unknown one."""
    if not isinstance(entry, Mapping):
        fail(where, f"it must be a mapping, got {entry!r}; write `key: value` lines")
    for key in required:
        if key not in entry:
            fail(where, f"{key} is missing; every entry needs {', '.join(required)}")
    for key in entry:
        _one_of(where, "a key", key, {*required, *optional})


def check_rules(document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with the rules and the words that all claims share."""
    for name, low, high in (("alpha", 0, 0.1), ("trained_accuracy", 0, 1)):
        if not isinstance(document[name], float) or not low < document[name] < high:
            fail("register", f"{name} must lie between {low} and {high}, got {document[name]!r}")
    if not isinstance(document["minimum_seeds"], int) or document["minimum_seeds"] < 5:
        fail("register", f"minimum_seeds must be at least 5, got {document['minimum_seeds']!r}; fewer never decide")
    if any(isinstance(seed, bool) or not isinstance(seed, int) for seed in document["pilots"]["seeds"]):
        fail("register", f"pilots seeds must be integers, got {document['pilots']['seeds']!r}")
    for name, known in (("statistics", NEEDS), ("effects", EFFECTS)):
        if set(document[name]) != set(known):
            fail(
                "register", f"{name} must define exactly {', '.join(known)}, got {', '.join(map(str, document[name]))}"
            )
    for name, margin in document["margins"].items():
        check_keys(f"margin {name}", margin, required=("value", "reason"))
        if isinstance(margin["value"], bool) or not isinstance(margin["value"], (int, float)) or margin["value"] < 0:
            fail(f"margin {name}", f"value must be a number of at least 0, got {margin['value']!r}")


def check_claim(where: str, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with a claim, its tests apart (`check_test`)."""
    if isinstance(entry["number"], bool) or not isinstance(entry["number"], int) or entry["number"] < 1:
        fail(where, f"number must be a positive integer, got {entry['number']!r}")
    for name in ("statement", "source", "family"):
        if not isinstance(entry[name], str) or not entry[name].strip():
            fail(where, f"{name} must be a text, got {entry[name]!r}; put it in quotes if it is read as something else")
    _one_of(where, "evidence", entry["evidence"], ("rows", "computation"))
    _one_of(where, "generality", entry["generality"], document["generality"])
    if not isinstance(entry["tests"], list) or not entry["tests"]:
        fail(where, f"tests must list at least one test, got {entry['tests']!r}")
    reported = entry["reported"]
    check_keys(f"{where}, reported", reported, (), ("moments", "columns", "initializers"))
    sweeps = [name for test in entry["tests"] if isinstance(test, Mapping) for name in test.get("sweeps", [])]
    for name in ("moments", "columns"):
        _all_of(where, f"reported {name}", reported.get(name, []), _known(name, sweeps, document))
    for name in reported.get("initializers", []):
        _initializer(where, name)


def check_test(where: str, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with one test of a claim: an unknown word, or nothing that can be computed."""
    _all_of(where, "sweeps", entry["sweeps"], document["sweeps"])
    measurements = {*_known("columns", entry["sweeps"], document), *document["derived"]}
    _one_of(where, "statistic", entry["statistic"], document["statistics"])
    _one_of(where, "effect", entry["effect"], document["effects"])
    _one_of(where, "settings", entry["settings"], ("primary", "all"))
    _one_of(where, "transform", entry["transform"], ("log", "none"))
    _one_of(where, "moment", entry["moment"], _known("moments", entry["sweeps"], document))
    _one_of(where, "margin", entry["margin"], document["margins"])
    _one_of(where, "quantifier", entry["quantifier"], ("every", "unstated"))
    _one_of(where, "against", entry["against"], ("always", "never", "trained"))
    _one_of(where, "column", entry["column"], measurements)
    for name, allowed in (
        ("alternative", ("greater", "less")),
        ("versus", measurements),
        ("axis", document["axes"]),
    ):
        if name in entry:
            _one_of(where, name, entry[name], allowed)
    _all_of(where, "cells", entry["cells"], document["cells"])
    for name in ("curves", "pool"):
        _all_of(where, name, entry.get(name, []), FACTORS)
    if not isinstance(entry["trained"], bool):
        fail(where, f"trained must be true or false, got {entry['trained']!r}")
    if isinstance(entry["center"], bool) or not isinstance(entry["center"], (int, float)):
        fail(where, f"center must be a number, got {entry['center']!r}")
    _check_needs(where, entry, document)
    _check_coverage(where, entry, document)


def check_later(later: Any, registered: Collection[int]) -> None:
    """Raise ValueError unless `later` gives a reason for numbers that are not registered."""
    if not isinstance(later, Mapping):
        fail("later", f"it must map the number of a claim to a reason, got {later!r}")
    for number, reason in later.items():
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(reason, str) or not reason.strip():
            fail("later", f"it must map the number of a claim to a reason, got {number!r}: {reason!r}")
        if number in registered:
            fail("later", f"claim {number} is registered too; keep it in one place")


def check_amendment(amendment: Any, registered: Collection[int]) -> None:
    """Raise ValueError unless an amendment says when, to which registered claims, what and why."""
    check_keys("amendment", amendment, required=("date", "claims", "change", "reason"))
    if not isinstance(amendment["date"], datetime.date):
        fail("amendment", f"date must be YYYY-MM-DD, got {amendment['date']!r}")
    _all_of("amendment", "claims", amendment["claims"], registered)
    for name in ("change", "reason"):
        if not isinstance(amendment[name], str) or not amendment[name].strip():
            fail("amendment", f"{name} must be a text, got {amendment[name]!r}")


def _known(name: str, sweeps: Collection[str], document: Mapping[str, Any]) -> list[str]:
    """Return the columns or moments of rows: those of trainings, and those that sweeps of other tasks bring along."""
    own = [word for sweep in sweeps if sweep in document["sweeps"] for word in document["sweeps"][sweep].get(name, ())]
    return list(dict.fromkeys([*document[name], *own]))


def _check_needs(where: str, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    statistic, effect = entry["statistic"], entry["effect"]
    for owner, needs in ((statistic, NEEDS), (effect, EFFECTS)):
        for name in needs[owner]:
            if name == "positive margin":
                given = document["margins"][entry["margin"]]["value"] > 0
            elif name == "share":
                given = 0 < entry["center"] < 1
            else:
                given = bool(entry.get(name))
            if not given:
                wanted = {"share": "a center between 0 and 1", "positive margin": "a margin above 0"}.get(name, name)
                fail(where, f"{owner} needs {wanted}, and the test gives none")
    if effect == "difference" and len(entry["arms"]) != 2:
        fail(where, f"difference compares exactly two arms, got {entry['arms']!r}")
    if effect == "spearman" and abs(entry["center"]) + document["margins"][entry["margin"]]["value"] >= 1:
        fail(where, "center and margin must leave a correlation inside (-1, 1)")


def _check_coverage(where: str, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Every initializer, depth and width that the test names has to occur in its sweeps."""
    blocks = [block for sweep in entry["sweeps"] for block in document["sweeps"][sweep]["blocks"]]
    for name in entry.get("initializers", ()):
        _initializer(where, name)
        if not any(name in block["initializers"] for block in blocks):
            fail(where, f"initializer {name!r} occurs in none of the sweeps {', '.join(entry['sweeps'])}")
    blocks = [b for b in blocks if not entry.get("initializers") or set(b["initializers"]) & set(entry["initializers"])]
    for axis in ("depths", "widths"):
        for value in entry.get(axis, ()):
            if not any(value in block[axis] for block in blocks):
                fail(where, f"{axis[:-1]} {value!r} occurs in none of the sweeps {', '.join(entry['sweeps'])}")


def _initializer(where: str, name: Any) -> None:
    try:
        initializers.get(name)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _all_of(where: str, name: str, values: Any, allowed: Collection[Any]) -> None:
    if not isinstance(values, list):
        fail(where, f"{name} must be a list, got {values!r}; write [{values}]")
    for value in values:
        _one_of(where, name, value, allowed)


def _one_of(where: str, name: str, value: Any, allowed: Collection[Any]) -> None:
    if value not in allowed:
        near = get_close_matches(str(value), [str(word) for word in allowed], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(str, allowed))}, got {value!r}{hint}")
