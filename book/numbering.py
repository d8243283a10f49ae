"""Numbers of what the book states: by chapter, 3.1, while what a paper states keeps the paper's number under a badge.

All kinds of statements of ours share one count, so that no two of them have one number; equations, figures and
exercises have a count each. A chapter is what the number of its file says: both pages of chapter 6 count on in one
row. A box whose title begins "The paper's Theorem 1 and Eq. (3): ..." is a paper's, and so is the equation in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx_proof.proof_type import PROOF_TYPES

BADGE = "papers"
_EQUATIONS = "displaymath"
_CHAPTER = re.compile(r"chapters/0*(\d+)")
_OBJECT = r"(?:Theorem|Definition|Assumption|Eq\.|Table)s? \(?\d+\)?"
_TITLE = re.compile(rf"(?P<whose>.+?)['’]s? (?P<object>{_OBJECT}(?: and (?:{_OBJECT}|\d+))*)(?:[:,] (?P<rest>.+))?")
_EQUATION = re.compile(r"Eq\. \((\d+)\)")

Numbers = dict[str, dict[str, dict[str, tuple[int | str, ...]]]]


def count_statements_together(_app: Sphinx, config: Config) -> None:
    """Let all statements, from axiom to theorem, share the theorems' count."""
    config.prf_realtyp_to_countertyp = dict.fromkeys(PROOF_TYPES, "theorem")


def mark_papers(app: Sphinx, page: nodes.document) -> None:
    """Give the boxes that state what a paper states their badge, and note the paper's numbers of their equations."""
    noted: dict[str, str] = {}
    for box in page.findall(nodes.admonition):
        title = next(iter(box.findall(nodes.title)), None)
        found = _TITLE.fullmatch(title.astext()) if title else None
        if found is None:
            continue
        box["classes"].append(BADGE)
        whose, _, rest = (found[name] for name in ("whose", "object", "rest"))
        badge = nodes.inline("", title.astext()[: found.end("object")], classes=["badge-papers"])
        title.children = []
        title += [badge, *([nodes.Text(" " + rest)] if rest else [])]
        if equation := _EQUATION.search(found["object"]):
            name = f"{whose.removeprefix('The ')}’s Eq. {equation[1]}"
            for math in box.findall(nodes.math_block):
                math["classes"].append("papers-equation")
                noted |= dict.fromkeys(math["ids"], name)
    app.env.metadata[app.env.docname]["papers_equations"] = noted


def number_by_chapter(_app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Replace the numbers through the book, which Sphinx has just given, by those within a chapter."""
    papers = {page: data.get("papers_equations", {}) for page, data in env.metadata.items()}
    env.toc_fignumbers = by_chapter(env.toc_fignumbers, papers)
    return []


def by_chapter(numbers: Numbers, papers: Mapping[str, Mapping[str, str]]) -> Numbers:
    """Return the numbers of figures, equations and statements by chapter; `papers` names the equations of papers."""
    fresh: Numbers = {page: {kind: {} for kind in kinds} for page, kinds in numbers.items()}
    counts: Counter[tuple[str, str]] = Counter()
    through = [
        (number, page, kind, place)
        for page, kinds in numbers.items()
        for kind, places in kinds.items()
        for place, number in places.items()
    ]
    for _, page, kind, place in sorted(through):
        if kind == _EQUATIONS and place in papers.get(page, {}):
            fresh[page][kind][place] = (papers[page][place],)
            continue
        chapter = _CHAPTER.match(page)
        row = chapter[1] if chapter else page
        counts[row, kind] += 1
        fresh[page][kind][place] = (row, counts[row, kind])
    return fresh
