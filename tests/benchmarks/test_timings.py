"""Records of benchmarks are read as tables, and held against what was asked for."""

from __future__ import annotations

import json

import pytest

from benchmarks import timings


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


def test_what_is_missed_is_explained_by_its_record(record):
    record["cells"][0]["settings"]["replicas"] = record["targets"][0]["settings"]["replicas"] = 5
    record["cells"][0]["contenders"]["floor"] = {"min": 0.5, "median": 0.5, "max": 0.5}
    line = timings.against_targets(record).to_dict("records")[0]
    assert timings.why_missed(record, line) == (
        "500000 of 1000000 µs of a step are no products, 250000.0 µs a layer; the bare products alone would reach 6"
    )
    counted = f"{timings.allowed_speed(16, 2):.2f}"
    assert timings.why_missed({**record, "benchmark": "estimators"}, line).endswith(f"a factor of {counted}")
    sweep = {"benchmark": "sweep", "cells": [{"start": 2.0, "contenders": {"two": {"median": 8.0}}}]}
    assert timings.why_missed(sweep, line) == "2.0 of 8.0 seconds with two workers are their start"
    assert timings.why_missed({**record, "benchmark": "attacked"}, line).startswith("500000 of 1000000 µs")
    assert timings.why_missed(record, {**line, "ratio": "jax/ours in bf16"}) == "", "there is no floor in bf16"
    assert timings.why_missed({**record, "benchmark": "convolutional"}, line) == ""


def test_counted_multiplications():
    # m = 2, L = 2, d = 4, o = 1: J is W₂ D W₁, 8 for W₁ x and 2 for the mask's row, 8 for J and 4 for J Jᵀ.
    assert timings.allowed_speed(2, 2, 4, 1) == (10 + 8 + 4) / (10 + 4 + 2)
    assert timings.allowed_speed(784, 6) == 1


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


def test_every_published_target_that_is_missed_has_its_reason():
    records = [timings.recorded(path.stem.removesuffix("-cpu")) for path in timings.RESULTS.glob("*-cpu.json")]
    for record in records:
        if record.get("targets"):
            lines = timings.against_targets(record).to_dict("records")
            assert all(timings.why_missed(record, line) for line in lines if line["missed"])
