"""Trainings of several experiments as one table: each once, failed ones not, moments named."""

from __future__ import annotations

import json
import math
import sys

import pytest

from lib.experiments.trainings import published_traces, published_trainings
from lib.rows import published
from lib.rows.store import SCHEMA


def row(key, measurements, failure=None):
    configuration = {"seed": 3, "epochs": 50}
    return {
        "schema": SCHEMA,
        "key": key,
        "configuration": configuration,
        "provenance": {},
        "failure": failure,
        "measurements": measurements,
    }


def measured(epoch, reached=None):
    return {"epoch": epoch, "reached": reached, "P": 1.0, "test_accuracy": epoch / 100}


@pytest.fixture
def results(tmp_path, monkeypatch):
    files = {
        "one": [row("a", [measured(0), measured(1), measured(2.5, 0.5), measured(50)]), row("b", [], "diverged")],
        "two": [row("a", [measured(0), measured(1), measured(2.5, 0.5), measured(50)]), row("c", [measured(0)])],
    }
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    monkeypatch.setattr(sys.modules["lib.rows.published"], "RESULTS", tmp_path)
    assert len(published("one").rows()) == 2


def test_each_training_counts_once_and_moments_have_names(results):
    frame = published_trainings("one", "two", "not-there-yet")
    assert frame.key.tolist() == ["a"] * 4 + ["c"]
    assert frame.final_accuracy.tolist()[:4] == [0.5] * 4 and math.isnan(frame.final_accuracy[4])
    assert frame.moment.tolist() == ["start", "epoch 1", "loss 0.5", "end", "start"]


def test_a_table_has_the_rows_of_both_rounds_or_of_one_and_never_the_pilot(results):
    fresh, pilot = row("d", [measured(0)]), row("e", [measured(0)])
    fresh["configuration"] = {"seed": 8, "epochs": 50}
    pilot["configuration"] = {"seed": 0, "epochs": 50}
    with published("two").path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(fresh) + "\n" + json.dumps(pilot) + "\n")
    assert set(published_trainings("one", "two").key) == {"a", "c", "d"}
    assert published_trainings("one", "two", rounds=[2]).key.tolist() == ["d"]


def test_without_rows_the_table_is_empty(results):
    assert published_trainings("not-there-yet").empty


def test_traces_have_a_line_an_epoch(results):
    traced = row("d", [measured(0)])
    traced["configuration"] = {"seed": 8, "epochs": 50, "initializer": "he"}
    traced["trace"] = {"epoch": [1, 2], "lr": [0.1, 0.1], "loss": [2.0, 1.0], "kappa": [0.5, None]}
    traced["trace"]["relative_change"] = [[0.1, 0.2], [0.3, 0.4]]
    for name in ("one", "two"):  # a training that two experiments share counts once
        with published(name).path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(traced) + "\n")
    table = published_traces("one", "two", "not-there-yet")
    assert table.key.tolist() == ["d", "d"] and table.epoch.tolist() == [1, 2]
    assert table.initializer.tolist() == ["he", "he"] and math.isnan(table.kappa[1])
    assert table.relative_change[1] == [0.3, 0.4]
