"""A replay agrees with an honest row, and with no other."""

import copy
import dataclasses

import pandas as pd
import pytest

from lib.experiments import Configuration, sweep
from lib.experiments.agreement import allowed, deviation
from lib.experiments.audit import audit, audit_of_build, in_words
from lib.experiments.rows import train_stack

pytestmark = pytest.mark.usefixtures("one_thread")
CELLS = 3


@pytest.fixture(scope="module")
def honest():
    """Rows of three cells with two or three seeds each, one of them with a gap between the seeds."""
    settings = {"samples": 150, "epochs": 10, "lr": 0.1}
    rows = []
    for width, seeds in ((6, (0, 1, 2)), (8, (3, 4)), (12, (0, 7))):
        for seed in seeds:
            rows += train_stack([Configuration("digits", "unit", "he", width, 3, seed, **settings)])
    return rows


def altered(rows, change):
    """Copy rows and change each."""
    rows = copy.deepcopy(rows)
    for row in rows:
        change(row)
    return rows


@pytest.mark.parametrize("epochs", [1, 5, 10, 50])
def test_honest_rows_agree_at_the_epoch_that_was_asked_for(honest, epochs):
    outcome = audit(honest, cells=CELLS, epochs=epochs)
    assert set(outcome["verdict"]) == {"agrees"}
    assert len(outcome) == 7
    assert set(outcome["epoch"]) == {min(epochs, 10)}
    assert set(outcome["allowed"]) == {1e-4 if epochs == 1 else 1e-2}
    assert (outcome["deviation"] < 1e-6).all()
    assert sorted(zip(outcome["width"], outcome["seed"], strict=True)) == [
        (6, 0), (6, 1), (6, 2), (8, 3), (8, 4), (12, 0), (12, 7),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "share", "agrees"), [(1, 5e-5, True), (1, 2e-4, False), (10, 5e-3, True), (10, 2e-2, False)]
)
def test_a_row_with_another_p_deviates(honest, epochs, share, agrees):
    def change(row):
        if row["configuration"]["seed"] == 4:
            for measurement in row["measurements"]:
                if measurement["epoch"] == epochs:
                    measurement["P"] *= 1 + share

    outcome = audit(altered(honest, change), cells=CELLS, epochs=epochs)
    verdicts = dict(zip(outcome["seed"], outcome["verdict"], strict=True))
    assert verdicts.pop(4) == ("agrees" if agrees else "deviates")
    assert set(verdicts.values()) == {"agrees"}
    assert outcome.set_index("seed").loc[4, "deviation"] == pytest.approx(share, rel=0.05)


def test_other_hardware_is_allowed_more(honest):
    def change(row):
        row["provenance"]["hardware"] = "another"

    assert set(audit(altered(honest, change), cells=1)["allowed"]) == {1e-3}
    assert set(audit(altered(honest, change), cells=1, epochs=10)["allowed"]) == {3e-2}
    assert [allowed(one, same) for one in (True, False) for same in (True, False)] == [1e-4, 1e-3, 1e-2, 3e-2]


def test_the_p_of_another_seed_deviates(honest):
    rows = copy.deepcopy(honest)
    rows[0]["measurements"], rows[1]["measurements"] = rows[1]["measurements"], rows[0]["measurements"]
    outcome = audit(rows, cells=CELLS).set_index(["width", "seed"])["verdict"]
    assert [outcome[6, 0], outcome[6, 1], outcome[6, 2]] == ["deviates", "deviates", "agrees"]


def test_an_undefined_p_agrees_with_nothing_but_itself(honest):
    def change(row):
        for measurement in row["measurements"]:
            measurement["P"] = None

    assert set(audit(altered(honest, change), cells=1)["verdict"]) == {"deviates"}
    assert (deviation(None, None), deviation(0.0, 0.0), deviation(1.0, None)) == (0, 0, float("inf"))


