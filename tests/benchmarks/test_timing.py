"""Contenders take turns, and ratios compare what ran side by side."""

from __future__ import annotations

import pytest

from benchmarks.timing import interleave, ratio, summary, timed


def test_contenders_take_turns_and_blocks_have_their_length():
    log = []

    def contender(name, seconds):
        return lambda steps: (log.append((name, steps)), seconds)[1]

    names = {"slow": 0.5, "fast": 0.01, "stacked": 0.01}
    replicas = {"slow": 1, "fast": 1, "stacked": 5}
    result = interleave({n: contender(n, s) for n, s in names.items()}, 3, 1.0, replicas, least=5)
    assert [r["steps"] for r in result.values()] == [5, 100, 20]
    order = [name for name, _ in log[-9:]]
    assert order == ["slow", "fast", "stacked", "fast", "stacked", "slow", "stacked", "slow", "fast"]
    assert ("fast", 100) in log[-9:]
    assert all(len(r["repeats"]) == 3 for r in result.values())


def test_a_ratio_pairs_repeats():
    found = ratio(summary([2.0, 40.0, 6.0]), summary([1.0, 10.0, 2.0]))
    assert found["repeats"] == [2, 4, 3]
    assert (found["min"], found["median"], found["max"]) == (2, 3, 4)
    with pytest.raises(ValueError):
        ratio(summary([1.0]), summary([1.0, 2.0]))


def test_seconds_are_those_of_one_replica(monkeypatch):
    ticks = iter([10.0, 16.0])
    monkeypatch.setattr("benchmarks.timing.clock", lambda device: next(ticks))
    calls = []
    assert timed(lambda: calls.append(1), "cpu", replicas=2)(3) == 1.0
    assert len(calls) == 3
