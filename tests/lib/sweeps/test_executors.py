"""Wherever stacks train, the rows are the same; workers end with the sweep that started them."""

import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import SimpleNamespace

import psutil
import pytest
import torch

from lib.experiments import Store, sweep
from lib.sweeps import executors
from lib.sweeps.computing import failed_rows


def content(store):
    """What rows say about their trainings: everything but how and when they were made."""
    return {
        row["key"]: {name: row[name] for name in ("configuration", "measurements", "failure")} for row in store.rows()
    }


SCRIPT = """
import sys
import torch
from lib.experiments import Configuration, Store, sweep

SETTINGS = {"samples": 200, "epochs": EPOCHS, "lr": 0.1}
CELLS = [Configuration("digits", "unit", "he", w, 2, s, **SETTINGS) for w in (8, 16) for s in (0, 1, 4)]
if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    sweep(CELLS, Store(sys.argv[1]))
"""


def script(folder, epochs):
    """Write the script that sweeps six small cells with as many threads as it is told."""
    path = folder / "cells.py"
    path.write_text(SCRIPT.replace("EPOCHS", str(epochs)))
    return path


def wait_until(condition, process, seconds=120):
    """Wait for something that happens in another process; fail when that ends or nothing happens."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def pool_workers(parent):
    """The worker processes of a sweep, without the process that tracks their shared resources."""
    return [child for child in psutil.Process(parent).children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_the_default_pool_gives_the_rows_of_one_process(tmp_path):
    for threads in ("1", "2"):
        subprocess.run([sys.executable, script(tmp_path, 3), tmp_path / f"{threads}.jsonl", threads], check=True)
    here, pooled = Store(tmp_path / "1.jsonl"), Store(tmp_path / "2.jsonl")
    assert content(here) == content(pooled)
    assert len(content(here)) == 6
    assert {row["provenance"]["threads"] for row in pooled.rows()} == {1}


@pytest.mark.slow
def test_workers_leave_when_their_sweep_is_killed_and_it_goes_on_to_the_same_rows(tmp_path):
    path, killed, whole = script(tmp_path, 400), tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    process = subprocess.Popen([sys.executable, path, killed, "2"])
    wait_until(lambda: killed.exists() and killed.read_bytes().count(b"\n") >= 1, process)
    workers = pool_workers(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert (len(gone), alive) == (2, [])
    assert len(Store(killed).keys()) < 6
    for store, threads in ((killed, "2"), (whole, "1")):
        subprocess.run([sys.executable, path, store, threads], check=True)
    assert len(Store(killed).rows()) == 6
    assert content(Store(killed)).keys() == content(Store(whole)).keys()
    for key, row in content(Store(whole)).items():
        assert content(Store(killed))[key]["measurements"][-4]["P"] == pytest.approx(
            row["measurements"][-4]["P"], rel=1e-5
        )


@pytest.mark.slow
def test_a_worker_that_is_killed_from_outside_costs_no_row(tmp_path):
    path, store = script(tmp_path, 400), tmp_path / "rows.jsonl"
    with subprocess.Popen([sys.executable, path, store, "2"], stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: store.exists() and store.read_bytes().count(b"\n") >= 1, process)
        pool_workers(process.pid)[0].kill()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")
    rows = Store(store).rows()
    assert [row["failure"] for row in rows] == [None] * 6
    assert len({row["key"] for row in rows}) == 6


KILLER = """
import os, signal, sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
import torch
from lib.experiments import Store, sweep
from lib.rows import Conditions, Outcome, Task


