"""Records of benchmarks are read as tables, and held against what was asked for."""

from __future__ import annotations

import json

import pytest

from lib.experiments import timings


@pytest.fixture
def record():
    def spread(*values):
        return {"min": min(values), "median": sorted(values)[len(values) // 2], "max": max(values), "repeats": values}

    def cell(width, speed):
        return {
            "settings": {"width": width, "depth": 2},
            "contenders": {"loop": spread(2.0, 3.0, 4.0), "ours": spread(1.0)},
            "ratios": {"loop/ours": spread(speed - 1, speed, speed + 1)},
        }

    targets = [
        {"settings": {"width": width, "depth": 2}, "ratio": "loop/ours", "at_least": 10} for width in (16, 64, 256)
    ]
    return {"benchmark": "training", "targets": targets, "cells": [cell(16, 8.0), cell(64, 12.0)]}


def test_a_target_is_reached_missed_or_not_measured(record):
    table = timings.against_targets(record)
    assert table["median"].tolist()[:2] == [8, 12]
    assert table["missed"].tolist()[:2] == [pytest.approx(0.2), 0]
    assert table["median"].isna().tolist() == [False, False, True]


def test_records_are_tables(record):
    assert timings.times(record).columns.tolist() == ["width", "depth", "contender", "min", "median", "max"]
    assert timings.times(record)["median"].tolist() == [3, 1, 3, 1]
    assert timings.ratios(record)["max"].tolist() == [9, 13]


def test_a_record_that_is_not_there_is_none(monkeypatch, tmp_path, record):
    monkeypatch.setattr(timings, "RESULTS", tmp_path)
    assert timings.recorded("training") is None
    (tmp_path / "training-cuda.json").write_text(json.dumps(record))
    assert timings.recorded("training") is None
    assert timings.recorded("training", "cuda")["benchmark"] == "training"
