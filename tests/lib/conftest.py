"""The data root of the machine, for tests that need a real benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lib.data.files import MNIST, data_root


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
