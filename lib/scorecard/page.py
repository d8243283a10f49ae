"""The scorecard: one table of all claims that a reader filters and sorts, each with its rule, figure and rows."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from lib.prose import initialization_label, p_text, typeset
from lib.scorecard.rows import rows_of_claims
from lib.verdicts.claims import Claim, Register
from lib.verdicts.outline import outline
from lib.verdicts.published import VERDICTS, published_verdicts
from lib.verdicts.register import read
from lib.verdicts.table import COLUMNS, Html, pooled_text, row_of, standing, table_of

_SCRIPT = Path(__file__).with_name("page.js")
_INITIALIZER = re.compile(r"(?<![\w.-])(?:he|lecun|ntk(?:-slides)?|(?:power|gamma)-[\d.]*\d)(?![\w-])")
# Initializations in the order of a reader's list; the others that the register names have few claims.
_INITIALIZATIONS = ("he", "lecun", "ntk", "power-2")


def scorecard() -> Html:
    """Return the table of all claims with its controls, as HTML that needs no server and no network.

    Without JavaScript it is the whole table in order. The rows behind the claims, as compressed CSV, are a script of
    their own, which the book puts into a file beside the page.

    Raises:
        FileNotFoundError: no verdicts have been made.
        ValueError: a row, the register or the outline cannot be used.
    """
    claims, register, tables = published_verdicts(), read(), rows_of_claims()
    of_claims = {n: packed(table.to_csv(index=False, float_format="%.6g")) for n, table in tables.items()}
    bodies = [
        f"<tbody{_attributes(claim, register.claims[number])}>{row_of(claim, cells=(_chapter(number),))}"
        f'<tr class="more"><td colspan="{len(COLUMNS) + 1}">'
        f"{_details(claim, register, len(tables.get(number, ())))}</td></tr></tbody>"
        for number, claim in claims.items()
    ]
    pages = sorted({shown.page.partition("_")[0] for shown in outline().shown.values()})
    controls = "".join(
        [
            _select("verdict", {word: word for word in VERDICTS}),
            _select("chapter", {page: f"chapter {page.lstrip('0')}" for page in pages}),
            _select("initialization", {name: initialization_label(name) for name in _INITIALIZATIONS}),
            '<label class="check"><input type="checkbox" name="fragile"> fragile only</label>',
            f'<output aria-live="polite">{len(claims)} claims</output>',
        ]
    )
    return Html(
        f'<div class="scorecard">\n<form class="filters" hidden>{controls}</form>\n'
        f"{table_of(bodies, (*COLUMNS, 'chapter'))}\n"
        f'<script data-file="scorecard_rows.js">globalThis.scorecardRows = {json.dumps(of_claims)};</script>\n'
        f"<script>\n{_SCRIPT.read_text(encoding='utf-8').strip()}\n</script>\n</div>"
    )


def packed(text: str) -> str:
    """Return a text compressed, the same bytes at each build."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _select(name: str, options: Mapping[str, str]) -> str:
    rest = "".join(f'<option value="{value}">{label}</option>' for value, label in options.items())
    return f'<label>{name} <select name="{name}"><option value="">all</option>{rest}</select></label>'


def _chapter(number: int) -> str:
    shown = outline().shown.get(number)
    if shown is None:
        return ""
    return f'<a href="{shown.page}.html#{shown.figure}">{shown.page.partition("_")[0].lstrip("0")}</a>'


def _attributes(claim: Mapping[str, Any], registered: Claim) -> str:
    shown = outline().shown.get(claim["number"])
    names = {name for test in registered.tests for name in (*(test.initializers or ()), *test.arms)}
    multiverse = claim["multiverse"]
    values = {
        "verdict": standing(claim).verdict,
        "chapter": shown.page.partition("_")[0] if shown else "",
        "initialization": " ".join(sorted(names)),
        "fragile": "yes" if claim["fragile"] else "",
        "share": multiverse["shares"].get(multiverse["verdict"], "") if multiverse else "",
    }
    data = "".join(f' data-{name}="{value}"' for name, value in values.items())
    return f' id="claim-{claim["number"]}"{data}'


