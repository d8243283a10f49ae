"""A part of `make torture`: sweeps that are killed, rows that are forged."""

from __future__ import annotations

import forgeries
import pytest
import sweeps


def row(key, p, failure=None):
    return {"key": key, "configuration": {}, "measurements": [{"P": p}], "failure": failure, "provenance": {}}


def test_what_must_not_happen_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "whole", {key: row(key, 0.5) for key in "abcd"}, raising=False)
    chain = sweeps.Chain(tmp_path / "chain")
    for key, p, failure in (("a", 0.5, None), ("a", 0.5, None), ("b", 0.6, None), ("c", 0.5, "OSError: disk full")):
        chain.store.append(row(key, p, failure))
    assert sorted(chain.wrong()) == [
        "row a is there 2 times",
        "row b has other values",
        "row c failed: OSError: disk full",
        "row d is there 0 times",
    ]
    chain.store.path.write_text(chain.store.path.read_text().replace("0.6", "0.5")[:-9])
    said = " ".join(chain.wrong())
    assert "the last line is torn" in said
    assert "line 3 was edited" in said


@pytest.mark.nightly
def test_killed_sweeps_lose_double_and_tear_no_row(tmp_path):
    assert sweeps.torture(sweeps.COUNT // 20, tmp_path, seed=1, say=print) == []


@pytest.mark.nightly
def test_forged_rows_are_named_by_their_digests_and_by_a_replay(tmp_path):
    assert forgeries.torture(forgeries.COUNT // 20, tmp_path, seed=1, say=print) == []
