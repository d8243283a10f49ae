"""The memory of a call is what it asks for, not what the process had before."""

import sys

import pytest
import torch

from lib.estimators.costs import Cost, with_cost

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has held since")
def test_memory_counts_what_is_alive_at_once():
    def sums(count: int) -> float:
        return sum(float(torch.ones(MIB * 16).sum()) for _ in range(count))  # 64 MiB each, which no allocator keeps

    result, cost = with_cost(lambda: sums(5))
    assert result == 5 * 16 * MIB
    assert cost.seconds > 0 and 60 * MIB <= cost.bytes <= 100 * MIB  # one tensor at a time
    _, cost = with_cost(lambda: torch.stack([torch.ones(16 * MIB) for _ in range(2)]))
    assert 250 * MIB <= cost.bytes <= 290 * MIB  # two, and both of them again


def test_memory_is_not_told_where_the_system_keeps_it(monkeypatch, tmp_path):
    monkeypatch.setattr("lib.estimators.costs._PROCESS", tmp_path / "none")
    result, cost = with_cost(lambda: 7)
    assert result == 7 and cost == Cost(cost.seconds, None)