def by_setting(multiverse: Mapping[str, Any]) -> dict[str, str]:
    """Return the verdict in each input scaling / momentum, at alpha without Holm; empty where no setting was chosen.

    A claim is general where all settings in which it can be tested agree. A setting whose universe computes the same
    as an earlier one is not told apart.

    Source: lib/verdicts/register.yml, `generality`.
    """
    axes = list(multiverse["axes"])
    if "setting" not in axes:
        return {}
    alone = [int("none" in multiverse["axes"][name]) if name == "correction" else 0 for name in axes]
    at, found = axes.index("setting"), {}
    for *places, word, _, _, _ in multiverse["curve"]:
        if places[:at] + places[at + 1 :] == alone[:at] + alone[at + 1 :]:
            found[multiverse["axes"]["setting"][places[at]]] = VERDICTS[word]
    return found


def generality(multiverse: Mapping[str, Any] | None) -> str:
    """Return whether all settings in which a claim can be tested agree: "yes", "no", "open" where it is only one.

    Empty where settings are no choice of the claim's.
    """
    settings = by_setting(multiverse) if multiverse else {}
    words = [word for word in settings.values() if word != "not testable"]
    if not settings:
        return ""
    return "open" if len(words) < 2 else "yes" if len(set(words)) == 1 else "no"


@lru_cache(maxsize=1)
def _needed_by() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, premises in outline().rests_on.items():
        for other in premises.claims:
            found.setdefault(other, []).append(number)
    return found


def _links(numbers: Sequence[int]) -> str:
    return ", ".join(f'<a href="#claim-{number}">{number}</a>' for number in numbers)


def _rule(text: str) -> str:
    """Return a rule as HTML, initializations and numbers written as on the pages."""
    return typeset(_INITIALIZER.sub(lambda found: initialization_label(found[0]), text))


def _curves(judgement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [curve for test in judgement["tests"] for curve in test["curves"]]


def _details(claim: Mapping[str, Any], register: Register, networks: int) -> str:
    """Return what opens below a statement: rule, numbers, premises, figure, rows."""
    number, stands = claim["number"], standing(claim)
    registered, judged = register.claims[number], stands.judgement
    lines = []
    if claim["reading"]:
        lines.append(("Read as", escape(claim["reading"])))
    lines += [
        ("Supported if", _rule(registered.supported_if)),
        ("Contradicted if", _rule(registered.contradicted_if)),
    ]
    p = judged["p_adjusted"]
    if p["for"] is not None and judged["tests"] and networks:
        texts = f"p = {p_text(p['for'])} for, {p_text(p['against'])} against, after Holm"
        curves = [f"{len(test['curves'])}" for test in judged["tests"]]
        lines.append((f"Round {judged['round']}", f"{texts}; curves of its tests: {', '.join(curves)}"))
    if pooled := [pooled_text(curve["pooled"]) for curve in _curves(judged) if curve["pooled"]]:
        lines.append(("Over all cells at once", f"{'; '.join(pooled)} (reported, decides nothing)"))
    if multiverse := claim["multiverse"]:
        shares = ", ".join(f"{share:.0%} {word}" for word, share in multiverse["shares"].items() if share)
        lines.append(
            ("Universes", f"{multiverse['testable']} of {multiverse['universes']} testable: {shares or 'none'}")
        )
        if settings := by_setting(multiverse):
            told = ", ".join(f"{setting} {word}" for setting, word in settings.items())
            lines.append(("Settings", f"{told} (general: {generality(multiverse)})"))
    if premises := outline().rests_on.get(number):
        lines.append(("Rests on", f"{_links(premises.claims)}: {escape(premises.because)}"))
    if number in _needed_by():
        lines.append(("Needed by", _links(_needed_by()[number])))
    links = []
    if shown := outline().shown.get(number):
        links.append(f'<a href="{shown.page}.html#{shown.figure}">figure</a>')
    if networks:
        links.append(f'<button type="button" data-rows="{number}" hidden>rows (CSV, {networks:,})</button>')
    links.append(f"<code>python -m lib.verdicts show {number}</code>")
    items = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in lines)
    below = f"<p>{' · '.join(links)}</p>" if links else ""
    return f"<details><summary>rule and rows</summary><dl>{items}</dl>{below}</details>"
