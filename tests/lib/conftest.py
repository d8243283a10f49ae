"""What the tests of lib share: the data root of the machine, and rows and configurations to make by the hundred."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lib.data.files import MNIST, data_root
from lib.experiments import Configuration, Store


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """Return a data root with MNIST ($BOOK_DATA, else ./data), or skip."""
    root = data_root(None)
    extracted = all((root / MNIST.folder / file).is_file() for file in MNIST.extracted)
    if not extracted and not all((root / archive).is_file() for archive in MNIST.archives):
        pytest.skip(f"MNIST is not in {root}; run `make data` or set BOOK_DATA")
    return root


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run on one thread: how a product is split over threads, and so its last bits, depends on its shape."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