def test_cells_are_drawn_by_the_seed(honest):
    drawn = [tuple(sorted(set(audit(honest, cells=1, seed=seed)["width"]))) for seed in (0, 0, 1, 2, 3, 4, 5)]
    assert drawn[0] == drawn[1]
    assert {len(widths) for widths in drawn} == {1}
    assert len(set(drawn)) > 1
    assert set(audit(honest, cells=100)["width"]) == {6, 8, 12}


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"), [("proportional", 60, 1), ("proportional", 200, 4), ("constant", 7, 1)]
)
def test_a_replay_has_the_schedule_and_the_length_of_its_row(small, schedule, epochs, expected):
    rows = train_stack([small(schedule=schedule, epochs=epochs, samples=70)])
    outcome = audit(rows)
    assert outcome[["epoch", "verdict"]].values.tolist() == [[expected, "agrees"]]
    assert outcome["allowed"].tolist() == [1e-4]
    whole = audit(rows, epochs=50)
    assert whole[["epoch", "verdict"]].values.tolist() == [[epochs, "agrees"]]
    # With the schedule of a training that ends there, the drop would come elsewhere.
    if schedule == "proportional":
        half = audit(rows, epochs=25)
        assert half[["epoch", "verdict"]].values.tolist() == [[epochs // 2, "agrees"]]


def test_the_last_row_of_a_configuration_counts_and_failed_ones_do_not(honest, small):
    failed = train_stack([small(lr=1e30)])
    wrong = altered(honest, lambda row: row["measurements"].clear())
    assert set(audit([*wrong, *honest, *failed], cells=10)["verdict"]) == {"agrees"}
    with pytest.raises(ValueError, match="there are no rows of trainings that went well"):
        audit(failed)


def test_the_outcome_is_rows_that_a_chapter_can_show(honest):
    outcome = audit(honest, cells=1)
    assert isinstance(outcome, pd.DataFrame)
    columns = {*(field.name for field in dataclasses.fields(Configuration)), "epoch", "stored", "replayed", "deviation"}
    assert {*columns, "allowed", "verdict", "seconds"} == set(outcome.columns)
    assert all(isinstance(line["verdict"], str) for line in outcome.to_dict("records"))


def test_a_configuration_that_was_altered_is_refused(honest):
    def change(row):
        row["configuration"]["lr"] = 0.2

    with pytest.raises(ValueError, match=r"row \w{16} was altered: its configuration has the key \w{16}"):
        audit(altered(honest, change))


def test_a_row_without_measurements_is_refused(honest):
    with pytest.raises(ValueError, match="have no measurement at the end of an epoch that could be compared"):
        audit(altered(honest, lambda row: row["measurements"].clear()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cells": 0}, "cells must be an integer of at least 1, got 0"),
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"epochs": True}, "epochs must be an integer of at least 1, got True"),
        ({"epochs": 3}, "epochs must be one of 1, 5, 10, 25, 50, which rows report, got 3"),
    ],
)
def test_bad_options_are_refused(honest, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        audit(honest, **options)


@pytest.mark.parametrize("cell", [("he", 16, 2)])
def test_published_rows_agree_where_mnist_is(mnist_root, cell):
    from lib.experiments import published

    names = ("initializer", "width", "depth")
    rows = [row for row in published("pilot").rows() if tuple(row["configuration"][n] for n in names) == cell]
    outcome = audit(rows[:1], root=mnist_root)
    assert outcome["verdict"].tolist() == ["agrees"]


def test_a_swept_store_passes_its_audit(store, small):
    sweep([small(seed=s) for s in range(3)], store)
    assert set(audit(store.rows())["verdict"]) == {"agrees"}


def test_a_page_replays_narrow_cells_and_says_what_came_of_it(honest):
    outcome = audit_of_build(honest, cells=CELLS, widest=8)
    assert set(outcome["width"]) == {6, 8}
    assert set(audit_of_build(honest, cells=CELLS, widest=2)["width"]) == {6}  # the narrowest that are there
    text = in_words(outcome)
    assert "5 trainings were repeated to epoch 1" in text
    assert "P of 5 of 5 agrees with the published row" in text
    assert "he, L = 3, m = 6 (unit)" in text

    def change(row):
        for measurement in row["measurements"]:
            if measurement["epoch"] is not None:
                measurement["P"] *= 2

    assert "P of 0 of 5 agrees" in in_words(audit_of_build(altered(honest, change), cells=CELLS, widest=8))


def test_a_page_without_the_data_says_so(honest, tmp_path, monkeypatch):
    def mnist(row):
        configuration = Configuration(**{**row["configuration"], "dataset": "mnist"})
        row.update(key=configuration.key, configuration=configuration.asdict())

    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    outcome = audit_of_build(altered(honest, mnist), widest=8)
    assert outcome is None
    assert "No row was replayed" in in_words(outcome)


def test_tasks_of_another_kind_are_not_replayed(honest):
    other = {"key": "k", "configuration": {"kind": "square", "seed": 3}, "failure": None, "measurements": []}
    assert set(audit([other, *honest], cells=10)["width"]) == {6, 8, 12}
