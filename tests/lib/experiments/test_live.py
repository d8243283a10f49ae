"""A live run: the rows of every combination, and rows kept to go on from."""

from __future__ import annotations

import pytest

from lib.experiments.live import train_live

SETTINGS = {"epochs": 1, "lr": 0.05, "momentum": 0.5}


def test_every_combination_is_trained_and_measured():
    rows = train_live("digits", "raw", ["he", "lecun"], [4], [2], 2, **SETTINGS)
    assert rows.groupby(["initializer", "depth", "width", "seed"]).ngroups == 4
    assert {"start", "end"} <= set(rows.moment)
    assert (rows.momentum == 0.5).all() and rows.final_accuracy.notna().all()


@pytest.mark.slow
def test_convolutional_networks_train_beside_them():
    rows = train_live("digits", "standard", ["he"], [2], [2], 2, **SETTINGS, architecture="cnn")
    assert set(rows.kind) == {"convolutional"} and rows.groupby("seed").ngroups == 2
    assert {"start", "end"} <= set(rows.moment) and (rows.P[rows.moment == "end"] > 0).all()


def test_kept_rows_are_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.experiments.live._ROOT", tmp_path)
    first = train_live("digits", "raw", ["he"], [4], [2], 1, **SETTINGS, keep=True)
    more = train_live("digits", "raw", ["he"], [4], [2], 2, **SETTINGS, keep=True)
    assert set(first.key) < set(more.key)
    assert len((tmp_path / "_build" / "live.jsonl").read_text().splitlines()) == 2
    only = train_live("digits", "raw", ["he"], [4], [2], 1, **SETTINGS, keep=True)
    assert set(only.key) == set(first.key)


def test_where_all_trainings_fail_the_first_reason_is_told(monkeypatch):
    def failing(tasks, store, device):
        for task in tasks:
            row = {"key": task.key, "configuration": task.asdict(), "measurements": [], "provenance": {}}
            store.append({**row, "failure": "diverged: the training loss is not finite"})

    monkeypatch.setattr("lib.experiments.live.sweep", failing)
    with pytest.raises(ValueError, match="none of 2 trainings has a result; the first failed: diverged: the training"):
        train_live("digits", "raw", ["he"], [4], [2], 2, **SETTINGS)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match="dataset"):
        train_live("letters", "raw", ["he"], [4], [2], 1, **SETTINGS)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="architecture must be fcn or cnn, got 'mlp'"):
        train_live("digits", "raw", ["he"], [4], [2], 1, **SETTINGS, architecture="mlp")
