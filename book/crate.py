"""RO-Crate metadata of the book: which files are its pages, code, rows and verdicts, and how these were made.

The description is of a folder as it lies there, so it is made where the book is archived and is not under version
control: a row more would make it wrong.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from book.citation import FILE, Citation, minimum_python, read_citation
from book.errors import BookError
from book.files import read_text, write_atomically
from book.picture import PICTURE
from book.project import Project

METADATA = "ro-crate-metadata.json"
_VERSION = "1.2"
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
# What lies at the top and what it is; the licence and the papers are entities of their own.
_TOP = {
    "README.md": ("What the book is, and how it is built", "text/markdown"),
    "CHANGELOG.md": ("What has changed", "text/markdown"),
    FILE: ("How the book is cited", "application/yaml"),
    "LICENSE": ("The licence", "text/plain"),
    "references.bib": ("What the chapters cite", "application/x-bibtex"),
    "requirements.txt": ("What the book needs", "text/plain"),
    "constraints.txt": ("Exact versions of what the book needs", "text/plain"),
    PICTURE: ("The picture of the README, drawn from the landing page", "image/svg+xml"),
    "results/README.md": ("How the rows were made", "text/markdown"),
}
_FOLDERS = {
    "lib/": "The library: networks, training, estimators, theory and verdicts",
    "book/": "What turns the chapters into the site",
    "assignments/": "Assignments for a course",
    "tests/": "The tests",
}
_SITE = "_build/site/html/"
_VERDICTS = "results/verdicts.json"
_SCHEMA = "lib/verdicts/schema.json"
_REGISTER = "lib/verdicts/register.yml"

Entity = dict[str, Any]


def write_crate(project: Project) -> Path:
    """Describe the checkout in ro-crate-metadata.json at its top, and return the file.

    Raises:
        BookError: a file that belongs to every checkout is missing.
    """
    path = project.root / METADATA
    write_atomically(path, (json.dumps(crate(project), indent=1, ensure_ascii=False) + "\n").encode())
    return path


def crate(project: Project) -> Entity:
    """Return the crate's metadata, the same for the same files."""
    citation = read_citation(project)
    files = [*_top(project), *_pages(project), *_rows(project)]
    folders = [_folder(name, words) for name, words in _FOLDERS.items() if (project.root / name).is_dir()]
    if (project.root / _SITE / "index.html").is_file():
        folders.append(_folder(_SITE, "The site as it was built from the chapters"))
    parts = sorted(files + folders, key=lambda entity: entity["@id"])
    return {
        "@context": f"https://w3id.org/ro/crate/{_VERSION}/context",
        "@graph": [
            {
                "@id": METADATA,
                "@type": "CreativeWork",
                "about": {"@id": "./"},
                "conformsTo": {"@id": f"https://w3id.org/ro/crate/{_VERSION}"},
            },
            _root(citation, parts),
            *parts,
            _judging(parts),
            *_context(citation, minimum_python(project)),
        ],
    }


def _root(citation: Citation, parts: list[Entity]) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": citation.title,
        "description": citation.abstract,
        "version": citation.version,
        "datePublished": citation.day,
        "license": {"@id": citation.license_address},
        "author": _one_or_all(_ids(_agents(citation))),
        "publisher": _ids(_agents(citation))[0],
        "keywords": list(citation.keywords),
        "citation": [{"@id": paper.address} for paper in citation.papers],
        "hasPart": _ids(parts),
        "mentions": {"@id": "#judging"},
        **({"isBasedOn": citation.repository} if citation.repository else {}),
    }


def _top(project: Project) -> list[Entity]:
    return [_file(project, name, name, words, kind) for name, (words, kind) in _TOP.items()]


def _pages(project: Project) -> list[Entity]:
    found = []
    for name in project.chapter_names():
        source = f"chapters/{name}.md"
        heading = _TITLE.search(read_text(project.root / source, source))
        if heading is None:
            raise BookError(f"{source} has no title; begin it with a line like # Width.")
        page = _file(project, source, heading[1], "The source of a page", "text/markdown")
        paired = f"chapters/{name}.ipynb"
        notebook = _file(
            project, paired, heading[1], "The page as a notebook without outputs", "application/x-ipynb+json"
        )
        notebook["@type"] = ["File", "SoftwareSourceCode"]
        notebook["programmingLanguage"] = {"@id": "#python"}
        notebook["isBasedOn"] = {"@id": source}
        found += [page, notebook]
    return found


def _rows(project: Project) -> list[Entity]:
    verdicts = _file(project, _VERDICTS, "Verdicts", "What the register says of the rows", "application/json")
    schema = _file(project, _SCHEMA, "Schema of the verdicts", "Which fields a verdict has", "application/schema+json")
    register = _file(project, _REGISTER, "Register of claims", "How each claim is decided", "application/yaml")
    schema["@type"] = ["File", "CreativeWork"]
    verdicts["conformsTo"] = {"@id": _SCHEMA}
    found = [verdicts, schema, register]
    for path in sorted((project.root / "results").glob("*.jsonl")):
        name = f"results/{path.name}"
        found += [
            _file(project, name, f"Rows of the experiment {path.stem}", "One training a line", "application/jsonl"),
            _file(project, f"{name}.sha256", f"Digests of {path.name}", "One digest a row", "text/plain"),
        ]
    return found


def _judging(parts: list[Entity]) -> Entity:
    """The act that made verdicts of rows."""
    rows = [part for part in parts if part["@id"].startswith("results/") and part["@id"].endswith(".jsonl")]
    return {
        "@id": "#judging",
        "@type": "CreateAction",
        "name": "python -m lib.verdicts",
        "description": "Each claim is judged on the rows by the rules of the register.",
        "instrument": {"@id": "lib/"},
        "object": [{"@id": _REGISTER}, *_ids(rows)],
        "result": {"@id": _VERDICTS},
    }


def _context(citation: Citation, python: str) -> list[Entity]:
    papers = [
        {
            "@id": paper.address,
            "@type": "ScholarlyArticle",
            "name": paper.title,
            "author": [{"@id": _local(name)} for name in paper.authors],
            "datePublished": str(paper.year),
        }
        for paper in citation.papers
    ]
    people = {name: None for paper in citation.papers for name in paper.authors}
    return [
        {
            "@id": citation.license_address,
            "@type": "CreativeWork",
            "name": f"{citation.license} license",
            "description": "The terms stand in LICENSE.",
        },
        {
            "@id": "#python",
            "@type": "ComputerLanguage",
            "name": "Python",
            "version": python,
            "url": "https://www.python.org/",
        },
        *_agents(citation),
        *papers,
        *({"@id": _local(name), "@type": "Person", "name": name} for name in people),
    ]


def _agents(citation: Citation) -> list[Entity]:
    return [{"@id": _local(name), "@type": "Organization", "name": name} for name in citation.authors]


def _local(name: str) -> str:
    return f"#{re.sub('[^A-Za-z]+', '-', name).strip('-')}"


def _one_or_all(ids: list[Entity]) -> Entity | list[Entity]:
    return ids[0] if len(ids) == 1 else ids


def _folder(name: str, words: str) -> Entity:
    return {"@id": name, "@type": "Dataset", "name": name, "description": words}


def _file(project: Project, name: str, title: str, words: str, encoding: str) -> Entity:
    path = project.root / name
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BookError(f"{name} is missing, which belongs to every checkout; restore it.") from None
    return {
        "@id": name,
        "@type": "File",
        "name": title,
        "description": words,
        "encodingFormat": encoding,
        "contentSize": str(len(data)),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _ids(entities: list[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]
