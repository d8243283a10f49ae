"""Sweeps share the machine, a benchmark has it for itself: two processes and one lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lib.experiments import sweep, training
from lib.sweeps import machine

# The module by its file: importing the package would import torch in every process.
HOLD = f"""
import runpy, sys
with runpy.run_path({machine.__file__!r})[sys.argv[1]]():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a lock that no real sweep on this machine holds, in child processes too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def other(request: pytest.FixtureRequest):
    """Start a process that holds the machine, for sweeps or for a benchmark, until it is told to end."""

    def start(how: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        request.addfinalizer(lambda: _end(process))
        assert process.stdout.readline() == "held\n"
        return process

    return start


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize("how", ["sweeping", "measuring"])
def test_a_benchmark_is_refused_while_another_process_computes(other, how):
    process = other(how)
    with pytest.raises(BlockingIOError, match="a sweep or another benchmark is running on this machine"):
        machine.measuring().__enter__()
    process.communicate("\n")
    with machine.measuring():
        pass


def test_sweeps_run_beside_each_other(other):
    other("sweeping")
    with machine.sweeping(), machine.sweeping():
        pass


def test_a_sweep_waits_for_a_benchmark_of_another_process(other, tmp_path):
    benchmark = other("measuring")
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLD, "sweeping"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr.readline() == "waiting: a benchmark is measuring on this machine.\n"
    benchmark.communicate("\n")
    assert waiting.communicate("\n")[0] == "held\n"
    assert waiting.returncode == 0


def test_a_benchmark_runs_its_own_sweeps():
    with machine.measuring(), machine.sweeping():
        pass
    with machine.sweeping(), pytest.raises(BlockingIOError):
        machine.measuring().__enter__()


def test_a_killed_process_holds_nothing(other):
    process = other("measuring")
    process.kill()
    process.wait()
    with machine.measuring():
        pass


def test_a_sweep_says_that_it_runs(monkeypatch, store, small):
    train, asked = training.train, []

    def spy(*arguments, **options):
        with pytest.raises(BlockingIOError):
            machine.measuring().__enter__()
        asked.append(arguments)
        return train(*arguments, **options)

    monkeypatch.setattr(training, "train", spy)
    assert sweep([small()], store) == 0
    assert asked
    with machine.measuring():
        pass
