"""From defaults, a profile and the command line to the parameters of every chapter.

A profile is `params/<name>.yml`: a mapping from chapters to their parameters, and `time_limit`, the seconds that
one chapter may take. Precedence: the chapter's default < the profile < `-p name=value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from book.chapters import Chapter
from book.errors import BookError, listing, nearest
from book.files import read_mapping
from book.parameters import Value, shown
from book.plain_yaml import parse_yaml
from book.project import Project

_LONGEST_SECONDS = 31_536_000  # a year


@dataclass(frozen=True)
class Profile:
    """The values that one profile gives to chapters, checked, and its time limit in seconds."""

    name: str
    time_limit: float
    values: Mapping[str, dict[str, Value]]


def read_profile(project: Project, name: str, chapters: Mapping[str, Chapter]) -> Profile:
    """Read and check `params/<name>.yml`, every chapter and every value of it."""
    names = sorted(path.stem for path in project.params.glob("*.yml"))
    if name not in names:
        raise BookError(
            f'There is no profile "{name}"{nearest(name, names) or "."} The profiles are: {listing(names)}.'
        )
    where = f"params/{name}.yml"
    content = read_mapping(project.params / f"{name}.yml", where)
    limit = content.pop("time_limit", None)
    if type(limit) not in (int, float) or not 0 < limit <= _LONGEST_SECONDS:
        raise BookError(
            f"{where}: time_limit must be a number of seconds a chapter in (0..{_LONGEST_SECONDS}], not {shown(limit)}."
        )
    values = {}
    for key, given in content.items():
        if key not in chapters:
            raise BookError(f"{where} names the unknown chapter {shown(key)}{nearest(key, chapters) or '.'}")
        if given is not None and not isinstance(given, dict):
            raise BookError(f"{where}: {key} must be a mapping of parameters to values, not {shown(given)}.")
        values[key] = {
            parameter: chapters[key].accept(parameter, value, f"{where}: {key}")
            for parameter, value in (given or {}).items()
        }
    return Profile(name, float(limit), values)


def parse_overrides(assignments: list[str]) -> dict[str, Any]:
    """Read `name=value` pairs of the command line; the value is YAML."""
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise BookError(f"-p takes name=value, not {shown(assignment)}.")
        if name in overrides:
            raise BookError(f"-p gives {' '.join(name[:80].split())} twice.")
        overrides[name] = parse_yaml(text, f"-p {assignment}")
    return overrides


def resolve(
    chapters: Mapping[str, Chapter], selected: list[str], profile: Profile | None, overrides: Mapping[str, Any]
) -> dict[str, dict[str, Value]]:
    """Return every chapter's parameters; an override reaches the selected chapters that declare its name."""
    for name in overrides:
        known = {parameter for chapter in selected for parameter in chapters[chapter].parameters}
        if name not in known:
            owners = selected[0] if len(selected) == 1 else "none of the selected chapters"
            verb = "has no" if len(selected) == 1 else "has a"
            raise BookError(
                f"{owners} {verb} parameter {shown(name)}{nearest(name, known) or '.'} "
                f"The parameters are: {listing(sorted(known))}."
            )
    resolved = {}
    for name, chapter in chapters.items():
        values = {parameter.name: parameter.default for parameter in chapter.parameters.values()}
        values |= profile.values.get(name, {}) if profile else {}
        if name in selected:
            values |= {key: chapter.accept(key, value, name) for key, value in overrides.items() if key in values}
        resolved[name] = values
    return resolved
