"""A replay agrees with an honest row, and with no other."""

import copy
import time

import pytest

from lib.experiments import Configuration, sweep
from lib.experiments.audit import audit, audit_of_build, in_words
from lib.experiments.early import EarlyTraining
from lib.experiments.noise_fitting import NoiseFitting
from lib.experiments.regimes import WidthScan
from lib.rows.agreement import allowed, deviation
from lib.sweeps.computing import train_stack

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


@pytest.mark.parametrize("epochs", [None, 1, 5, 50])
def test_honest_rows_agree_in_every_value(honest, epochs):
    outcome = audit(honest, cells=CELLS, epochs=epochs)
    lines = outcome.lines
    assert set(lines["verdict"]) == {"agrees"}
    assert (lines["deviation"] < 1e-6).all()
    assert (outcome.deviating, outcome.cells, outcome.passing) == (0, 3, (0.0, 0.0))
    whole = epochs in (None, 50)
    assert (lines["unseen"] == 0).all() == whole
    values = [sum(map(len, row["measurements"])) for row in honest]
    assert (lines["compared"].sum() > sum(values)) == whole
    assert sorted(zip(lines["width"], lines["seed"], strict=True)) == [
        (6, 0), (6, 1), (6, 2), (8, 3), (8, 4), (12, 0), (12, 7),
    ]  # fmt: skip


def test_an_earlier_row_need_not_have_what_later_ones_of_its_cell_measure(honest):
    def of_schema_1(row):
        row["schema"] = 1
        for measurement in row["measurements"]:
            measurement.pop("noise_accuracy_1", None)

    cell = [row for row in honest if row["configuration"]["width"] == 8]
    mixed = [*altered(cell[:1], of_schema_1), *cell[1:]]
    assert set(audit(mixed, cells=1).lines["verdict"]) == {"agrees"}
    lacking = [
        *altered(cell[:1], lambda row: [m.pop("noise_accuracy_1", None) for m in row["measurements"]]),
        *cell[1:],
    ]
    assert sorted(audit(lacking, cells=1).lines["verdict"]) == ["agrees", "deviates"]


def at(row, when):
    """The measurement of a row at the end of an epoch."""
    return next(m for m in row["measurements"] if m["epoch"] == when and m["reached"] is None)


