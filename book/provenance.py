"""What a page says about its own execution: a footer on each chapter and the status page."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from html import escape

from book.chapters import Chapter
from book.outputs import Record
from book.parameters import Value, literal

_ROWS = "93_rows"  # the chapter on the rows themselves
_NAMES = {"python": "Python", "torch": "PyTorch", "numpy": "NumPy", "lib": "robustness-book", "sklearn": "scikit-learn"}


def run_command(chapter: Chapter, values: Mapping[str, Value]) -> str:
    """The command of this book that repeats a run; it names every parameter that differs from its default."""
    changed = chapter.changed(values)
    options = [f"-p {shlex.quote(f'{name}={_yaml(value)}')}" for name, value in changed.items()]
    return " ".join(["python -m book run", chapter.name, *options])


def papermill_command(chapter: Chapter, values: Mapping[str, Value]) -> str:
    """The same run by papermill alone; lists need YAML, since papermill's -p would pass them as text."""
    changed = chapter.changed(values)
    text = "{" + ", ".join(f"{name}: {_yaml(value)}" for name, value in changed.items()) + "}"
    options = ["-y", shlex.quote(text)] if changed else []
    return " ".join([f"papermill chapters/{chapter.name}.ipynb {chapter.name}.out.ipynb", *options])


def footer(chapter: Chapter, record: Record) -> str:
    """The closing cell of an executed chapter, in MyST."""
    changed = _changed(chapter, record)
    parameters = f"parameters other than the defaults: {changed}" if changed else "all parameters at their defaults"
    return "\n".join(
        [
            "::::{admonition} How this page was computed",
            ":class: dropdown provenance",
            "",
            f"Profile `{record.profile}`; {parameters}.",
            f"Executed {_moment(record)} in {record.seconds:g} seconds on {escape(record.device)}, "
            f"with {_versions(record)},",
            f"from {'a tree without a commit' if record.commit is None else 'commit ' + _commit(record)}.",
            "",
            "To repeat the run, with other values if you like:",
            "",
            "```bash",
            run_command(chapter, record.parameters),
            papermill_command(chapter, record.parameters),
            "```",
            "::::",
        ]
    )


def not_executed(chapter: Chapter) -> str:
    """The notice on a chapter that a partial build shows without outputs."""
    return "\n".join(
        [
            ":::{warning}",
            "This chapter was not executed in this partial build, so its outputs and numbers are absent.",
            "`make book` executes it.",
            ":::",
        ]
    )


def status_page(chapters: Mapping[str, Chapter], records: Mapping[str, Record], profile: str) -> str:
    """The page that lists how every chapter was executed, in MyST."""
    head = ["Chapter", "Parameters", "Seconds", "Device", "Executed", "Commit"]
    rows = [head]
    for name, chapter in chapters.items():
        row = [f"[](chapters/{name}.ipynb)"]  # the page's own title
        if record := records.get(name):
            row += [_changed(chapter, record) or "defaults", f"{record.seconds:g}", escape(record.device)]
            row += [_moment(record), _commit(record)]
        else:
            row += ["not executed in this partial build", *[""] * 4]
        rows.append(row)
    return "\n".join(
        [
            "# Status of this build",
            "",
            f"Each chapter was executed as this table says, with the profile `{profile}`.",
            "A chapter is executed again only when its code, its parameters, the part of the library that it imports,",
            "its data or the pinned versions change, so the times below can lie days apart.",
            *(
                [f"What became of published rows that were computed again is on [](chapters/{_ROWS}.ipynb)."]
                * (_ROWS in chapters)
            ),
            "",
            "```{list-table}",
            ":header-rows: 1",
            ":class: status",
            "",
            *("* - " + "\n  - ".join(row) for row in rows),
            "```",
            "",
            "## Versions",
            "",
            *(f"- {_NAMES.get(name, name)} {escape(text)}" for name, text in _versions_by_name(records).items()),
            "",
        ]
    )


def _versions_by_name(records: Mapping[str, Record]) -> dict[str, str]:
    """Return each package's version, and which chapters used which where they differ."""
    users: dict[str, dict[str, list[str]]] = {}
    for chapter, record in records.items():
        for name, version in record.versions.items():
            users.setdefault(name, {}).setdefault(version, []).append(chapter)
    return {
        name: next(iter(by_version))
        if len(by_version) == 1
        else "; ".join(f"{version} in {', '.join(chapters)}" for version, chapters in by_version.items())
        for name, by_version in users.items()
    }


def _changed(chapter: Chapter, record: Record) -> str:
    changed = chapter.changed(record.parameters)
    return ", ".join(_as_code(f"{name} = {literal(value)}") for name, value in changed.items())


def _as_code(text: str) -> str:
    """Write a text as code in MyST, which no backtick in it ends: what would follow could be HTML."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def _versions(record: Record) -> str:
    return ", ".join(f"{_NAMES.get(name, name)} {escape(version)}" for name, version in record.versions.items())


def _moment(record: Record) -> str:
    return record.executed[:16].replace("T", " ") + " UTC"


def _commit(record: Record) -> str:
    if record.commit is None:
        return "no commit"
    return f"`{record.commit}`" + (" with uncommitted changes" if record.dirty else "")


def _yaml(value: Value) -> str:
    """Write a value as one line of YAML, whose flow style includes JSON; `1e-05` would be text to other readers."""
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    if isinstance(value, float) and "e" in repr(value) and "." not in repr(value):
        return repr(value).replace("e", ".0e")
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) or not value.isidentifier() else value
