"""What a register has to obey, read strictly: one sentence says what is wrong where, and the remedy."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from lib import initializers

# YAML 1.1 reads 010 as 8, 1:30 as 90 and `no` as false. Here numbers are decimal, and truths are true and false alone.
_SCALARS = {
    "bool": (r"^(?:true|false)$", "tf"),
    "int": (r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    "float": (r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$", "-0123456789"),
    "null": (r"^(?:null|~|)$", ["n", "~", ""]),
    "timestamp": (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "0123456789"),
}


class Entry(dict):
    """A mapping that knows where it was read.

    Attributes:
        file: the file's name; lines: the line of each key; line: that of the mapping.
    """

    file: str = ""
    line: int = 0
    lines: dict[Any, int]


@dataclass(frozen=True)
class Place:
    """An entry of a file with a name for people: "claim 61, test 1"."""

    name: str
    entry: Any

    def fail(self, sentence: str, field: str | None = None) -> NoReturn:
        """Raise the ValueError of one defect, with the line of the field where it is known.

        Raises:
            ValueError: always.
        """
        where = ""
        if isinstance(self.entry, Entry) and self.entry.file:
            where = f"{self.entry.file}, line {self.entry.lines.get(field, self.entry.line)}: "
        raise ValueError(f"{where}{self.name}: {sentence}.")

    def one_of(self, field: str, value: Any, allowed: Collection[Any], name: str | None = None) -> None:
        """Raise ValueError unless `value`, or each of a list of values, is one of the allowed ones."""
        for each in value if isinstance(value, list) else [value]:
            # True == 1 in Python, and a list is no key.
            if any(each == word and type(each) is type(word) for word in allowed):
                continue
            near = get_close_matches(str(each), [str(word) for word in allowed], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            self.fail(f"{name or field} must be one of {', '.join(map(str, allowed))}, got {each!r}{hint}", field)

    def keys(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Raise ValueError unless the entry is a mapping with all required keys and no unknown one."""
        if not isinstance(self.entry, dict):
            self.fail(f"it must be a mapping, got {self.entry!r}; write `key: value` lines")
        for key in required:
            if key not in self.entry:
                self.fail(f"{key} is missing; every entry needs {', '.join(required)}")
        for key in self.entry:
            self.one_of(key, key, [*required, *optional], name="a key")

    def typed(self, field: str, kind: str) -> None:
        """Raise ValueError unless the field has the type: text, number, integer, flag, or a list of one of them."""
        value = self.entry[field]
        single = kind.removeprefix("list of ").removesuffix("s") if kind.startswith("list of ") else kind
        if kind.startswith("list of "):
            if not isinstance(value, list):
                self.fail(f"{field} must be a list, got {value!r}; write [{value}]", field)
            values = value
        else:
            values = [value]
        for each in values:
            if not _KINDS[single](each):
                remedy = f"; write '{each}'" if single == "text" and each is not None else ""
                self.fail(f"{field} must be {_ARTICLES[single]}, got {each!r}{remedy}", field)


_KINDS = {
    "text": lambda value: isinstance(value, str) and bool(value.strip()),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "flag": lambda value: isinstance(value, bool),
}
_ARTICLES = {"text": "a text", "number": "a number", "integer": "an integer", "flag": "true or false"}


def load_strict(path: Path | str, repeated: Collection[str] = ()) -> Any:
    """Return what a YAML file holds, its mappings as `Entry`.

    Args:
        path: the file.
        repeated: keys that may stand twice in a mapping with equal values, for a frozen file that has such a pair.

    Raises:
        ValueError: the file is not YAML, or a mapping has a key twice.
        ImportError: PyYAML is not installed.
    """
    # The library imports without PyYAML; only who reads such a file needs it.
    import yaml

    name = Path(path).name

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # the one in C where PyYAML was built with it
        yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}

    def mapping(loader: Any, node: Any) -> Entry:
        entry = Entry()
        entry.file, entry.line, entry.lines = name, node.start_mark.line + 1, {}
        for key_node, value_node in node.value:
            key, value = loader.construct_object(key_node, deep=True), loader.construct_object(value_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, (str, int)):
                raise ValueError(f"{name}, line {line}: a key must be a text or an integer, got {key!r}; quote it.")
            if key in entry and not (key in repeated and entry[key] == value):
                raise ValueError(
                    f"{name}, line {line}: {key!r} stands twice in one mapping, first in line {entry.lines[key]}; "
                    "remove one of the two."
                )
            entry[key], entry.lines[key] = value, line
        return entry

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    for tag, (pattern, first) in _SCALARS.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
    # PyYAML's own constructor does not take 1e-3, which YAML 1.2 and this reader call a number.
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is not YAML ({' '.join(str(error).split())}); correct it there.") from None


