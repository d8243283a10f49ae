"""The RO-Crate of this checkout: references lead somewhere, files are there with their digests, it is repeatable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from book.crate import METADATA, crate
from book.project import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def metadata() -> dict:
    return crate(Project(ROOT))


@pytest.fixture(scope="module")
def entities(metadata) -> dict[str, dict]:
    graph = metadata["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph)
    return {entity["@id"]: entity for entity in graph}


def references(value) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in references(item)]
    return [value["@id"]] if isinstance(value, dict) else []


def test_descriptor_and_root_have_what_the_specification_requires(metadata, entities):
    assert metadata["@context"] == "https://w3id.org/ro/crate/1.2/context"
    assert entities[METADATA]["about"] == {"@id": "./"}
    assert entities[METADATA]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    assert {"name", "description", "datePublished", "license"} <= set(entities["./"])


def test_every_reference_is_an_entity_and_every_entity_is_referred_to(entities):
    outside = {"https://w3id.org/ro/crate/1.2"}
    named = {name for entity in entities.values() for value in entity.values() for name in references(value)}
    assert named - outside <= set(entities)
    assert set(entities) - named == {METADATA}


def test_every_file_is_there_with_its_size_and_digest(entities):
    files = [entity for entity in entities.values() if "File" in entity["@type"]]
    for entity in files:
        data = (ROOT / entity["@id"]).read_bytes()
        assert entity["contentSize"] == str(len(data))
        assert entity["sha256"] == hashlib.sha256(data).hexdigest()
        assert entity["encodingFormat"] and entity["description"]


def test_book_rows_and_verdicts_are_in_it(entities):
    parts = {name for name in references(entities["./"]["hasPart"])}
    for name in Project(ROOT).chapter_names():
        assert {f"chapters/{name}.md", f"chapters/{name}.ipynb"} <= parts
    rows = {path.relative_to(ROOT).as_posix() for path in (ROOT / "results").glob("*.jsonl")}
    assert rows and rows <= parts and "results/verdicts.json" in parts
    judging = entities["#judging"]
    assert judging["result"] == {"@id": "results/verdicts.json"}
    assert set(references(judging["object"])) == rows | {"lib/verdicts/register.yml"}


def test_the_same_files_give_the_same_metadata(metadata):
    assert crate(Project(ROOT)) == metadata


def test_a_missing_file_is_one_sentence(project, refused):
    assert "CITATION.cff does not exist." in refused(lambda: crate(project))
