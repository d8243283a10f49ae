"""The claim table that all chapters share: claim, the paper's words, verdict, effect, seeds, share of universes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from lib.prose import ARCHITECTURES, extent, initialization_label, significant, typeset, with_interval
from lib.trends import Interval
from lib.verdicts.published import VERDICTS, published_verdicts

# The verdict comes second: on a phone the table scrolls.
COLUMNS = ("claim", "verdict", "what is claimed", "effect [95%]", "seeds", "universes")
# The page that has every claim with its rule and its rows.
SCORECARD = "15_scorecard.html"
# Effects of logarithms that are read as factors.
_LETTERS = {
    "depth": "L",
    "width": "m",
    "samples": "n",
    "features": "d",
    "gamma_prime": "γ′",
    "lr": "rate",
    "strength": "λ",
}
_FACTORS = ("level", "difference", "step", "change")
# Shares of points, whose differences are told in points of a hundred.
_SHARES = ("test_accuracy", "natural_accuracy", "robust_accuracy", "stability", "pgd_accuracy_0.05")
_IN_POINTS = ("change", "reuse_gap", "adjusted_gap", "widest_gap", "difference", "step")
# What an effect is that is no factor, by its kind, else by the column that it is of.
_QUANTITIES = {
    "spearman": "ρ",
    "slope": "slope",
    "slope_difference": "difference of slopes",
    "crossing": "zero",
    "aic_difference": "ΔAIC",
    "kendall": "τ",
    "r_squared": "R²",
    "chosen_change": "change of log λ",
    "saturation_aic": "ΔAIC",
    "exit_share": "exit, share of the time",
    "kappa_share": "share of the growth",
    "pgd_accuracy_0.05": "accuracy",
    "test_accuracy": "accuracy",
    "robust_accuracy": "robust accuracy",
    "stability": "stability",
}


class Html(str):
    """A text that a notebook shows as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


class Standing(NamedTuple):
    """The verdict of a claim that stands: that of round 2, or of round 1 until the rows of round 2 are all there.

    Attributes:
        judgement: the verdict with its tests and rows, as in verdicts.json.
        waits: whether rows of round 2 are missing.
        reason: why the verdict is what it is, where that is not its p values.
    """

    judgement: Mapping[str, Any]
    waits: bool
    reason: str

    @property
    def verdict(self) -> str:
        return self.judgement["verdict"]


def waits(claim: Mapping[str, Any]) -> bool:
    """Return whether rows of round 2 are missing, so that it is not judged yet."""
    return claim["coverage"]["there"] < claim["coverage"]["planned"]


def standing(claim: Mapping[str, Any]) -> Standing:
    """Return which of a claim's verdicts stands."""
    if waits(claim):
        return Standing(claim["meanwhile"], True, f"round 1; {claim['reason']}")
    return Standing(claim, False, claim["reason"])


def claim_table(*numbers: int) -> Html:
    """Return the table of some claims as HTML, from results/verdicts.json.

    A verdict of round 2 stands alone; while its rows are not all there, that of round 1 stands beside it.

    Raises:
        ValueError: there is no such claim.
        FileNotFoundError: no verdicts have been made.
    """
    rows = "\n".join(row_of(claim, page=SCORECARD) for claim in _claims(numbers))
    return table_of([f"<tbody>\n{rows}\n</tbody>"])


def table_of(bodies: Iterable[str], columns: Sequence[str] = COLUMNS) -> Html:
    """Return the table that has these bodies, groups of rows."""
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "\n".join(bodies)
    return Html(f'<table class="claims">\n<thead><tr>{head}</tr></thead>\n{body}\n</table>')


def verdict_chips(*numbers: int) -> Html:
    """Return HTML that names some claims with their verdicts, one coloured chip each, for the head of a page."""
    chips = [
        chip(*_shown(claim), label=f"claim {claim['number']}: ", first=_by_round_1(claim)) for claim in _claims(numbers)
    ]
    return Html(f'<span class="chips">{" ".join(chips)}</span>')


def count_of_verdicts() -> str:
    """Return one sentence that counts all claims by verdict, each by the round that has judged it."""
    claims = published_verdicts().values()
    words = [standing(claim).verdict for claim in claims]
    counts = [f"{words.count(word)} {word}" for word in VERDICTS]
    first = sum(map(_by_round_1, claims))
    alone = f"; {first} of these verdicts rest on round 1 alone" if first else ""
    return f"{len(words)} claims: {' · '.join(counts)}{alone}."


def chip(verdict: str, fragile: bool | None = False, reason: str = "", label: str = "", first: bool = False) -> str:
    """Return a verdict as a coloured word, with the marks of a fragile one and of one that round 1 alone has given.

    The reason is what a pointer shows.
    """
    title = f' title="{escape(reason)}"' if reason else ""
    marks = [name for name, there in (("round 1", first), ("fragile", fragile)) if there]
    mark = "".join(f' <span class="fragile">{name}</span>' for name in marks)
    return f'<span class="chip chip-{verdict.replace(" ", "-")}"{title}>{label}{escape(verdict)}{mark}</span>'


def number_of(number: int, judgement: Mapping[str, Any]) -> str:
    """Return the effect as HTML; where rows are behind it, the site's script opens them (book/figures.js)."""
    text = escape(effect_text(judgement))
    return f'<span data-claim="{number}">{text}</span>' if text and judgement["rows"] else text


