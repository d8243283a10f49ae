"""How the claims hang together and where the book shows them, from outline.yml; no verdict depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lib.verdicts.checks import Place, load_strict
from lib.verdicts.claims import Register
from lib.verdicts.register import read

PATH = Path(__file__).with_name("outline.yml")


class Shown(NamedTuple):
    """Where the book shows a claim: the name of a page, and a figure on it."""

    page: str
    figure: str


class Premises(NamedTuple):
    """The claims that the argument for a claim takes for granted, or that it is made of, and why."""

    claims: tuple[int, ...]
    because: str


@dataclass(frozen=True)
class Outline:
    """What outline.yml says, by the numbers of claims; a claim made of the verdicts of others rests on these."""

    shown: Mapping[int, Shown]
    rests_on: Mapping[int, Premises]


@lru_cache(maxsize=1)
def outline() -> Outline:
    """Return the outline of the current register.

    Raises:
        ValueError: it breaks a rule of its own, or does not fit the register.
        ImportError: PyYAML is not installed.
    """
    return parse(load_strict(PATH), read())


def parse(document: object, register: Register) -> Outline:
    """Return the outline that a parsed outline.yml describes.

    Raises:
        ValueError: a key is unknown, a registered claim is shown nowhere or twice, or a claim rests on itself.
    """
    whole = Place("outline", document)
    whole.keys(("shown", "rests_on"))
    shown: dict[int, Shown] = {}
    for page, figures in document["shown"].items():
        place = Place(f"shown, {page}", figures)
        for number, figure in figures.items():
            place.one_of(number, number, register.claims, name="a claim")
            if number in shown:
                place.fail(f"claim {number} is shown in {shown[number].page} already", number)
            shown[number] = Shown(page, figure)
    if missing := sorted(set(register.claims) - set(shown)):
        Place("shown", document["shown"]).fail(f"claims {missing} are registered and shown nowhere; add them to a page")
    return Outline(shown, _premises(document["rests_on"], register))


def _premises(entries: Mapping[int, Mapping], register: Register) -> dict[int, Premises]:
    numbers = [*register.claims, *register.later]
    found = {}
    for number, entry in entries.items():
        place = Place(f"rests_on, {number}", entry)
        place.keys(("claims", "because"))
        place.typed("because", "text")
        place.one_of("claims", [number, *entry["claims"]], numbers)
        found[number] = Premises(tuple(entry["claims"]), entry["because"])
    for number, claim in register.claims.items():
        if made_of := claim.tests[0].of:
            if number in found:
                Place(f"rests_on, {number}", entries[number]).fail("the register says what it is made of; remove it")
            found[number] = Premises(made_of, "it is made of their verdicts")
    ranks(found)
    return dict(sorted(found.items()))


def ranks(rests_on: Mapping[int, Premises]) -> dict[int, int]:
    """Return, of each claim that rests on others or that others rest on, the longest chain of claims below it.

    Raises:
        ValueError: a claim rests on itself.
    """
    found: dict[int, int] = {}
    open_: list[int] = []

    def rank(number: int) -> int:
        if number in open_:
            chain = " on ".join(map(str, [*open_[open_.index(number) :], number]))
            raise ValueError(f"outline.yml: no claim may rest on itself, got {chain}; remove one of them.")
        if number not in found:
            open_.append(number)
            below = rests_on[number].claims if number in rests_on else ()
            found[number] = 1 + max(map(rank, below), default=-1)
            open_.pop()
        return found[number]

    for number in rests_on:
        rank(number)
    return found