FORGERIES = {
    "P after one epoch, by little": lambda row: at(row, 1).update(P=at(row, 1)["P"] * 1.0002),
    "P at the end, doubled": lambda row: at(row, 10).update(P=2 * at(row, 10)["P"]),
    "a column, halved": lambda row: [m.update(kappa=m["kappa"] / 2) for m in row["measurements"] if "kappa" in m],
    "an accuracy": lambda row: at(row, 5).update(test_accuracy=at(row, 5)["test_accuracy"] + 0.05),
    "a layer's change": lambda row: at(row, 5).update(relative_change=[0.1] * 3),
    "an undefined value": lambda row: at(row, 5).update(P=None),
    "a value as a text": lambda row: at(row, 5).update(P=str(at(row, 5)["P"])),
    "a moment left out": lambda row: row["measurements"].remove(at(row, 5)),
    "a moment twice": lambda row: row["measurements"].append(dict(at(row, 5))),
    "a moment that was not": lambda row: row["measurements"].append({**at(row, 5), "epoch": 7}),
    "another step": lambda row: at(row, 5).update(step=1),
    "a quantity left out": lambda row: [m.pop("P_train", None) for m in row["measurements"]],
    "a quantity that was not": lambda row: at(row, 5).update(margin=1.0),
    "a matched loss": lambda row: row["measurements"][-1].update(epoch=2.5, step=8),
    "a matched loss without its epoch": lambda row: row["measurements"][-1].update(epoch=[1], reached=0.5),
    "a failure": lambda row: row.update(failure="diverged: the training loss is not finite in epoch 3"),
    "the trace": lambda row: row["trace"].update(kappa=[1.0] * len(row["trace"]["kappa"])),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_row_deviates_and_no_other(honest, forgery):
    def change(row):
        if row["configuration"]["seed"] == 4:
            FORGERIES[forgery](row)

    cell = [row for row in honest if row["configuration"]["width"] == 8]
    lines = audit(altered(cell, change), cells=1).lines
    assert dict(zip(lines["seed"], lines["verdict"], strict=True)) == {3: "agrees", 4: "deviates"}


def test_an_appended_duplicate_is_compared_too(honest):
    forged = copy.deepcopy(honest[0])
    at(forged, 10)["P"] *= 2
    for rows in ([*honest, forged], [forged, *honest]):
        lines = audit(rows, cells=CELLS).lines
        assert (len(lines), (lines["verdict"] == "deviates").sum()) == (8, 1)


@pytest.mark.parametrize(("share", "agrees"), [(5e-3, True), (2e-2, False)])
def test_later_values_may_deviate_by_a_hundredth(honest, share, agrees):
    def change(row):
        at(row, 10)["P"] *= 1 + share

    assert (audit(altered(honest, change), cells=1).deviating == 0) == agrees


def test_the_first_epochs_alone_do_not_see_later_ones_and_say_so(honest):
    outcome = audit(altered(honest, FORGERIES["P at the end, doubled"]), cells=CELLS, epochs=5)
    assert outcome.deviating == 0
    assert (outcome.lines["unseen"] > 20).all()
    assert "were not looked at" in in_words(outcome)


@pytest.mark.parametrize("epoch", [None, [1], "5", -3])
def test_a_measurement_without_its_epoch_deviates_however_few_epochs_are_looked_at(honest, epoch):
    def change(row):
        at(row, 5).update(epoch=epoch)

    cell = [row for row in honest if row["configuration"]["width"] == 12]
    assert audit(altered(cell, change), cells=1, epochs=1).deviating == len(cell)


def test_measurements_without_any_epoch_deviate_whatever_is_looked_at(honest):
    cell = [row for row in honest if row["configuration"]["width"] == 12]
    gone = altered(cell, lambda row: [measurement.pop("epoch") for measurement in row["measurements"]])
    for epochs in (1, None):
        assert audit(gone, cells=1, epochs=epochs).deviating == len(cell)


def test_other_hardware_is_allowed_more(honest):
    def change(row):
        row["provenance"]["hardware"] = "another"
        at(row, 10)["P"] *= 1.02

    rows = altered(honest, change)
    assert audit(rows, cells=CELLS).deviating == 0
    assert [allowed(one, same) for one in (True, False) for same in (True, False)] == [1e-4, 1e-3, 1e-2, 3e-2]


def test_the_values_of_another_seed_deviate(honest):
    rows = copy.deepcopy(honest)
    rows[0]["measurements"], rows[1]["measurements"] = rows[1]["measurements"], rows[0]["measurements"]
    lines = audit(rows, cells=CELLS).lines.set_index(["width", "seed"])["verdict"]
    assert [lines[6, 0], lines[6, 1], lines[6, 2]] == ["deviates", "deviates", "agrees"]


def test_an_undefined_value_agrees_with_nothing_but_itself():
    assert (deviation(None, None), deviation(0.0, 0.0)) == (0, 0)
    for other in (None, "1.0", True, [1.0], float("nan"), float("inf")):
        assert deviation(1.0, other) == float("inf")
    assert deviation([1.0, 2.0], [1.0, 2.2]) == pytest.approx(0.2 / 2.2)


def test_cells_are_drawn_by_the_seed_or_the_date(honest):
    drawn = [tuple(sorted(set(audit(honest, 1, seed, 1).lines["width"]))) for seed in (0, 0, 1, 2, 3, 4, 5)]
    assert drawn[0] == drawn[1]
    assert {len(widths) for widths in drawn} == {1}
    assert len(set(drawn)) > 1
    assert audit(honest, 1, epochs=1).seed == int(time.strftime("%Y%m%d", time.gmtime()))


def test_what_decides_more_is_drawn_more_often_and_the_chances_are_told(honest):
    weights = {row["key"]: 8.0 for row in honest if row["configuration"]["width"] == 6}
    outcome = audit(honest, 1, 0, 1, weights=weights)
    assert sorted(outcome.chances) == pytest.approx([1 / 11, 1 / 11, 9 / 11])
    assert outcome.passing == pytest.approx((2 / 11, 10 / 11))


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"), [("proportional", 60, 1), ("proportional", 200, 4), ("constant", 7, 1)]
)
def test_a_replay_has_the_schedule_and_the_length_of_its_row(small, schedule, epochs, expected):
    rows = train_stack([small(schedule=schedule, epochs=epochs, samples=70)])
    assert audit(rows, epochs=1).lines["verdict"].tolist() == ["agrees"]
    late = altered(rows, lambda row: [m.update(P=9.0) for m in row["measurements"] if (m["epoch"] or 0) > expected])
    assert audit(late, epochs=1).deviating == 0
    assert audit(late).deviating == 1
    early = altered(rows, lambda row: at(row, expected).update(P=at(row, expected)["P"] * 1.0002))
    assert audit(early, epochs=1).lines[["moment", "quantity"]].values.tolist() == [[f"epoch {expected}", "P"]]