@dataclass(frozen=True)
class Number(Task):
    kind: ClassVar[str] = "number"
    number: int
    seed: int = 0

    def prepare(self, conditions: Conditions) -> None:
        pass

    def seconds(self, replicas: int) -> float:
        return -float(self.number)  # the killer, number 0, comes first

    @classmethod
    def compute(cls, stack: Sequence["Number"], conditions: Conditions) -> Outcome:
        if stack[0].number == 0:
            with open(conditions.checkpoints, "a") as file:
                file.write("died\\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome([[{"n": task.number}] for task in stack], [None] * len(stack), 0.0, 0.0)


if __name__ == "__main__":
    torch.set_num_threads(2)
    print(sweep([Number(n) for n in range(10)], Store(sys.argv[1]), checkpoints=sys.argv[2]))
"""


@pytest.mark.slow
def test_a_configuration_that_kills_its_workers_is_tried_last_counted_and_a_failure(tmp_path):
    path, store, deaths = tmp_path / "killer.py", Store(tmp_path / "rows.jsonl"), tmp_path / "deaths"
    path.write_text(KILLER)
    command = [sys.executable, path, store.path, deaths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["1"], "")
    rows = store.rows()
    assert {row["configuration"]["number"] for row in rows if row["failure"] is None} == set(range(1, 10))
    assert (rows[-1]["configuration"]["number"], len(rows)) == (0, 10)
    assert rows[-1]["failure"].startswith("WorkerDied: 3 worker processes that computed it died")
    assert deaths.read_text().count("died") == 3
    assert subprocess.run(command, capture_output=True, text=True, timeout=300).stdout.split() == ["0"]


UNGUARDED = """
import sys
import torch
from lib.experiments import Configuration, Store, sweep

torch.set_num_threads(2)
SETTINGS = {"samples": 100, "epochs": 2, "lr": 0.1}
sweep([Configuration("digits", "unit", "he", w, 2, 0, **SETTINGS) for w in (8, 16)], Store(sys.argv[1]))
"""


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_sweep_and_are_no_failures(tmp_path):
    path, store = tmp_path / "unguarded.py", Store(tmp_path / "rows.jsonl")
    path.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, path, store.path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("ChildProcessError: no worker process could start; all rows")
    assert store.rows() == []


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_sweep_stops_its_workers_at_once(tmp_path):
    path, store = script(tmp_path, 100_000), tmp_path / "rows.jsonl"
    with subprocess.Popen([sys.executable, path, store, "2"], stderr=subprocess.PIPE) as process:
        wait_until(lambda: len(pool_workers(process.pid)) == 2, process)
        workers = pool_workers(process.pid)
        wait_until(lambda: all(worker.cpu_times().user > 3 for worker in workers), process)  # they train
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert psutil.wait_procs(workers, timeout=20)[1] == []


@pytest.mark.slow
def test_a_given_executor_gives_the_rows_of_one_process(tmp_path, small, one_thread):
    cells = [small(seed=s, width=w) for w in (8, 16) for s in (0, 1, 4)]
    here, there = Store(tmp_path / "here.jsonl"), Store(tmp_path / "there.jsonl")
    sweep(cells, here)
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        sweep(cells, there, executor=executor)
    assert content(here) == content(there)


class Deferred(Executor):
    """Run the first task when it is submitted and leave all others waiting."""

    def __init__(self):
        self.futures = []

    def submit(self, function, /, *arguments, **options):
        future = Future()
        if not self.futures:
            future.set_result(function(*arguments, **options))
        self.futures.append(future)
        return future


def test_a_sweep_that_ends_early_cancels_the_rest(store, small, monkeypatch):
    def refuse(row):
        raise OSError("the disk is full")

    executor = Deferred()
    monkeypatch.setattr(store, "append", refuse)
    with pytest.raises(OSError, match="the disk is full"):
        sweep([small(seed=s) for s in (0, 2, 4, 6)], store, executor=executor)
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True]


@pytest.mark.parametrize("error", [OSError("no room"), MemoryError("no memory"), ImportError("no torchvision")])
def test_what_a_worker_lacks_ends_the_sweep_and_is_no_row(store, small, monkeypatch, error):
    def lack(*_, **__):
        raise error

    monkeypatch.setattr("lib.experiments.training.train", lack)
    with ThreadPoolExecutor(1) as executor, pytest.raises(type(error), match=r"no \w+; this stopped Configuration"):
        sweep([small(), small(width=16)], store, executor=executor)
    assert store.rows() == []


class Answering(Executor):
    """Answer every task in the same way."""

    def __init__(self, answer):
        self.answer = answer

    def submit(self, function, /, *arguments, **options):
        future = Future()
        self.answer(future, arguments)
        return future


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (
            lambda f, _: f.set_exception(BrokenProcessPool("gone")),
            ChildProcessError,
            "a worker process of the executor died, .* are kept",
        ),
        (
            lambda f, _: f.cancel() and f.set_running_or_notify_cancel(),
            ConnectionError,
            "the executor gave up the work, .* all rows so far are kept: run the",
        ),
        (
            lambda f, _: f.set_exception(ModuleNotFoundError("No module named 'lib'")),
            ModuleNotFoundError,
            "named 'lib'",
        ),
    ],
)
def test_an_executor_that_fails_ends_the_sweep_and_leaves_no_row(store, small, answer, error, sentence):
    with pytest.raises(error, match=sentence):
        sweep([small()], store, executor=Answering(answer))
    assert store.rows() == []


def test_a_stack_that_kills_its_workers_is_a_failure_with_a_reason(store, small):
    distributed = pytest.importorskip("distributed")

    def answer(future, arguments):
        (stack, *_) = arguments
        if stack[0].width == 16:
            future.set_exception(distributed.KilledWorker("train_stack-1", SimpleNamespace(address="tcp://w"), 3))
        else:
            future.set_result(executors.train_stack(*arguments))

    assert sweep([small(), small(width=16)], store, executor=Answering(answer)) == 1
    failures = {row["configuration"]["width"]: row["failure"] for row in store.rows()}
    assert failures[8] is None
    assert failures[16].startswith("KilledWorker: ")


class Cluster(Executor):
    """A Dask cluster whose workers come and go, seen by its client, and that never computes anything."""

    def __init__(self, workers):
        self.workers = iter(workers)
        self._client = SimpleNamespace(nthreads=self.nthreads)

    def nthreads(self):
        seen = next(self.workers)
        if isinstance(seen, Exception):
            raise seen
        return dict.fromkeys(range(seen), 1)

    def submit(self, function, /, *arguments, **options):
        return Future()


@pytest.mark.parametrize(
    ("workers", "sentence", "said"),
    [
        ([2, 1, 0, 0, 0], "the cluster has had no worker for 0.05 s; all rows so far are kept: start workers", ""),
        ([0, 0, 1, 0, 0, 0], "the cluster has had no worker for", "waiting: the cluster has no workers yet.\n"),
        ([1, OSError("closed")], r"the cluster's scheduler does not answer any more \(closed\); all rows", ""),
    ],
)
def test_a_cluster_that_lost_its_workers_is_named(store, small, monkeypatch, capsys, workers, sentence, said):
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_LOOK_EVERY", 0.04)
    monkeypatch.setattr(executors, "_GONE_AFTER", 0.05)
    with pytest.raises(ConnectionError, match=sentence):
        sweep([small()], store, executor=Cluster(workers))
    assert capsys.readouterr().err == said
    assert store.rows() == []


def test_a_cluster_whose_workers_die_as_they_get_the_work_is_named(store, small, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_LOOK_EVERY", 0.04)
    monkeypatch.setattr(executors, "_GONE_AFTER", 0.05)

    class Dying(Cluster):
        def submit(self, function, /, *arguments, **options):
            self.workers = iter([0] * 9)
            return super().submit(function, *arguments, **options)

    with pytest.raises(ConnectionError, match="the cluster has had no worker for"):
        sweep([small()], store, executor=Dying([1]))


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", 3.5])
def test_what_is_no_device_is_refused(store, small, device):
    with pytest.raises(ValueError, match="device must be a torch device such as cpu, cuda or cuda:1, got"):
        sweep([small()], store, device=device)
    assert not store.path.exists()


@pytest.mark.parametrize("device", ["meta", "xla", "cuda:99"])
def test_a_device_that_computes_nothing_here_is_refused(store, small, device):
    with pytest.raises(ValueError, match=rf"^device '{device}' is not there: torch \S+ .*; use 'cpu'\.$"):
        sweep([small()], store, device=device)
    assert not store.path.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_refused_here_but_not_for_a_cluster(store, small):
    with pytest.raises(ValueError, match=r"device 'cuda' is not there: torch \S+ sees no CUDA device; use 'cpu'"):
        sweep([small()], store, device="cuda")
    seen = []

    def answer(future, arguments):
        seen.append(arguments[1])
        future.set_result(failed_rows(arguments[0], "not here"))

    sweep([small()], store, device="cuda", executor=Answering(answer))
    assert seen == ["cuda"]


@pytest.mark.parametrize(
    ("configurations", "into", "sentence"),
    [
        ([{"width": 8}], None, "sweep takes Task objects here, got the dict"),
        (["he"], None, "sweep takes Task objects here, got the str 'he'"),
        ([], "rows.jsonl", "sweep takes Store objects here, got the str 'rows.jsonl'"),
    ],
)
def test_what_is_no_configuration_or_store_is_refused(store, small, configurations, into, sentence):
    with pytest.raises(TypeError, match=sentence):
        sweep([small(), *configurations], into or store)
    assert not store.path.exists()


def test_one_configuration_is_no_list(store, small):
    with pytest.raises(TypeError, match="not iterable"):
        sweep(small(), store)


def test_a_store_that_cannot_be_written_is_refused_before_anything_trains(tmp_path, small, monkeypatch):
    monkeypatch.setattr(executors, "train_stack", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(OSError, match=r"store \S+ could not be written \(No such file or directory\)"):
        sweep([small()], Store(tmp_path / "nowhere" / "rows.jsonl"))
