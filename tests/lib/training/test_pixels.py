"""Bytes stand for the points that they were, to the bit, or are not taken."""

from __future__ import annotations

import pytest
import torch

from lib.data import Dataset
from lib.networks import FCN
from lib.training import run, train
from lib.training.pixels import compact, gather_


def images(n=50):
    stream = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 6), generator=stream, dtype=torch.uint8).float() / 255


def test_every_level_comes_back_to_the_bit():
    x = (torch.arange(256).float() / 255).repeat(20, 1)
    kept = compact(x)
    assert kept.dtype is torch.uint8
    points, index = torch.empty(7, 256), torch.arange(7)
    gather_(points, kept, index, torch.empty(7, 256, dtype=torch.uint8))
    assert torch.equal(points, x[:7])


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda x: x * 1.0000001,
        lambda x: x - 0.5,
        lambda x: x * 2,
        lambda x: torch.nextafter(x, torch.tensor(2.0)),
        lambda x: x.double(),
        lambda x: torch.full_like(x, torch.nan),
    ],
)
def test_what_is_no_byte_is_left_as_it_is(spoiled):
    x = spoiled(images())
    assert compact(x) is x


def test_a_training_on_bytes_is_one_on_floats(one_thread, monkeypatch):
    data = Dataset(images(), torch.arange(50) % 3)
    ends = []
    for way in (compact, lambda x: x):
        monkeypatch.setattr(run, "compact", way)
        network = FCN(12, 3, 6, 3, replicas=2)
        train(network, data, epochs=2, batch_size=8)
        ends.append(network.weights)
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
