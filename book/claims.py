"""A claim's number in the text leads to the claim on the scorecard, as it does in every table of claims."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

SCORECARD = "chapters/15_scorecard"
_CLAIM = re.compile(r"\b([Cc]laims?\s)(\d+)(?:(\s(?:to|and)\s)(\d+))?(?![.,]?\d)")
_LEFT_ALONE = (nodes.reference, addnodes.pending_xref, nodes.literal, nodes.math, nodes.title, nodes.raw)


def link_claims(app: Sphinx, page: nodes.document) -> None:
    """Link the numbers after the word "claim" of a page; nothing where the book has no scorecard."""
    if SCORECARD not in app.env.found_docs or app.env.docname == SCORECARD:
        return
    scorecard = app.builder.get_relative_uri(app.env.docname, SCORECARD)
    for text in list(page.findall(nodes.Text)):
        if _CLAIM.search(text) and not _inside(text):
            text.parent.replace(text, linked(text, scorecard))


def linked(text: str, scorecard: str) -> list[nodes.Node]:
    """Return a text in pieces, with its numbers of claims as links to a page."""
    pieces: list[nodes.Node] = []
    end = 0
    for found in _CLAIM.finditer(text):
        pieces.append(nodes.Text(text[end : found.end(1)]))
        end = found.end()
        for number, between in ((found[2], found[3]), (found[4], None)):
            if number:
                uri = f"{scorecard}#claim-{number}"
                pieces.append(nodes.reference("", number, refuri=uri, internal=True))
            if between:
                pieces.append(nodes.Text(between))
    return [*pieces, nodes.Text(text[end:])] if end < len(text) else pieces


def _inside(text: nodes.Text) -> bool:
    parent = text.parent
    while parent is not None and not isinstance(parent, _LEFT_ALONE):
        parent = parent.parent
    return parent is not None
