"""A Sphinx extension with what the site needs and configuration cannot say.

Live code cells (Thebe) are left out: they would load scripts from other servers, and the theme's Sphinx adds their
inline script twice. The bibliography is labelled as the text cites, by author and year. Docstrings, which are written
to be read as they are, become reStructuredText. What a page says to machines is `book.head`'s, icons are `book.icons`',
numbers are `book.numbering`'s, and `book.light` leaves out what no page uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.alpha import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinx.config import Config

from book.api import Modules
from book.claims import link_claims
from book.head import add_metatags, write_site_map
from book.icons import replace_icons
from book.light import lighten
from book.minutes import Minutes
from book.numbering import count_statements_together, mark_papers, number_by_chapter

# After the theme and its extensions have added their scripts.
_LAST = 900
# Before Napoleon has taken a docstring apart.
_FIRST = 100
_UNPACKED = re.compile(r"\*(?=\w+[,)])")
_PROOF = '<div class="proof admonition" id="proof"'
_REPEATED = re.compile(r' id="(?:proof|exercise|solution)-content"')
_FORMULA = re.compile(r'(<span class="math [^>]*>[^<]*</span>[.,:;!?)’”]+)')
_CODE = re.compile(r"(?<![`:\w])`([^`]+)`(?![`_])")


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
    app.connect("config-inited", _add_templates)
    app.connect("config-inited", count_statements_together, priority=_FIRST)
    app.connect("doctree-read", mark_papers)
    app.connect("doctree-read", link_claims)
    app.connect("env-get-updated", number_by_chapter, priority=_LAST)
    app.connect("html-page-context", _leave_thebe_out, priority=_LAST)
    app.connect("html-page-context", _list_citations, priority=_LAST)
    app.connect("html-page-context", _hold_punctuation, priority=_LAST)
    app.connect("html-page-context", _drop_repeated_names, priority=_LAST)
    app.connect("html-page-context", _name_folds, priority=_LAST)
    app.connect("html-page-context", add_metatags, priority=_LAST)
    app.connect("build-finished", _finish)
    app.add_directive("modules", Modules)
    app.add_role("minutes", Minutes())
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=_FIRST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _leave_thebe_out(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]


def _add_templates(_app: Sphinx, config: Config) -> None:
    config.templates_path.append(str(Path(__file__).with_name("templates")))


def _list_citations(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Say that a list of citations holds items: docutils gives them a role of books, which no list may hold."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def _drop_repeated_names(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Take away the ids that every proof, exercise and solution of a page shares: an id is one element's."""
    if "body" in context:
        context["body"] = _REPEATED.sub("", context["body"].replace(_PROOF, _PROOF.replace('" id="', " the-")))


def _hold_punctuation(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Keep a formula and the sign behind it on one line: browsers break there, as if the formula were an image."""
    if "body" in context:
        context["body"] = _FORMULA.sub(r'<span class="held">\1</span>', context["body"])


def _name_folds(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Name the switch that folds a chapter's pages in the list of chapters; the theme gives it a picture alone."""
    listed = context.get("generate_toctree_html")
    if listed is not None:
        context["generate_toctree_html"] = lambda *arguments, **options: str(listed(*arguments, **options)).replace(
            "<summary>", '<summary aria-label="Pages of this chapter">'
        )


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        replace_icons(Path(app.outdir))
        lighten(Path(app.outdir))
        write_site_map(app)


def _as_restructured_text(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Turn `code` into a literal, and take from |x| and *args what reStructuredText would read in them."""
    for number, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = _CODE.split(line)  # text and code, in turns
        text = [_UNPACKED.sub(r"\\*", part.replace("|", r"\|")) for part in parts[::2]]
        code = [f"``{part}``" for part in parts[1::2]]
        lines[number] = "".join(piece for pair in zip(text, [*code, ""], strict=True) for piece in pair)
