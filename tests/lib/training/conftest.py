"""Data sets on which a small network learns in seconds."""

from __future__ import annotations

import pytest
import torch

from lib.data import Dataset


@pytest.fixture
def points():
    """Make n points of 6 features in three classes, which a network can learn but a line cannot separate."""

    def make(n: int = 200) -> Dataset:
        stream = torch.Generator().manual_seed(3)
        x = torch.randn(n, 6, generator=stream)
        return Dataset(x, (x[:, :3].abs().argmax(dim=1) + (x[:, 3] > 1)) % 3, classes=3)

    return make
