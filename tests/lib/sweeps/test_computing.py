"""Whatever ends a training, its rows say it; the sweep goes on, counts it, and tries again only when asked."""

import errno

import pytest
import torch

from lib.experiments import sweep, training
from lib.experiments.early import EarlyTraining
from lib.experiments.initial_law import InitialLaw
from lib.experiments.measurement import MATCHED_LOSSES
from lib.experiments.noise_fitting import NoiseFitting
from lib.experiments.regimes import WidthScan
from lib.experiments.untrained import UntrainedNetwork
from lib.sweeps.computing import failed_rows, train_stack

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

    whole = training.train
    monkeypatch.setattr(training, "train", train)
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
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_an_exception_is_a_row_with_its_reason_counted_and_tried_again_on_demand(
    store, small, monkeypatch, error, reason
):
    whole, tries = training.train, []

    def train(network, *arguments, **options):
        tries.append(network.width)
        if network.width == 16:
            raise error
        return whole(network, *arguments, **options)

    cells = [small(width=16, seed=0), small(width=16, seed=1), small(width=8)]
    with monkeypatch.context() as patched:
        patched.setattr(training, "train", train)
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


NO_ROOM = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("training needs 9 GiB."), MemoryError),
        (torch.OutOfMemoryError("CUDA out of memory"), MemoryError),
        (RuntimeError(NO_ROOM), MemoryError),
        (OSError(errno.ENOSPC, "No space left on device", "/kept/x"), OSError),
        (PermissionError(errno.EACCES, "Permission denied", "/kept/x"), OSError),
        (FileNotFoundError("data set mnist is not in /nowhere"), OSError),
        (RuntimeError("can't start new thread"), OSError),
        (torch.AcceleratorError("CUDA error: device-side assert"), OSError),
        (ModuleNotFoundError("No module named 'torchvision'"), ImportError),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:30]),
)
def test_what_the_machine_lacks_stops_the_sweep_and_is_no_row(store, small, monkeypatch, error, kind):
    def lack(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(training, "train", lack)
        with pytest.raises(
            kind, match=r"; this stopped Configuration\(.*\), .* are kept: .* run the sweep again"
        ) as told:
            sweep([small()], store)
    assert str(told.value).startswith(str(error).rstrip("."))
    assert len(str(told.value).splitlines()) == 1
    assert store.rows() == []
    assert sweep([small()], store) == 0


def test_a_device_that_a_task_cannot_use_is_refused_not_recorded():
    scan = WidthScan("line", 2, 1.0, 0.0, (8,), seed=3)
    with pytest.raises(ValueError, match=r"device must be cpu for scans over widths .* got 'cuda'"):
        train_stack([scan], device="cuda")


def test_an_interrupt_is_no_failure(store, small, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupt)
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


TASKS = {
    "training": lambda small: small(),
    "early": lambda small: EarlyTraining("power-1.5", 16, 2, 0, in_features=4, lr=0.2),
    "scan": lambda small: WidthScan("line", 2, 1.0, 0.0, (8,), seed=3),
    "noise": lambda small: NoiseFitting(16, 4, 8, 2, 0, steps=100),
    "untrained": lambda small: UntrainedNetwork("he", 8, 2, 3, in_features=4, out_features=2),
    "law": lambda small: InitialLaw("he", 8, 2, 3, in_features=4, out_features=2, draws=1_000),
}


@pytest.mark.parametrize("kind", TASKS)
def test_a_pause_holds_every_kind_of_task_until_it_is_lifted(small, tmp_path, monkeypatch, kind):
    pause, slept = tmp_path / "pause", []
    pause.touch()

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            pause.unlink()

    monkeypatch.setattr("lib.rows.task.time.sleep", sleep)
    (row,) = train_stack([TASKS[kind](small)], pause=pause)
    assert slept == [1, 1, 1]
    assert row["failure"] is None