FACTORS = (
    *("initializer", "depth", "width", "samples", "features", "gamma_prime", "lr", "epochs"),
    *("architecture", "strength"),
)
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
    "kendall": ("versus",),
    "r_squared": ("versus",),
    "interaction": ("axis",),
    "chosen_change": ("axis", "versus"),
    "widest_gap": ("versus",),
    "reuse_gap": ("versus",),
    "adjusted_gap": ("versus",),
}
# Version 1, which is frozen, does not have the last of them.
_FIRST_EFFECTS = tuple(EFFECTS)[: tuple(EFFECTS).index("kendall")]
_TYPES = {
    **dict.fromkeys(("statistic", "settings", "column", "transform", "moment", "effect", "margin", "against"), "text"),
    **dict.fromkeys(("alternative", "versus", "axis", "computation", "supported_if", "contradicted_if"), "text"),
    **dict.fromkeys(("sweeps", "cells", "initializers", "curves", "pool", "arms", "architectures"), "list of texts"),
    **dict.fromkeys(("depths", "widths", "samples", "features", "of"), "list of integers"),
    **dict.fromkeys(("center", "spread"), "number"),
    "trained": "flag",
    "levels": "list of numbers",
    "strengths": "list of numbers",
    "quantifier": "text",
}
_SWEEP = ("dataset", "scalings", "momenta", "samples", "lr", "epochs", "columns", "moments", "optional", "experiments")
_BLOCK = ("samples", "features", "rounds", "architectures", "strengths", "epsilons", "rates", "references")


