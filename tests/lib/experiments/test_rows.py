"""Whatever ends a training, its rows say it; the sweep goes on, counts it, and tries again only when asked."""

import pytest
import torch

from lib.experiments import rows, sweep
from lib.experiments.measurement import MATCHED_LOSSES
from lib.experiments.rows import failed_rows, train_stack

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_divergence_is_a_reason_with_its_epoch(small):
    first, second = train_stack([small(lr=1e30, seed=0), small(lr=1e30, seed=1)])
    assert first["failure"].startswith("diverged: the training loss is not finite in epoch ")
    assert second["failure"].startswith("diverged: ")
    assert first["measurements"][0]["P"] > 0  # what was measured before stays
    assert first["measurements"][-4]["P"] is None


def test_a_diverged_replica_does_not_fail_its_neighbours(small, monkeypatch):
    def train(network, *arguments, **options):
        history = whole(network, *arguments, **options)
        history.loss[1][1] = torch.nan
        return history

    whole = rows.train
    monkeypatch.setattr(rows, "train", train)
    failures = [row["failure"] for row in train_stack([small(seed=s) for s in range(3)])]
    assert failures == [None, "diverged: the training loss is not finite in epoch 2", None]


def test_a_matched_loss_is_reported_once_reached_or_not(small):
    (row,) = train_stack([small(epochs=40, samples=400, lr=0.5, schedule="constant")])
    matched = {m["reached"]: m for m in row["measurements"] if m.get("reached") is not None}
    assert set(matched) == set(MATCHED_LOSSES)
    reached = [value for value in MATCHED_LOSSES if matched[value]["epoch"] is not None]
    assert reached == [1.0]
    assert matched[1.0]["train_loss"] <= 1.0
    assert matched[1.0]["step"] % 100 == 0
    assert matched[0.3] == {"epoch": None, "step": None, "reached": 0.3}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("the device was lost"), "RuntimeError: the device was lost"),
        (MemoryError("training needs 9 GiB"), "MemoryError: training needs 9 GiB"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_an_exception_is_a_row_with_its_reason_counted_and_tried_again_on_demand(
    store, small, monkeypatch, error, reason
):
    whole, tries = rows.train, []

    def train(network, *arguments, **options):
        tries.append(network.width)
        if network.width == 16:
            raise error
        return whole(network, *arguments, **options)

    cells = [small(width=16, seed=0), small(width=16, seed=1), small(width=8)]
    with monkeypatch.context() as patched:
        patched.setattr(rows, "train", train)
        assert sweep(cells, store) == 2
        assert sweep(cells, store) == 0
        assert sorted(tries) == [8, 16]
    failures = {row["key"]: row["failure"] for row in store.rows()}
    assert failures == {cells[0].key: reason, cells[1].key: reason, cells[2].key: None}
    assert all(row["measurements"] == [] for row in store.rows() if row["failure"])
    assert sweep(cells, store, retry=True) == 0
    assert len(store.rows()) == 5
    assert store.keys(failed=False) == {cell.key for cell in cells}
    assert set(store.frame()["failure"].isna()) == {True}


def test_an_interrupt_is_no_failure(store, small, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sweep([small()], store)
    assert store.rows() == []


def test_rows_of_which_only_the_reason_is_known_have_the_form_of_all_others(small):
    cells = [small(seed=s) for s in (0, 1)]
    lost, whole = failed_rows(cells, "lost"), train_stack(cells)
    for one, other in zip(lost, whole, strict=True):
        assert one.keys() == other.keys()
        assert one["provenance"].keys() == other["provenance"].keys()
        assert (one["key"], one["configuration"]) == (other["key"], other["configuration"])
        assert (one["measurements"], one["failure"]) == ([], "lost")


def test_a_pause_holds_a_training_until_it_is_lifted(small, tmp_path, monkeypatch):
    pause, slept = tmp_path / "pause", []
    pause.touch()

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            pause.unlink()

    monkeypatch.setattr(rows.time, "sleep", sleep)
    (row,) = train_stack([small()], pause=pause)
    assert slept == [1, 1, 1]
    assert row["failure"] is None
