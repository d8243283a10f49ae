"""How the book is cited: CITATION.cff, and what other shelves make of it.

CITATION.cff owns title, authors, day and the papers; `codemeta.json` (Software Heritage), `.zenodo.json` and the BibTeX
on the page on references are made from it. `python -m book check` compares the files, a test the page.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from book.configuration import read_configuration
from book.errors import BookError
from book.files import read_mapping, read_text, write_if_changed
from book.project import Project

FILE = "CITATION.cff"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PARTS = ("family", "given")


@dataclass(frozen=True)
class Paper:
    """A paper that the book examines."""

    title: str
    authors: tuple[str, ...]
    year: int
    doi: str

    @property
    def address(self) -> str:
        return f"https://doi.org/{self.doi}"


@dataclass(frozen=True)
class Citation:
    """What CITATION.cff says, and the address of the repository, empty while the book has none."""

    title: str
    abstract: str
    authors: tuple[str, ...]
    keywords: tuple[str, ...]
    version: str
    day: str
    license: str
    papers: tuple[Paper, ...]
    repository: str

    @property
    def license_address(self) -> str:
        return f"https://spdx.org/licenses/{self.license}"


def read_citation(project: Project) -> Citation:
    """Read CITATION.cff strictly; the repository's address is that of _config.yml.

    Raises:
        BookError: a field is missing or not what it must be.
    """
    whole = read_mapping(project.root / FILE, FILE)
    day = _text(whole, "date-released")
    if not _DAY.fullmatch(day):
        raise BookError(f'{FILE}: date-released must be a day like 2026-01-31, not "{day}".')
    repository = read_configuration(project)["repository"]["url"]
    if whole.get("repository-code", "") != repository:
        raise BookError(f'{FILE}: repository-code must be the address in _config.yml, "{repository}"; change one.')
    return Citation(
        title=_text(whole, "title"),
        abstract=" ".join(_text(whole, "abstract").split()),
        authors=_people(whole),
        keywords=tuple(_listed(whole, "keywords", str)),
        version=_text(whole, "version"),
        day=day,
        license=_text(whole, "license"),
        papers=tuple(
            Paper(_text(paper, "title"), _people(paper), _year(paper), _text(paper, "doi"))
            for paper in _listed(whole, "references", dict)
        ),
        repository=repository,
    )


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BookError(f"{FILE}: {name} must be a text, got {value!r}.")
    return value


def _year(mapping: Mapping[str, Any]) -> int:
    value = mapping.get("year")
    if type(value) is not int:
        raise BookError(f"{FILE}: year must be a number, got {value!r}.")
    return value


def _listed(mapping: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """Return a list of mappings or of texts; an empty one where the field is missing."""
    value = mapping.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
        raise BookError(f"{FILE}: {name} must be a list of {'texts' if kind is str else 'mappings'}, got {value!r}.")
    return value


def _people(mapping: Mapping[str, Any]) -> tuple[str, ...]:
    """Return names as catalogues sort them, "Family, Given", or the name of a group."""
    names = tuple(
        _text(person, "name") if "name" in person else ", ".join(_text(person, f"{part}-names") for part in _PARTS)
        for person in _listed(mapping, "authors", dict)
    )
    if not names:
        raise BookError(f'{FILE}: "{mapping.get("title")}" has no authors.')
    return names


def bibtex(citation: Citation) -> str:
    """Return the book's entry for a bibliography."""
    fields = {
        "title": f"{{{citation.title}}}",
        "author": " and ".join(f"{{{name}}}" for name in citation.authors),
        "year": citation.day[:4],
        "version": citation.version,
        **({"url": citation.repository} if citation.repository else {}),
    }
    lines = [f"  {name:<7} = {{{value}}}," for name, value in fields.items()]
    return "\n".join(["@software{robustness_book,", *lines, "}"])


def codemeta(project: Project, citation: Citation) -> dict[str, Any]:
    """Return the software's description in CodeMeta's terms, which Software Heritage indexes."""
    package = _package(project)
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "type": "SoftwareSourceCode",
        "name": citation.title,
        "identifier": package["name"],
        "description": citation.abstract,
        "version": citation.version,
        "datePublished": citation.day,
        "license": citation.license_address,
        "author": [{"type": "Organization", "name": name} for name in citation.authors],
        "keywords": list(citation.keywords),
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {minimum_python(project)} or newer",
        "softwareRequirements": list(package["dependencies"]),
        **({"codeRepository": citation.repository} if citation.repository else {}),
        "referencePublication": [
            {
                "type": "ScholarlyArticle",
                "id": paper.address,
                "name": paper.title,
                "author": [_person(name) for name in paper.authors],
                "datePublished": str(paper.year),
            }
            for paper in citation.papers
        ],
    }


def minimum_python(project: Project) -> str:
    """Return the oldest version of Python that the package runs on, e.g. 3.11."""
    return _package(project)["requires-python"].removeprefix(">=")


def _package(project: Project) -> dict[str, Any]:
    """Return what pyproject.toml says of the package."""
    name = "pyproject.toml"
    try:
        package = tomllib.loads(read_text(project.root / name, name)).get("project")
    except tomllib.TOMLDecodeError as error:
        raise BookError(f"{name} is no TOML: {error}. Look for a byte order mark or a mark of a conflict.") from error
    for field, kind, said in (("name", str, "text"), ("requires-python", str, "text"), ("dependencies", list, "list")):
        if not isinstance(package, dict) or not isinstance(package.get(field), kind):
            raise BookError(f"{name} must have a [project] with a {said} {field}; restore it from version control.")
    return package


def _person(name: str) -> dict[str, str]:
    family, _, given = name.partition(", ")
    return {"type": "Person", "familyName": family, "givenName": given}


def zenodo(citation: Citation) -> dict[str, Any]:
    """Return what Zenodo asks of a deposit that it takes from a repository's release."""
    return {
        "title": citation.title,
        "upload_type": "software",
        "description": citation.abstract,
        "creators": [{"name": name} for name in citation.authors],
        "access_right": "open",
        "license": citation.license,
        "publication_date": citation.day,
        "keywords": list(citation.keywords),
        "related_identifiers": [
            {"identifier": paper.doi, "relation": "reviews", "scheme": "doi"} for paper in citation.papers
        ],
    }


def _made(project: Project) -> dict[str, bytes]:
    citation = read_citation(project)
    contents = {"codemeta.json": codemeta(project, citation), ".zenodo.json": zenodo(citation)}
    return {
        name: (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode() for name, content in contents.items()
    }


def write_metadata(project: Project) -> list[str]:
    """Write codemeta.json and .zenodo.json; return which changed."""
    changed = stale_metadata(project)
    for name, data in _made(project).items():
        write_if_changed(project.root / name, data)
    return changed


def stale_metadata(project: Project) -> list[str]:
    """Return the files that are not what CITATION.cff makes of them."""
    return [
        name
        for name, data in _made(project).items()
        if not (project.root / name).is_file() or (project.root / name).read_bytes() != data
    ]