@pytest.mark.slow
def test_every_kind_of_task_is_replayed(one_thread):
    rows = [
        *train_stack([EarlyTraining("power-1.5", 16, 2, seed) for seed in (0, 1)]),
        *train_stack([NoiseFitting(16, 4, 16, 2, 3, steps=40)]),
        *train_stack([WidthScan("line", 2, 1.0, 0.0, (8, 16), 3)]),
    ]
    assert audit(rows, cells=3).deviating == 0
    for name in ("P_train", "spectral_product", "kernel_drift"):
        forged = altered(rows, lambda row, name=name: row["measurements"][-1].update({name: 3.25}))
        assert audit(forged, cells=3).deviating >= 1


def test_a_failure_must_fail_again_and_one_that_went_well_later_does_not_count(honest, small):
    failed = train_stack([small(lr=1e30)])
    assert audit(failed).lines["verdict"].tolist() == ["agrees"]
    once = altered(honest[:1], lambda row: row.update(failure="RuntimeError: lost", measurements=[]))
    assert len(audit([*once, *honest], cells=CELLS).lines) == 7
    deadly = altered(failed, lambda row: row.update(failure="WorkerDied: 3 worker processes"))
    with pytest.raises(ValueError, match="there are no rows"):
        audit(deadly)


def test_a_configuration_that_was_altered_is_refused(honest):
    def change(row):
        row["configuration"]["lr"] = 0.2

    with pytest.raises(ValueError, match=r"row \w{16} was altered: its key is \w{16}, its configuration has the key"):
        audit(altered(honest, change))


def test_an_unknown_setting_is_named_with_its_line(store, honest):
    store.append({k: v for k, v in honest[0].items() if k != "schema"})
    store.append(honest[1] | {"configuration": honest[1]["configuration"] | {"warmup": 5}})
    with pytest.raises(ValueError, match=r"rows.jsonl: line 2: a task of kind '' cannot have the settings .*warmup"):
        audit(store.rows())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cells": 0}, "cells must be an integer of at least 1, got 0"),
        ({"epochs": 0}, "epochs must be one of 1, 5, 10, 25, 50, got 0"),
        ({"epochs": True}, "epochs must be one of 1, 5, 10, 25, 50, got True"),
        ({"device": "foo"}, "device must be a torch device such as cpu, cuda or cuda:1, got 'foo'"),
        ({"device": "meta"}, "device 'meta' is not there"),
        ({"epochs": 3}, "epochs must be one of 1, 5, 10, 25, 50, got 3"),
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
    outcome = audit(rows[:1], epochs=1, root=mnist_root)
    assert outcome.lines["verdict"].tolist() == ["agrees"]
    assert outcome.lines["allowed"].tolist() in ([1e-3], [3e-2])  # the row tells no instructions


def test_a_swept_store_passes_its_audit(store, small):
    sweep([small(seed=s) for s in range(3)], store)
    assert audit(store.rows()).deviating == 0


def slow(row):
    """Let a row say that it took long."""
    row["provenance"] = row["provenance"] | {"seconds": 100.0}


def test_a_page_replays_what_it_can_afford_and_says_what_came_of_it(honest):
    quick = altered(honest, lambda row: row.update(provenance=row["provenance"] | {"seconds": 0.1}))
    outcome = audit_of_build(quick, cells=CELLS, widest=8)
    assert set(outcome.lines["width"]) == {6, 8, 12}
    text = in_words(outcome)
    assert "7 rows were computed again with their own seeds: " in text
    assert "digits, unit, he, width 6, depth 3, samples 150," in text  # in the order in which the date draws them
    assert "7 of 7 agree with what is published" in text
    assert "drew 3 of 3 cells: a forgery of one cell passes such a replay with probability 0.000;" in text
    assert "were not looked at" not in text

    rows = altered(honest, slow)
    outcome = audit_of_build(rows, cells=CELLS, widest=8)
    assert set(outcome.lines["width"]) == {6, 8}
    assert (outcome.lines["unseen"] > 0).all()
    assert outcome.passing == (0.0, 1.0)  # the wide cell is never drawn
    assert set(audit_of_build(rows, cells=CELLS, widest=2).lines["width"]) == {6}  # the narrowest that are there
    assert "drew 2 of 3 cells: a forgery of one cell passes such a replay with probability 0.000 to 1.000" in in_words(
        outcome
    )
    forged = altered(rows, lambda row: at(row, 1).update(P=1.0))
    assert "0 of 5 agree" in in_words(audit_of_build(forged, cells=CELLS, widest=8))


def test_a_page_without_the_data_says_so(honest, tmp_path, monkeypatch):
    def mnist(row):
        configuration = Configuration(**{**row["configuration"], "dataset": "mnist"})
        row.update(key=configuration.key, configuration=configuration.asdict())

    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    outcome = audit_of_build(altered(honest, mnist), widest=8)
    assert outcome is None
    assert "No row was replayed" in in_words(outcome)
