"""The picture of which claims rest on which: premises on the left, coloured by their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lib.verdicts.outline import Premises, outline, ranks
from lib.verdicts.table import Html, standing

# Pixels: a page shows 690 of them beside each other.
_STEP, _DOWN, _WIDE, _HIGH = 69, 29, 36, 21
_SWEEPS = 8


def dependency_picture(claims: Mapping[int, Mapping[str, Any]]) -> Html:
    """Return an SVG of the claims that rest on others; each is a link to its row in the scorecard.

    Args:
        claims: all of them by number, as `published_verdicts` returns them.
    """
    rests_on = outline().rests_on
    places = _places(rests_on)
    lines, nodes = [], []
    for number, premises in rests_on.items():
        for other in premises.claims:
            (x, y), (to_x, to_y) = places[other], places[number]
            x, y, to_y = x + _WIDE, y + _HIGH / 2, to_y + _HIGH / 2
            bend = (to_x - x) / 2
            verdict = standing(claims[other]).verdict.replace(" ", "-")
            lines.append(
                f'<path class="rests rests-{verdict}" data-from="{other}" data-to="{number}" '
                f'd="M{x} {y}C{x + bend:g} {y} {to_x - bend:g} {to_y} {to_x} {to_y}"/>'
            )
    for number, (x, y) in places.items():
        verdict = standing(claims[number]).verdict
        words = f"Claim {number}, {verdict}: {claims[number]['statement']}"
        if number in rests_on:
            below = ", ".join(map(str, rests_on[number].claims))
            words += f" Rests on {below}: {rests_on[number].because}."
        nodes.append(
            f'<a class="node node-{verdict.replace(" ", "-")}" href="#claim-{number}" data-claim="{number}" '
            f'aria-label="{escape(words)}"><title>{escape(words)}</title>'
            f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="5"/>'
            f'<text x="{x + _WIDE / 2:g}" y="{y + 15}">{number}</text></a>'
        )
    width = max(x for x, _ in places.values()) + _WIDE + 1
    height = max(y for _, y in places.values()) + _HIGH + 1
    return Html(
        f'<div class="dependencies"><svg viewBox="0 0 {width} {height}" width="{width}" role="group" '
        f'aria-label="Claims that rest on others, premises on the left">{"".join(lines)}{"".join(nodes)}</svg></div>'
        '<p class="dependency-words" aria-live="polite">Point at a claim, or move to it by Tab, to read it here.</p>'
    )


def resting_on_contradicted(claims: Mapping[int, Mapping[str, Any]]) -> dict[int, tuple[int, ...]]:
    """Return, of each claim that rests on contradicted ones, directly or by way of others, which these are."""
    rests_on = outline().rests_on

    def below(number: int) -> set[int]:
        direct = set(rests_on[number].claims) if number in rests_on else set()
        return direct.union(*map(below, direct))

    found = {
        number: tuple(sorted(n for n in below(number) if standing(claims[n]).verdict == "contradicted"))
        for number in rests_on
    }
    return {number: contradicted for number, contradicted in found.items() if contradicted}


def _places(rests_on: Mapping[int, Premises]) -> dict[int, tuple[int, int]]:
    """Return the corner of each node: its rank across, and down in an order that keeps lines short."""
    rank = ranks(rests_on)
    # A premise stands beside the first claim that needs it.
    above: dict[int, list[int]] = {}
    for number, premises in rests_on.items():
        for other in premises.claims:
            above.setdefault(other, []).append(number)
    column = {n: min((rank[m] for m in above.get(n, ())), default=rank[n] + 1) - 1 for n in rank}
    columns = [sorted(n for n in column if column[n] == c) for c in range(max(column.values()) + 1)]
    neighbours = {n: [*above.get(n, ()), *(rests_on[n].claims if n in rests_on else ())] for n in column}
    down: dict[int, float] = {}
    for members in columns:
        down |= _spread(members, {n: i for i, n in enumerate(members)})
    for sweep in range(_SWEEPS):
        for members in columns if sweep % 2 == 0 else reversed(columns):
            wanted = {n: sum(down[m] for m in neighbours[n]) / len(neighbours[n]) for n in members}
            down |= _spread(members, wanted)
    top = min(down.values())
    return {n: (column[n] * _STEP, round((down[n] - top) * _DOWN)) for n in column}


def _spread(members: Sequence[int], wanted: Mapping[int, float]) -> dict[int, float]:
    """Return places a step apart or more, in the order of the wanted ones and as near to them as one pass finds."""
    placed: dict[int, float] = {}
    for n in sorted(members, key=lambda n: (wanted[n], n)):
        placed[n] = max(wanted[n], max(placed.values(), default=wanted[n] - 1) + 1)
    shift = sum(wanted[n] - placed[n] for n in members) / len(members)
    return {n: place + shift for n, place in placed.items()}
