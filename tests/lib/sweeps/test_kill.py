"""kill -9 of a sweep at random moments, and two sweeps at once: no row is lost, doubled or another one."""

import json
import subprocess
import sys

import pytest

from lib.experiments import Store

# One process imports everything and starts sweeps as forks of itself: a kill then hits a sweep and not an import.
DRIVER = """
import os, random, signal, sys, time, warnings
from pathlib import Path
import torch
from lib.experiments import Configuration, Store, sweep

torch.set_num_threads(1)
warnings.simplefilter("ignore")  # of the torn lines that kills leave
folder, what = Path(sys.argv[1]), sys.argv[2]
SETTINGS = {"samples": 120, "epochs": 6, "lr": 0.1}
CELLS = [Configuration("digits", "unit", "he", w, 2, s, **SETTINGS) for w in (6, 8, 12) for s in (0, 1, 3, 5, 6, 9)]


def start(name, checkpoints=False):
    child = os.fork()
    if child == 0:
        kept = folder / "checkpoints" if checkpoints else None
        os._exit(sweep(CELLS, Store(folder / name), checkpoints=kept))
    return child


def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


(folder / "checkpoints").mkdir(exist_ok=True)
assert wait(start("whole")) == 0
began = time.monotonic()
assert wait(start("again")) == 0
seconds = time.monotonic() - began
if what == "two":
    children = [start("two"), start("two", checkpoints=True)]
    assert [wait(child) for child in children] == [0, 0]
else:
    chance, kills, stores = random.Random(0), 0, 1
    while kills < 20:
        child = start(f"killed-{stores}", checkpoints=kills % 2 == 1)
        time.sleep(chance.uniform(0, seconds / 4))
        os.kill(child, signal.SIGKILL)
        killed = wait(child) == -signal.SIGKILL
        kills += killed
        stores += not killed  # that sweep was complete: the next kills hit another one
    for number in range(1, stores + 1):
        assert wait(start(f"killed-{number}")) == 0
"""


def measured(store):
    """Every value that rows hold, by key, and the keys in the order of the file."""
    rows = store.rows()
    return {row["key"]: row for row in rows}, [row["key"] for row in rows]


def assert_same_measurements(rows, whole):
    """Compare every measured value; what trained in another stack may differ in an estimator's last bits."""
    assert rows.keys() == whole.keys()
    for key, row in whole.items():
        assert rows[key]["configuration"] == row["configuration"]
        assert rows[key]["failure"] is row["failure"] is None
        for one, other in zip(rows[key]["measurements"], row["measurements"], strict=True):
            if rows[key]["provenance"]["stacked"] == row["provenance"]["stacked"]:
                assert one == other
                continue
            assert one.keys() == other.keys()
            for name, value in other.items():
                assert one[name] == (value if value is None else pytest.approx(value, rel=1e-5, abs=1e-7)), name


@pytest.mark.slow
def test_twenty_kills_lose_no_row_and_double_none(tmp_path):
    subprocess.run([sys.executable, "-c", DRIVER, tmp_path, "kills"], check=True, timeout=300)
    whole, _ = measured(Store(tmp_path / "whole"))
    assert len(whole) == 18
    stores = sorted(path for path in tmp_path.glob("killed-*") if path.suffix != ".sha256")
    assert stores
    for path in stores:
        rows, order = measured(Store(path))
        assert len(order) == len(set(order)) == 18, path.name
        assert_same_measurements(rows, whole)
        assert all(json.loads(line) for line in path.read_text().splitlines())
        altered, new = Store(path).digests()
        assert altered == []
        assert len(new) <= 20  # a kill between a row and its digest


@pytest.mark.slow
def test_two_sweeps_at_once_lose_nothing_and_count_once(tmp_path):
    subprocess.run([sys.executable, "-c", DRIVER, tmp_path, "two"], check=True, timeout=300)
    whole, _ = measured(Store(tmp_path / "whole"))
    store = Store(tmp_path / "two")
    rows, order = measured(store)
    assert_same_measurements(rows, whole)
    assert set(order) == whole.keys()
    assert all(order.count(key) <= 2 for key in order)
    assert len(store.frame()) == len(Store(tmp_path / "whole").frame())