def effect_text(judgement: Mapping[str, Any]) -> str:
    """Return the effect of the curve that is nearest to failing, with its interval; nothing where there is none.

    Effects on logarithms are written as factors ("×1.15 [1.10, 1.20]"), those of accuracies in points, others with
    what they are ("slope 0.99 [0.97, 1.01]"), the place of a peak as a width.
    """
    curves = [(test, curve) for test in judgement["tests"] for curve in test["curves"]]
    if not curves:
        return ""
    test, curve = max(curves, key=lambda pair: 1.0 if pair[1]["p_for"] is None else pair[1]["p_for"])
    values = [curve[name] for name in ("effect", "low", "high")]
    if any(value is None for value in values):
        return ""
    if test["effect"] == "spearman":
        values = [math.tanh(value) for value in values]
    factor = test["transform"] == "log" and test["effect"] in _FACTORS and test["statistic"] in ("t", "tost", "page_t")
    place = test["statistic"] == "inverted_u"
    if factor or (place and test["axis"] == "log2_width"):
        values = [math.exp(value) if factor else 2**value for value in values]
    mean, low, high = (f"{value:,.0f}" if place else significant(value) for value in values)
    where = ", ".join(_factor(*pair) for pair in curve["where"].items())
    if not place and test["transform"] == "none" and test["column"] in _SHARES and test["effect"] in _IN_POINTS:
        points = Interval(*(100 * value for value in values), len(curve["seeds"]))
        return f"{_quantity(test)}{with_interval(points, '+.1f')} points" + (f", {where}" if where else "")
    return f"{'×' if factor else _quantity(test)}{mean} [{low}, {high}]" + (f", {where}" if where else "")


def pooled_text(pooled: Sequence[float]) -> str:
    """Return a correlation over the cells of all initializations, given by Fisher's z: "ρ −0.34 [−0.36, −0.32]"."""
    mean, low, high = (significant(math.tanh(value)) for value in pooled)
    return f"{_QUANTITIES['spearman']} {mean} [{low}, {high}]"


def _quantity(test: Mapping[str, Any]) -> str:
    if test["statistic"] == "inverted_u":
        return "peak at m = " if test["axis"] == "log2_width" else "peak at L = "
    if test["statistic"] in ("eta_squared", "clopper_pearson"):
        return "η² " if test["statistic"] == "eta_squared" else "share "
    if test["effect"] == "crossing" and not test["center"]:
        return "zero off by "  # from where a theory puts it
    name = _QUANTITIES.get(test["effect"]) or _QUANTITIES.get(test["column"])
    return f"{name} " if name else ""


def _factor(name: str, value: str | float) -> str:
    """Return a factor that names a curve in words: "LeCun", "L = 6"."""
    if name == "initializer":
        return initialization_label(str(value))
    if name == "architecture":
        return ARCHITECTURES[str(value)]
    if name == "arms":
        return " less ".join(map(initialization_label, str(value).split(" minus ")))
    text = f"{value:,}" if name == "width" else str(value)
    return (f"{_LETTERS[name]} = {text}" if name in _LETTERS else f"{name.replace('_', ' ')} {text}").replace("-", "−")


def _claims(numbers: Sequence[int]) -> list[Mapping[str, Any]]:
    claims = published_verdicts()
    if unknown := [number for number in numbers if number not in claims]:
        raise ValueError(f"numbers must be those of registered claims, got {', '.join(map(str, unknown))}.")
    return [claims[number] for number in numbers]


def _by_round_1(claim: Mapping[str, Any]) -> bool:
    """Return whether round 1 alone has judged a claim."""
    return waits(claim) and standing(claim).verdict != "not testable"


def _shown(claim: Mapping[str, Any]) -> tuple[str, bool | None, str]:
    """Return what a chip shows: the verdict that stands, whether it is fragile, and the reason."""
    stands = standing(claim)
    return stands.verdict, claim["fragile"], stands.reason


def row_of(claim: Mapping[str, Any], page: str = "", cells: Sequence[str] = ()) -> str:
    """Return the row of a claim.

    Args:
        claim: as in verdicts.json.
        page: of the scorecard, which the number links to; empty on that page itself.
        cells: HTML of further columns.
    """
    stands = standing(claim)
    chips = chip(*_shown(claim))
    if stands.waits:
        there, planned = claim["coverage"]["there"], claim["coverage"]["planned"]
        said = "waits" if stands.verdict == "not testable" else "round 1"
        chips += f'<br><span class="round">{said}; round 2 has {there} of {planned} rows</span>'
    seeds = {len(curve["seeds"]) for test in stands.judgement["tests"] for curve in test["curves"]}
    multiverse, number = claim["multiverse"], claim["number"]
    share = multiverse["shares"].get(multiverse["verdict"]) if multiverse else None
    columns = (
        chips,
        f'{typeset(claim["statement"])} <span class="source">{escape(claim["source"])}</span>',
        number_of(claim["number"], stands.judgement),
        extent(seeds) if seeds else "",
        "" if share is None else format(share, ".0%"),
        *cells,
    )
    head = f'<th scope="row"><a href="{page}#claim-{number}">{number}</a></th>'
    return f"<tr>{head}{''.join(f'<td>{column}</td>' for column in columns)}</tr>"
