"""Every command of `python -m lib.experiments`, its exit code and, where something is wrong, its one sentence."""

import json
import os
import subprocess
import sys

import pytest

from lib.experiments import Store, sweep
from lib.experiments import __main__ as command_line
from lib.experiments.__main__ import main

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def tiny(monkeypatch, small):
    """Two experiments that take no time and share a configuration."""
    experiments = {"one": lambda: [small(), small(seed=1)], "two": lambda: [small(seed=1), small(seed=2)]}
    monkeypatch.setattr(command_line, "EXPERIMENTS", experiments)
    return experiments


@pytest.fixture
def said(capsys):
    """Run a command; return its exit code, its output and its lines on standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


def test_experiments_are_run_once_and_counted(said, tmp_path):
    assert said("--results", tmp_path, "run", "one", "two", "--checkpoints", tmp_path / "kept") == (0, "", [])
    assert len(Store(tmp_path / "one.jsonl").rows()) == 2
    assert len(Store(tmp_path / "two.jsonl").rows()) == 1  # the other one is in the first
    code, out, _ = said("--results", tmp_path, "status")
    assert (code, [line.split() for line in out.splitlines()]) == (
        0,
        [["one", "2", "of", "2", "rows"], ["two", "2", "of", "2", "rows"]],
    )
    assert list((tmp_path / "kept").iterdir()) == []


def test_failures_are_counted_and_tried_again_on_demand(said, tmp_path, tiny, small):
    tiny["one"] = lambda: [small(lr=1e30)]
    expected = ["1 trainings failed; their rows say why, --retry trains them again."]
    assert said("--results", tmp_path, "run", "one") == (1, "", expected)
    assert said("--results", tmp_path, "run", "one") == (0, "", [])
    assert said("--results", tmp_path, "run", "one", "--retry") == (1, "", expected)


def test_an_audit_says_what_agrees(said, store, small):
    sweep([small(seed=s) for s in range(2)], store)
    code, out, err = said("audit", store.path, "--cells", 1, "--seed", 3)
    assert (code, err) == (0, [])
    assert out.splitlines()[-1] == "2 of 2 replicas agree; seed 3 drew the cells."
    assert out.count("agrees") == 2


def test_an_audit_of_altered_rows_fails(said, store, small):
    sweep([small(seed=s) for s in range(2)], store)
    rows = store.rows()
    for measurement in rows[1]["measurements"]:
        if measurement["epoch"] == 1:
            measurement["P"] *= 1.001
    store.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = said("audit", store.path)
    assert code == 1
    assert out.splitlines()[-1] == "1 of 2 replicas agree; seed 0 drew the cells."
    assert sum("deviates" in line and "0.0001" in line for line in out.splitlines()) == 1


def test_stores_are_merged_and_conflicts_shown(said, tmp_path, small):
    a, b, into = (tmp_path / f"{name}.jsonl" for name in "abc")
    sweep([small(seed=0), small(seed=2)], Store(a))
    sweep([small(seed=1)], Store(b))
    row = Store(a).rows()[0]
    row["measurements"][0]["P"] *= 2
    Store(b).append(row)
    code, out, err = said("merge", a, b, "-o", into)
    assert code == 1
    assert out.splitlines()[-1] == f"{into} has rows of 2 configurations."
    assert row["key"] in out
    assert err == ["1 configurations have rows that do not agree; none of them was merged."]
    assert Store(into).keys() == {small(seed=s).key for s in (1, 2)}
    assert said("merge", b, "-o", tmp_path / "d.jsonl")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("audit", "nothing.jsonl"),
            "store nothing.jsonl does not exist; give .jsonl files such as",
        ),
        (("merge", "nothing.jsonl", "-o", "into.jsonl"), "store nothing.jsonl does not exist; give the .jsonl files"),
        (("audit", "newer.jsonl"), "store newer.jsonl: line 1 has schema 2, newer than this library's 1; update the"),
        (("merge", "newer.jsonl", "-o", "into.jsonl"), "store newer.jsonl: line 1 has schema 2, newer than this"),
        (("--results", ".", "run", "one"), "store newer.jsonl: line 1 has schema 2, newer than this library's 1"),
        (("--results", "nowhere", "run", "one"), "store nowhere/one.jsonl could not be written (No such file or"),
        (("--results", "empty", "run", "one", "--device", "gpu"), "device must be a torch device such as cpu, cuda"),
    ],
)
def test_what_is_wrong_is_one_sentence(said, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    content = json.dumps({"schema": 2, "key": "k"}) + "\n"
    (tmp_path / "newer.jsonl").write_text(content)
    code, out, err = said(*arguments)
    assert (code, out, len(err)) == (1, "", 1)
    assert err[0].startswith(f"error: {sentence}")
    assert (tmp_path / "newer.jsonl").read_text() == content
    assert not (tmp_path / "into.jsonl").exists()


def test_an_interrupt_is_one_sentence(said, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "sweep", interrupt)
    code, _, err = said("--results", tmp_path, "run", "one")
    assert (code, err) == (130, ["interrupted: the rows so far are kept, and the same command goes on from there."])


FULL_DISK = """
import resource, signal, sys
from lib.experiments import Configuration, __main__ as command_line
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails as one on a full disk does
resource.setrlimit(resource.RLIMIT_FSIZE, (14_000, resource.RLIM_INFINITY))
settings = {"samples": 100, "epochs": 2, "lr": 0.1}
cells = [Configuration("digits", "unit", "he", 8, 2, seed, **settings) for seed in range(0, 20, 2)]
command_line.EXPERIMENTS = {"one": lambda: cells}
sys.exit(command_line.main(["--results", sys.argv[1], "run", "one"]))
"""


def test_a_disk_that_fills_during_a_sweep_keeps_every_row_so_far(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(
        f"error: store {tmp_path / 'one.jsonl'} could not be written (File too large); the rows in"
    )
    rows = Store(tmp_path / "one.jsonl").rows()  # a torn line would warn, and a warning is an error
    assert 1 <= len(rows) < 10
    assert all(row["failure"] is None for row in rows)
