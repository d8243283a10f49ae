"""Words are defined once, on the page on notation, and linked where a chapter first uses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from book.project import Project
from book.symbols import NOTATION

ROOT = Path(__file__).parents[2]
CHAPTERS = [name for name in Project(ROOT).chapter_names() if re.match(r"0[1-9]|1\d", name)]
_GLOSSARY = re.compile(r"^```\{glossary\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TERM = re.compile(r"\{term\}`(?:(?P<words>[^`<]+?) <(?P<term>[^`>]+)>|(?P<both>[^`<]+))`")
# What is no running text: code, headings, options, formulas, other roles, literals, addresses, quotations.
_APART = [
    r"\A---\n.*?\n---\n",
    r"^(`{3,})\{code-cell\}.*?^\1$",
    r"^```(?:bash|python)\n.*?^```$",
    r"^(?:#[^\n]*|:[\w-]+:[^\n]*|[:`]{3,}[^\n]*|label:[^\n]*)$",
    r"\$\$.*?\$\$",
    r"\$[^$]*\$",
    r"\{[\w:+-]+\}`[^`]*`|`[^`\n]*`",
    r"\]\([^)]*\)",
    r"“[^”]*”|\"[^\"\n]*\"",
]
# Words that mean in this book what the glossary says, wherever they stand.
_UNMISTAKABLE = {
    "κ": r"κ|\blazy training ratio\b",
    "lazy training": r"\bnon-lazy\b|\blazy training\b(?! ratio)",
    "live run": r"\blive runs?\b",
    "matched loss": r"\bmatched loss\b|\bat equal loss\b",
    "multiverse": r"\bmultiverse\b",
    "published rows": r"\bpublished (?:MNIST )?rows\b",
    "register": r"\bregister\b",
    "relative stability": r"\brelative stability\b",
    "replica": r"\breplicas?\b",
    "seed": r"\bseeds?\b",
    "stack": r"\ba stack\b",
}


def _prose(name: str) -> str:
    """Return the running text of a chapter with its terms, everything else blank."""
    text = (ROOT / "chapters" / f"{name}.md").read_text(encoding="utf-8")
    for pattern in _APART:
        text = re.sub(pattern, _blank, text, flags=re.MULTILINE | re.DOTALL)
    return text


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("{term}") else re.sub(r"\S", " ", found[0])


def _defined() -> list[str]:
    text = (ROOT / "chapters" / f"{NOTATION}.md").read_text(encoding="utf-8")
    return [line for line in _GLOSSARY.findall(text)[0].splitlines() if line and not line.startswith(" ")]


def test_each_word_is_defined_once_in_the_order_of_the_alphabet() -> None:
    words = _defined()
    assert len(set(words)) == len(words) > 20
    entries = re.split(r"\n\n", _GLOSSARY.findall((ROOT / "chapters" / f"{NOTATION}.md").read_text("utf-8"))[0])
    first = [entry.splitlines()[entry.startswith("κ")].removeprefix("the ") for entry in entries]
    assert first == sorted(first, key=str.lower)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_links_a_word_where_it_first_uses_it_and_not_again(name: str) -> None:
    prose = _prose(name)
    links = list(_TERM.finditer(prose))
    terms = [link["term"] or link["both"] for link in links]
    assert set(terms) <= set(_defined())
    assert len(set(terms)) == len(terms)
    for link in links:
        words = re.escape(link["words"] or link["both"])
        earlier = _TERM.sub(lambda found: " " * len(found[0]), prose[: link.start()])
        assert not re.search(rf"(?<![\w-]){words}(?![\w-])", earlier), f"{words} stands before its link"


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_unmistakable_word_of_a_chapter_is_linked(name: str) -> None:
    prose = _prose(name)
    linked = {link["term"] or link["both"] for link in _TERM.finditer(prose)}
    plain = _TERM.sub("", prose)
    missing = [term for term, pattern in _UNMISTAKABLE.items() if re.search(pattern, plain) and term not in linked]
    assert missing == []
