"""A Dask cluster for real, on loopback: its rows are ours, a worker may be killed, one parameter reaches it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from lib.experiments import Store, sweep
from lib.sweeps import executors

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
DASK = [sys.executable, "-m", "dask"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler, a way to start workers, and those that were started; yields (address, start, workers)."""
    folder = tmp_path_factory.mktemp("cluster")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    with ExitStack() as processes:

        def start(*arguments):
            process = subprocess.Popen([*DASK, *arguments], cwd=folder, **quiet)
            processes.callback(process.wait)
            processes.callback(process.kill)
            return process

        file = folder / "scheduler.json"
        scheduler = start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"), "--scheduler-file", str(file)
        )
        end = time.monotonic() + 120
        while not file.exists() or not file.read_text():
            assert scheduler.poll() is None, "the scheduler has ended"
            assert time.monotonic() < end, "the scheduler did not start"
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        workers = []

        def work():
            workers.append(start("worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"))
            return workers[-1]

        yield address, work, workers


KILLING = """
import os, signal, sys, threading, time
from pathlib import Path
import torch
from distributed import Client
from lib.experiments import Configuration, Store, sweep

torch.set_num_threads(1)
address, store, pause, victim = sys.argv[1], Store(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
SETTINGS = {"samples": 100, "epochs": 3, "lr": 0.1}
CELLS = [Configuration("digits", "unit", "he", w, 2, s, **SETTINGS) for w in (6, 8, 12) for s in (0, 1, 4)]
with Client(address) as client:
    client.wait_for_workers(2, timeout=120)
    assert victim in client.run(os.getpid).values()
    pause.touch()  # trainings that have begun wait
    work = threading.Thread(target=sweep, args=(CELLS, store, client.get_executor()), kwargs={"pause": pause})
    work.start()
    busy = lambda: client.run(lambda dask_worker: len(dask_worker.state.executing))
    while min(busy().values()) < 1:
        time.sleep(0.05)
    os.kill(victim, signal.SIGKILL)
    pause.unlink()
    work.join()
"""


def content(store):
    return {row["key"]: (row["configuration"], row["measurements"], row["failure"]) for row in store.rows()}


def test_a_killed_worker_leaves_its_work_to_the_others(cluster, tmp_path, small, one_thread):
    address, start, _ = cluster
    _survivor, victim = start(), start()
    there = Store(tmp_path / "there.jsonl")
    command = [sys.executable, "-c", KILLING, address, there.path, tmp_path / "pause", str(victim.pid)]
    subprocess.run(command, check=True, timeout=300, stderr=subprocess.DEVNULL)
    assert victim.wait() == -signal.SIGKILL
    here = Store(tmp_path / "here.jsonl")
    sweep([small(width=w, seed=s, samples=100, epochs=3) for w in (6, 8, 12) for s in (0, 1, 4)], here)
    assert content(there) == content(here)
    assert len(there.rows()) == 9


DYING = """
import os, signal, sys, threading, time
from pathlib import Path
import torch
from distributed import Client
from lib.experiments import Configuration, Store, sweep

torch.set_num_threads(1)
address, store, pause, workers = sys.argv[1], Store(sys.argv[2]), Path(sys.argv[3]), [int(w) for w in sys.argv[4:]]
pause.touch()
with Client(address) as client:
    client.wait_for_workers(len(workers), timeout=240)

def kill():
    with Client(address) as client:
        # A worker that another test killed may still be listed.
        while not any(client.run(lambda dask_worker: len(dask_worker.state.executing), on_error="ignore").values()):
            time.sleep(0.05)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)

threading.Thread(target=kill).start()
try:
    sweep([Configuration("digits", "unit", "he", 6, 2, 0, samples=100, epochs=3)], store, address, pause=pause)
except ConnectionError as error:
    print(error)
"""


def test_a_cluster_whose_workers_are_all_dead_is_told_within_a_minute(cluster, tmp_path):
    address, start, workers = cluster
    start()
    alive = [str(worker.pid) for worker in workers if worker.poll() is None]  # another test's, too
    command = [sys.executable, "-c", DYING, address, tmp_path / "rows.jsonl", tmp_path / "pause", *alive]
    done = subprocess.run(
        command, check=True, timeout=600, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert executors._GONE_AFTER + 2 * executors._LOOK_EVERY < 60
    assert done.stdout.startswith("the cluster has had no worker for 30 s; all rows so far are kept: start workers and")
    assert Store(tmp_path / "rows.jsonl").rows() == []


COMMAND_LINE = """
import sys
from lib.experiments import Configuration, __main__ as command_line, plan
cells = lambda round: [Configuration("digits", "unit", "he", 8, 2, 0, samples=100, epochs=2, lr=0.1)]
plan.EXPERIMENTS = {"tiny": cells}
sys.exit(command_line.main(sys.argv[1:]))
"""


def run(*arguments):
    command = [sys.executable, "-c", COMMAND_LINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"})


def test_the_command_line_reaches_a_cluster_by_one_parameter(cluster, tmp_path):
    address, start, _ = cluster
    start()
    done = run("--results", tmp_path, "run", "tiny", "--scheduler", address)
    assert done.returncode == 0, done.stderr
    (row,) = Store(tmp_path / "tiny.jsonl").rows()
    assert row["failure"] is None
    assert row["provenance"]["threads"] == 1  # the workers' number; the command itself had two


def test_an_address_at_which_nobody_answers_is_one_sentence(tmp_path):
    done = run("--results", tmp_path, "run", "tiny", "--scheduler", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said.startswith("error: no Dask scheduler answers at 'tcp://127.0.0.1:1'")
    assert "start one with `dask scheduler`" in said
    assert "Traceback" not in done.stderr
    assert Store(tmp_path / "tiny.jsonl").rows() == []
