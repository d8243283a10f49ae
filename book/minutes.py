"""The minutes that a chapter takes to read: said once, in the chapter's own first line; other pages quote it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.docutils import SphinxRole

_LINE = re.compile(r"^\*(\d+) minutes\b", re.MULTILINE)


class Minutes(SphinxRole):
    """Write the minutes of another page: {minutes}`01_setting` quotes the 15 of its line "*15 minutes · needs ...*"."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        page = posixpath.join(posixpath.dirname(self.env.docname), self.text)
        try:
            path = Path(self.env.srcdir, self.env.doc2path(page, base=False))
            self.env.note_dependency(str(path))
            return [nodes.Text(str(minutes(words_of(path))))], []
        except (OSError, ValueError) as error:
            message = self.inliner.reporter.error(f"minutes of {self.text!r}: {error}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]


def words_of(path: Path) -> str:
    """Return the text of a page, which may be a notebook: its cells one after the other."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return source
    return "\n".join(cell.source for cell in nbformat.reads(source, as_version=4).cells)


def minutes(source: str) -> int:
    """Return the minutes that a chapter's source says it takes.

    Raises:
        ValueError: no line of it says so.
    """
    found = _LINE.search(source)
    if found is None:
        raise ValueError('no line begins with "*12 minutes ·"; write one below its title.')
    return int(found[1])
