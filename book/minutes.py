"""The minutes that a chapter takes to read: said once, in the chapter's own first line; other pages quote it."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxRole

_LINE = re.compile(r"^\*(\d+) minutes\b", re.MULTILINE)


class Minutes(SphinxRole):
    """Write the minutes of another page: {minutes}`01_setting` quotes the 15 of its line "*15 minutes · needs ...*"."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name, path = self.env.relfn2path(f"{self.text}.md", self.env.docname)
        self.env.note_dependency(name)
        try:
            return [nodes.Text(str(minutes(Path(path).read_text(encoding="utf-8"))))], []
        except (OSError, ValueError) as error:
            message = self.inliner.reporter.error(f"minutes of {self.text!r}: {error}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]


def minutes(source: str) -> int:
    """Return the minutes that a chapter's source says it takes.

    Raises:
        ValueError: no line of it says so.
    """
    found = _LINE.search(source)
    if found is None:
        raise ValueError('no line begins with "*12 minutes ·"; write one below its title.')
    return int(found[1])
