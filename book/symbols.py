"""The box "Symbols used here" at the end of a chapter, drawn from the tables of the page on notation, which own them.

A chapter uses a symbol where a formula of its prose has it. An index counts as one whatever it is: W_1 and W_L are
uses of W_l. Where the tables know a symbol with its very subscript, such as c_d beside c, that one is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import nbformat
from nbformat import NotebookNode

from book.chapters import Chapter

NOTATION = "92_notation"
_HEAD = re.compile(r"\| symbol \| meaning[^|]*\| defined \|.*")
_TRAPS = re.compile(r"\| symbol \| here[^|]*\| elsewhere \|")
_FORMULA = re.compile(r"\$\$.+?\$\$|\$.+?\$", re.DOTALL)
_FONT = r"\\(?:mathbf|mathcal|mathrm|mathbb|boldsymbol|hat|tilde|bar|text|operatorname|dots)"
_TOKEN = re.compile(rf"{_FONT}\s*(?:\{{[^{{}}]*\}}|\\[A-Za-z]+|\w)|\\[A-Za-z]+|\\\||\S")
_GREEK = {"κ": r"\kappa", "γ": r"\gamma", "ε": r"\varepsilon", "α": r"\alpha", "β": r"\beta"}
_INDEX = re.compile(r"(?:[lijkL](?:[+-]1)?|[1-9])(?:,.+)?")

# A letter, and what stands below or above it; "" stands for nothing or for what no other symbol has there.
Letter = tuple[str, str]


@dataclass(frozen=True)
class Symbol:
    """A line of the tables: how the symbol is written, what it means and where it is defined."""

    written: str
    meaning: str
    defined: str

    @cached_property
    def letters(self) -> set[Letter]:
        """What counts as a use of it; "l" stands for any index."""
        parts = [part for formula in _FORMULA.findall(self.written) for part in formula.strip("$").split(",")]
        found = [letter for part in parts if (letter := _whole(_letters(f"${part}$"))) != ("", "")]
        bare = {base for base, script in found if not script}
        return {(base, "l" if _INDEX.fullmatch(script) and base not in bare else script) for base, script in found}


def _whole(letters: Sequence[Letter]) -> Letter:
    """Return what a formula of the tables is: a norm, or else its first letter."""
    norms = [letter for letter in letters if letter[0].startswith("|")]
    return next((letter for letter in [*norms, *letters] if letter[0] != r"\dots"), ("", ""))


def symbols_of(notation: str) -> list[Symbol]:
    """Read the tables of the page on notation that say where a symbol is defined."""
    symbols: list[Symbol] = []
    inside = False
    for line in notation.splitlines():
        if not line.startswith("|"):
            inside = False
        elif _HEAD.fullmatch(line):
            inside = True
        elif inside:
            written, meaning, defined = (part.strip() for part in line.strip("|").split("|")[:3])
            if _FORMULA.search(written):
                symbols.append(Symbol(written, meaning, defined))
    return symbols


def other_meanings(notation: str, chapter: str) -> set[Letter]:
    """Return the letters by which a chapter means something else: the table of two meanings links to it for them."""
    others: set[Letter] = set()
    inside = False
    for line in notation.splitlines():
        inside = line.startswith("|") and (inside or _TRAPS.fullmatch(line) is not None)
        if inside and f"<{chapter}>" in line:
            others |= Symbol(line.strip("|").split("|")[0], "", "").letters
    return others


def used(prose: str, symbols: Sequence[Symbol]) -> list[Symbol]:
    """Return the symbols that the formulas of a text use, in the order of the tables."""
    known = {letter for symbol in symbols for letter in symbol.letters}
    here: set[Letter] = {(tex, "") for letter, tex in _GREEK.items() if letter in prose}
    for base, script in _letters(prose):
        if (base, script) in known:
            here.add((base, script))
        elif _INDEX.fullmatch(script) and (base, "l") in known:
            here.add((base, "l"))
        else:
            here.add((base, ""))
    return [symbol for symbol in symbols if symbol.letters & here]


def symbols_cell(chapter: Chapter, chapters: Mapping[str, Chapter]) -> NotebookNode | None:
    """Return the box for the end of a chapter; None where the chapter is a page that uses none, or owns them."""
    if chapter.name == NOTATION or NOTATION not in chapters or not re.match(r"0[1-9]|1\d", chapter.name):
        return None
    prose = "\n".join(cell.source for cell in chapter.notebook.cells if cell.cell_type == "markdown")
    others = other_meanings(chapters[NOTATION].text, chapter.name)
    here = [symbol for symbol in used(prose, symbols_of(chapters[NOTATION].text)) if not symbol.letters & others]
    if not here:
        return None
    lines = [f"| {symbol.written} | {symbol.meaning} | {symbol.defined} |" for symbol in here]
    return nbformat.v4.new_markdown_cell(
        "\n".join(
            [
                ":::{admonition} Symbols used here",
                ":class: dropdown symbols",
                "",
                "| symbol | meaning | defined |",
                "|---|---|---|",
                *lines,
                "",
                f"All symbols, and what other papers call them: {{doc}}`{NOTATION}`.",
                ":::",
            ]
        )
    )


def _letters(text: str) -> list[Letter]:
    """Return the letters of the formulas of a text with their scripts, and the norms, as "|" and their first letter."""
    found: list[Letter] = []
    for formula in _FORMULA.findall(text):
        formula = re.sub(r"\\[lr]?Vert(?![A-Za-z])", r"\\|", formula)
        tokens = [re.sub(r"[\s{}]", "", token) if len(token) > 1 else token for token in _TOKEN.findall(formula)]
        norm: str | None = None
        below = 0
        for place, token in enumerate(tokens):
            if place < below:
                continue
            if token == r"\|":
                if norm:
                    found.append((norm, _script(tokens, place + 1)))
                norm = None if norm is not None else ""
            elif token == "_":
                below = place + 2 if tokens[place + 1 : place + 2] != ["{"] else _closing(tokens, place)
            elif token.isalpha() or token.startswith("\\"):
                found.append((token, _script(tokens, place + 1)))
                norm = f"|{token}" if norm == "" else norm
    return found


def _script(tokens: Sequence[str], place: int) -> str:
    """Return what stands below a letter, or the star above it."""
    if tokens[place : place + 2] == ["^", "*"]:
        return "*"
    if tokens[place : place + 1] != ["_"]:
        return ""
    if tokens[place + 1 : place + 2] != ["{"]:
        return tokens[place + 1] if place + 1 < len(tokens) else ""
    return "".join(tokens[place + 2 : _closing(tokens, place)])


def _closing(tokens: Sequence[str], place: int) -> int:
    """Return where the next group ends."""
    return tokens.index("}", place) if "}" in tokens[place:] else len(tokens)
