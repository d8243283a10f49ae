"""What stands behind a link, in the page that links: `cards.js` shows it when the link is hovered or focused.

A card is the text of what a link of the article leads to: a word of the glossary, a definition, theorem or equation, an
entry of the bibliography or a claim. It is taken from the page where that stands, formulas untouched, less its links,
names and pictures. A page holds the cards of its own links in a `template`, which a browser neither shows nor loads.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

_ARTICLE = re.compile(r"<article\b.*</article>", re.DOTALL)
_CELL = re.compile(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", re.DOTALL)
_END = "</article>"
_VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
_LEFT_OUT = frozenset({"button", "details", "script", "style", "svg"})
_UNWRAPPED = frozenset({"a", "img", "section"})
_CLASSES = frozenset({"math", "eqno", "admonition-title", "badge-papers", "chip", "fragile", "source"})


class Article(HTMLParser):
    """The links of a page's article and the parts of it that a link can show, by their names."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        found = _ARTICLE.search(page)
        self.html = found[0] if found else ""
        self.links: list[str] = []
        self.parts: dict[str, str] = {}
        self._lines = list(accumulate((len(line) + 1 for line in self.html.split("\n")), initial=0))
        self._open: list[tuple[str, list[str], int]] = []
        self._terms: list[tuple[list[str], str]] = []  # of the glossary, whose definition is still to come
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        classes = values.get("class", "").split()
        if tag == "a" and "#" in values.get("href", "") and "headerlink" not in classes:
            self.links.append(values["href"])
        if tag not in _VOID:
            name = values.get("id", "")
            self._open.append((tag, [name] if _shown(tag, classes, name) else [], self._place()))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            opened, names, start = self._open.pop()
            if opened == tag:
                self._close(tag, names, f"{self.html[start : self._place()]}</{tag}>")
                return

    def _close(self, tag: str, names: list[str], part: str) -> None:
        if tag == "dt":
            self._terms.append((names, _inner(part)))
        elif tag == "dd":
            for words, word in self._terms:
                text = f'<p class="admonition-title">{word}</p>{_inner(part)}'
                self.parts |= dict.fromkeys(words, text)
            self._terms = []
        elif tag == "tbody":
            number, verdict, statement = [*_CELL.findall(part), "", "", ""][:3]
            text = f'<p class="admonition-title">Claim {number} {verdict}</p><p>{statement}</p>'
            self.parts |= dict.fromkeys(names, text)
        else:
            self.parts |= dict.fromkeys(names, part)

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


class _Card(HTMLParser):
    """The text of a part with its formulas, paragraphs and emphasis, and nothing that has a name or leads elsewhere."""

    def __init__(self, part: str) -> None:
        super().__init__(convert_charrefs=False)
        self.text: list[str] = []
        self._hidden: list[str] = []
        self.feed(part)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if self._hidden or tag in _LEFT_OUT or "headerlink" in classes:
            if tag not in _VOID:
                self._hidden.append(tag)
        elif tag not in _UNWRAPPED:
            kept = " ".join(name for name in classes if name in _CLASSES or name.startswith("chip-"))
            self.text.append(f'<{tag} class="{kept}">' if kept else f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            while self._hidden and self._hidden.pop() != tag:
                pass
        elif tag not in _UNWRAPPED:
            self.text.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")


def put_cards(site: Path) -> None:
    """Put the cards of its links into every page of a site that nobody sees yet."""
    texts = {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    articles = {page: Article(text) for page, text in texts.items()}
    for page, text in texts.items():
        if cards := cards_of(page, articles):
            (site / page).write_text(with_cards(text, cards), encoding="utf-8")


def cards_of(page: str, articles: Mapping[str, Article]) -> dict[str, str]:
    """Return the cards of a page, by the address that a link of it has."""
    cards: dict[str, str] = {}
    for link in articles[page].links:
        path, _, name = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        if target == page and name.startswith("claim-"):
            continue  # the scorecard's own numbers stand beside what they lead to
        part = articles[target].parts.get(unquote(name)) if target in articles else None
        if part is not None and link not in cards:
            cards[link] = "".join(_Card(part).text).strip()
    return cards


def with_cards(page: str, cards: Mapping[str, str]) -> str:
    """Return a page with its cards at the end of its article."""
    parts = "".join(f'<div data-for="{escape(link)}">{card}</div>' for link, card in cards.items())
    before, end, after = page.rpartition(_END)
    return f'{before}<template class="cards">{parts}</template>\n{end}{after}'


def _shown(tag: str, classes: list[str], name: str) -> bool:
    if not name:
        return False
    if tag in ("dt", "tbody"):
        return name.startswith({"dt": "term-", "tbody": "claim-"}[tag])
    return bool({"proof", "papers", "citation"} & set(classes)) or ("math" in classes and name.startswith("equation-"))


def _inner(part: str) -> str:
    return part[part.index(">") + 1 : part.rindex("<")]