def check_rules(document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with the rules and the words that all claims share."""
    place = Place("register", document)
    for name, low, high in (("alpha", 0, 0.1), ("trained_accuracy", 0, 1)):
        if not isinstance(document[name], float) or not low < document[name] < high:
            place.fail(f"{name} must lie between {low} and {high}, got {document[name]!r}", name)
    seeds = document["minimum_seeds"]
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 5:
        place.fail(f"minimum_seeds must be at least 5, got {seeds!r}; fewer never decide", "minimum_seeds")
    pilots = Place("pilots", document["pilots"])
    pilots.keys(("experiments", "seeds"))
    pilots.typed("seeds", "list of integers")
    effects = _FIRST_EFFECTS if document["version"] == 1 else EFFECTS
    for name, known in (("statistics", NEEDS), ("effects", effects)):
        if set(document[name]) != set(known):
            got = ", ".join(map(str, document[name]))
            place.fail(f"{name} must define exactly {', '.join(known)}, got {got}", name)
    for name in ("columns", "moments"):
        place.typed(name, "list of texts")
    for name in ("derived", "axes", "cells", "effects", "generality"):
        for word in document[name]:
            Place(name, document[name]).typed(word, "text")
    for name, entry in document["margins"].items():
        margin = Place(f"margin {name}", entry)
        margin.keys(("value", "reason"))
        margin.typed("value", "number")
        if entry["value"] < 0:
            margin.fail(f"value must be a number of at least 0, got {entry['value']!r}", "value")
    for name, entry in document["sweeps"].items():
        sweep = Place(f"sweep {name}", entry)
        sweep.keys(("blocks",), (*_SWEEP, "computation", "task"))
        for block in entry["blocks"]:
            Place(f"sweep {name}", block).keys(("initializers", "depths", "widths"), _BLOCK)


def check_claim(place: Place, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with a claim, its tests apart (`check_test`).

    Args:
        place: the entry as it stands.
        entry: the same with its defaults.
        document: the register.
    """
    number = entry["number"]
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        place.fail(f"number must be a positive integer, got {number!r}", "number")
    for name in ("statement", "source", "family", "reading", *(n for n in entry if n.endswith("_if"))):
        if name in entry:
            Place(place.name, place.entry if name in place.entry else entry).typed(name, "text")
    place.one_of("evidence", entry["evidence"], ("rows", "computation"))
    place.one_of("generality", entry["generality"], document["generality"])
    if not isinstance(entry["tests"], list) or not entry["tests"]:
        place.fail(f"tests must list at least one test, got {entry['tests']!r}", "tests")
    reported = entry["reported"]
    Place(f"{place.name}, reported", reported).keys((), ("moments", "columns", "initializers"))
    sweeps = [name for test in entry["tests"] if isinstance(test, Mapping) for name in test.get("sweeps", ["grid"])]
    for name in ("moments", "columns"):
        _listed(place, f"reported {name}", reported.get(name, []), _known(name, sweeps, document))
    for name in reported.get("initializers", []):
        _initializer(place, name)


def check_test(place: Place, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raise ValueError for what is wrong with one test: an unknown word, a wrong type, or nothing to compute.

    Arguments are those of `check_claim`.
    """
    for name in place.entry:
        if name != "finds":  # a number or a word: `check_selection`
            place.typed(name, _TYPES[name])
    place.one_of("sweeps", entry["sweeps"], document["sweeps"])
    measurements = {*_known("columns", entry["sweeps"], document), *document["derived"]}
    words = {
        "statistic": document["statistics"],
        "effect": document["effects"],
        "settings": ("primary", "all"),
        "transform": ("log", "none"),
        "moment": _known("moments", entry["sweeps"], document),
        "margin": document["margins"],
        "quantifier": ("every", "unstated"),
        "against": ("always", "never", "trained"),
        "column": measurements,
        "alternative": ("greater", "less"),
        "versus": measurements,
        "axis": document["axes"],
        "cells": document["cells"],
        "curves": FACTORS,
        "pool": FACTORS,
    }
    for name, allowed in words.items():
        if name in entry:
            place.one_of(name, entry[name], allowed)
    _check_needs(place, entry, document)
    _check_coverage(place, entry, document)


def check_later(later: Any, registered: Collection[int]) -> None:
    """Raise ValueError unless `later` gives a reason for numbers that are not registered."""
    place = Place("later", later)
    if not isinstance(later, Mapping):
        place.fail(f"it must map the number of a claim to a reason, got {later!r}")
    for number, reason in later.items():
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(reason, str) or not reason.strip():
            place.fail(f"it must map the number of a claim to a reason, got {number!r}: {reason!r}", number)
        if number in registered:
            place.fail(f"claim {number} is registered too; keep it in one place", number)


def check_amendment(amendment: Any, registered: Collection[int]) -> None:
    """Raise ValueError unless an amendment says when, to which registered claims, what and why."""
    place = Place("amendment", amendment)
    place.keys(("date", "claims", "change", "reason"))
    check_date(place)
    _listed(place, "claims", amendment["claims"], registered)
    for name in ("change", "reason"):
        place.typed(name, "text")


def check_date(place: Place) -> None:
    """Raise ValueError unless the field `date` of an entry is a day."""
    if not isinstance(place.entry["date"], datetime.date):
        place.fail(f"date must be YYYY-MM-DD, got {place.entry['date']!r}", "date")


def _known(name: str, sweeps: Collection[str], document: Mapping[str, Any]) -> list[str]:
    """Return the columns or moments of rows: those of trainings, and those that sweeps of other tasks bring along."""
    own = [word for sweep in sweeps if sweep in document["sweeps"] for word in document["sweeps"][sweep].get(name, ())]
    return list(dict.fromkeys([*document[name], *own]))


def _check_needs(place: Place, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
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
                place.fail(f"{owner} needs {wanted}, and the test gives none")
    if effect == "difference" and len(entry["arms"]) != 2:
        place.fail(f"difference compares exactly two arms, got {entry['arms']!r}", "arms")
    if effect == "spearman" and abs(entry["center"]) + document["margins"][entry["margin"]]["value"] >= 1:
        place.fail("center and margin must leave a correlation inside (-1, 1)", "center")


def _check_coverage(place: Place, entry: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Every initializer, depth and width that the test names has to occur in its sweeps."""
    blocks = [block for sweep in entry["sweeps"] for block in document["sweeps"][sweep]["blocks"]]
    sweeps = ", ".join(entry["sweeps"])
    for name in entry.get("initializers", ()):
        _initializer(place, name)
        if not any(name in block["initializers"] for block in blocks):
            place.fail(f"initializer {name!r} occurs in none of the sweeps {sweeps}", "initializers")
    blocks = [b for b in blocks if not entry.get("initializers") or set(b["initializers"]) & set(entry["initializers"])]
    for axis in ("depths", "widths"):
        for value in entry.get(axis, ()):
            if not any(value in block[axis] for block in blocks):
                place.fail(f"{axis[:-1]} {value!r} occurs in none of the sweeps {sweeps}", axis)


def _initializer(place: Place, name: Any) -> None:
    try:
        initializers.get(name)
    except ValueError as error:
        place.fail(str(error).removesuffix("."), "initializers")


def _listed(place: Place, name: str, values: Any, allowed: Collection[Any]) -> None:
    if not isinstance(values, list):
        place.fail(f"{name} must be a list, got {values!r}; write [{values}]", name)
    place.one_of(name, values, allowed)
