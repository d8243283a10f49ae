"""Rows and configurations small enough to make by the hundred."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from lib.experiments import Configuration, Store


@pytest.fixture(autouse=True)
def own_lock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sweeps here, and in processes started here, from waiting for a benchmark that measures beside the tests."""
    folder = str(tmp_path_factory.mktemp("lock"))
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "rows.jsonl")


@pytest.fixture
def row():
    """Make a row by its number."""

    def make(number: int = 0, **changes: Any) -> dict[str, Any]:
        return {
            "key": f"key-{number}",
            "configuration": {"width": 16, "depth": 2, "seed": number},
            "measurements": [{"epoch": 0, "P": 0.5}, {"epoch": 1, "P": None}],
            "failure": None,
            "provenance": {"version": "0.1.0", "seconds": 1.5},
            **changes,
        }

    return make


@pytest.fixture
def small():
    """Make a configuration that trains on digits in a fraction of a second."""

    def make(**changes: Any) -> Configuration:
        settings = {"width": 8, "depth": 2, "seed": 0, "samples": 100, "epochs": 2, "lr": 0.1, **changes}
        return Configuration("digits", "unit", "he", **settings)

    return make
