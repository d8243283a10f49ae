"""A Sphinx extension with what the site needs and configuration cannot say.

Live code cells (Thebe) are left out: they would load scripts from other servers, and the theme's Sphinx adds their
inline script twice. The bibliography is labelled as the text cites, by author and year.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.alpha import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx

# After the theme and its extensions have added their scripts.
_LAST = 900


class AuthorYearLabels(BaseLabelStyle):
    """Label an entry "Hanin, 2018", "Hanin and Nica, 2020" or "Zhu et al., 2022"."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        for entry in sorted_entries:
            names = [" ".join([*person.prelast_names, *person.last_names]) for person in entry.persons["author"]]
            authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
            yield f"{authors}, {entry.fields['year']}".replace("{", "").replace("}", "")


class AuthorYearStyle(Style):
    """pybtex's alphabetical style with labels of author and year."""

    default_label_style = AuthorYearLabels


def setup(app: Sphinx) -> dict[str, Any]:
    register_plugin("pybtex.style.formatting", "author-year", AuthorYearStyle)
    app.connect("html-page-context", _leave_thebe_out, priority=_LAST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _leave_thebe_out(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]
