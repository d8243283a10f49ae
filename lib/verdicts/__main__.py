"""python -m lib.verdicts: make results/verdicts.json, and show what it says of a claim."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lib.command_line import answer
from lib.verdicts import report
from lib.verdicts.published import VERDICTS, published_verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status, 1 where something is wrong, told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m lib.verdicts", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    show = commands.add_parser("show", help="print a claim: rule, curves, numbers, rows, and what would flip it")
    show.add_argument("number", type=int)
    options = parser.parse_args(arguments)
    return answer(_make if options.command is None else lambda: _show(options.number))


def _make() -> int:
    content = report.make()
    report.write(content)
    for name, key in (("round 2", "verdict"), ("round 1", "first_round")):
        words = [c[key] if isinstance(c[key], str) else c[key]["verdict"] for c in content["claims"]]
        print(f"{name}: " + ", ".join(f"{count} {word}" for word, count in Counter(words).most_common()))
    return 0


def _show(number: int) -> int:
    print(describe(number))
    return 0


def describe(number: int) -> str:
    """Return what verdicts.json says of a claim, as lines for a terminal.

    Raises:
        ValueError: there is no such claim.
    """
    claims = published_verdicts()
    if number not in claims:
        raise ValueError(f"claim must be a number from {min(claims)} to {max(claims)}, got {number}.")
    claim = claims[number]
    first = claim["first_round"]
    lines = [f"Claim {number} ({claim['source']}): {claim['statement']}"]
    if claim["reading"]:
        lines.append(f"Reading: {claim['reading']}")
    by_1 = f" (rules 2: {first['version_2']})" if first["rules"] == 1 else ""
    lines += [f"Round 2, rules 2: {_word(claim)}", f"Round 1, rules {first['rules']}: {_word(first)}{by_1}"]
    shown = claim["meanwhile"] or claim
    for place, test in enumerate(shown["tests"], start=1):
        lines += [
            "",
            f"Test {place}, {test['statistic']}, round {shown['round']}: supported if {test['supported_if']};",
        ]
        lines.append(f"  contradicted if {test['contradicted_if']}.")
        lines += [f"  {_curve(curve)}" for curve in test["curves"]]
        lines += [f"  left out: {note}" for note in test["left_out"]]
    if claim["computation"]:
        lines += ["", f"Computation: {claim['computation']['inputs']} -> {claim['computation']['output']}"]
    lines += ["", *_sensitivity(claim)]
    keys = shown["rows"]
    lines.append(f"Rows ({len(keys)}): {', '.join(keys[:8])}{', ..' if len(keys) > 8 else ''}")
    return "\n".join(lines)


def _word(judgement: Mapping[str, Any]) -> str:
    p = judgement["p_adjusted"]
    numbers = "" if p["for"] is None else f", adjusted p {_p(p['for'])} for, {_p(p['against'])} against"
    return judgement["verdict"] + (f" ({judgement['reason']})" if judgement["reason"] else numbers)


def _curve(curve: Mapping[str, Any]) -> str:
    where = ", ".join(f"{name} = {value}" for name, value in curve["where"].items()) or "one curve"
    effect = " ".join(
        "–" if value is None else f"{value:.4g}" for value in (curve["effect"], curve["low"], curve["high"])
    )
    ps = f"p {_p(curve['p_for'])} for, {_p(curve['p_against'])} against"
    order = "" if curve["tau"] is None else f"; Kendall's τ {curve['tau']:.2f}"
    return f"{where}: {effect}; {ps}{order}; seeds {curve['seeds']}"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _sensitivity(claim: Mapping[str, Any]) -> list[str]:
    """Return what would flip the verdict: choices, one at a time, and single seeds."""
    multiverse = claim["multiverse"]
    if multiverse is None:
        return ["No choice enters but those of the computation." if claim["computation"] else "No rows, no multiverse."]
    shares = ", ".join(f"{share:.0%} {word}" for word, share in multiverse["shares"].items())
    testable = f"{multiverse['testable']} of {multiverse['universes']} universes can be tested"
    lines = [f"Multiverse, round {multiverse['round']}: {testable}: {shares}{'; FRAGILE' if claim['fragile'] else ''}"]
    axes = multiverse["axes"]
    for universe in multiverse["curve"]:
        places, word = universe[: len(axes)], VERDICTS[universe[len(axes)]]
        # The registered option is the first of each axis.
        changed = [(name, axes[name][place]) for name, place in zip(axes, places, strict=True) if place]
        if len(changed) == 1 and word not in (multiverse["verdict"], "not testable"):
            lines.append("  {} = {} makes it {}".format(*changed[0], word))
    flips = {seed: word for seed, word in multiverse["without_seed"].items() if word != multiverse["verdict"]}
    lines += [f"  without seed {seed} it is {word}" for seed, word in flips.items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
