"""What can be read off a page's HTML without a browser: its links, files, names and numbered statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
# Where a file is named, by element; `a` is apart, since its target may lie outside the site.
_ASSETS = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "object": "data"}
# Kinds that are counted apart; all others, from axiom to theorem, share one count.
_APART = ("Fig", "Exercise")
_NUMBER = re.compile(r"(?P<kind>[A-Z][a-z]+)\.? (?P<number>[\d.]+)")


@dataclass
class Anatomy(HTMLParser):
    """The parts of one page that the checks below need."""

    html: str
    ids: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    lang: str = ""
    title: str = ""
    numbers: list[tuple[str, str]] = field(default_factory=list)
    _open: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        self.title = " ".join(self.title.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if values.get("id") in self.ids:
            self.repeated.add(values["id"])
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "html":
            self.lang = values.get("lang", "")
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif values.get(_ASSETS.get(tag, "")):
            self.assets.append(values[_ASSETS[tag]])
        if tag not in _VOID:
            self._open.append((tag, values.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, classes = self._open[-1] if self._open else ("", "")
        if tag == "title" and not any(name == "svg" for name, _ in self._open):
            self.title += data
        if "caption-number" in classes.split() and (found := _NUMBER.match(data.strip())):
            self.numbers.append((found["kind"], found["number"]))


def head_problems(page: Anatomy, headings: list[str]) -> list[str]:
    """Return what is wrong with a page's language, title and main heading; `headings` are the h1 that a reader sees."""
    problems = [] if re.fullmatch(r"en(-\w+)?", page.lang) else [f"the language is {page.lang!r}, not English"]
    if not page.title:
        problems.append("there is no title")
    if len(headings) != 1 or not headings[0].strip():
        problems.append(f"there should be one main heading, not {headings}")
    return problems


def link_problems(
    page: str, anatomy: Anatomy, read: Callable[[str], Anatomy | None], exists: Callable[[str], bool]
) -> list[str]:
    """Return the links and files of `page` that lead nowhere.

    `read` gives the anatomy of another page of the site, `exists` says whether the site has a file; both take a path
    from the site's root. A link to the world outside is judged by its form alone.
    """
    problems = []
    for link in dict.fromkeys(anatomy.links):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            if not _well_formed(link):
                problems.append(f"{link} is no well-formed address")
            continue
        target = _resolve(page, parts.path) if parts.path else page
        if target is None or not exists(target):
            problems.append(f"{link} leads to a file that is not there")
        elif parts.fragment and target.endswith(".html"):
            other = anatomy if target == page else read(target)
            if other is None or unquote(parts.fragment) not in other.ids:
                problems.append(f"{link} leads to an anchor that is not there")
    for asset in dict.fromkeys(anatomy.assets):
        parts = urlsplit(asset)
        if parts.scheme == "data":
            continue
        target = None if parts.scheme or parts.netloc else _resolve(page, parts.path) if parts.path else page
        if target is None or not exists(target):
            problems.append(f"{asset} is no file of the site")
    return problems


def numbering_problems(pages: Mapping[str, Anatomy]) -> list[str]:
    """Return the numbers that are not of their page's chapter, or do not count up by one in reading order.

    A page's chapter is the number of its file; a chapter may have several pages. Statements share one count, whatever
    their kind, and so no two of them one number.
    """
    problems = []
    last: dict[tuple[str, str], int] = {}
    for page, anatomy in pages.items():
        chapter = re.sub(r".*/0*(\d+).*", r"\1", page)
        for kind, number in anatomy.numbers:
            series = (kind if kind in _APART else "statement", chapter)
            expected = f"{chapter}.{last.get(series, 0) + 1}"
            if number != expected:
                problems.append(f"{page} has {kind} {number} where {expected} comes next")
            last[series] = int(number.rpartition(".")[2])
    return problems


def _well_formed(link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme == "data":  # the rows of a figure, inside the page
        return re.fullmatch(r"data:(?:application/gzip|text/x-python);base64,[\w+/]+=*", link) is not None
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme == "https" and "." in parts.netloc.strip(".") and not re.search(r"[\s<>{}|\\^`]", link)


def _resolve(page: str, path: str) -> str | None:
    """Resolve a relative path against a page; None where it climbs out of the site."""
    if path.startswith("/"):
        return None  # a site may live below the root of its host
    parts = page.split("/")[:-1]
    for part in unquote(path).split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
