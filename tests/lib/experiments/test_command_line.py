"""Every command of `python -m lib.experiments`, its exit code and, where something is wrong, its one sentence."""

import json
import os
import re
import subprocess
import sys

import pytest

from lib.experiments import Store, plan, sweep
from lib.experiments.__main__ import main
from lib.rows import RESULTS, audits, digests

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def tiny(monkeypatch, small):
    """Two experiments that take no time and share a configuration."""
    experiments = {
        "one": lambda round: [small(), small(seed=1)] if round == 1 else [],
        "two": lambda round: [small(seed=1)] if round == 1 else [small(seed=2)],
    }
    monkeypatch.setattr(plan, "EXPERIMENTS", experiments)
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
    assert (code, [" ".join(line.split()) for line in out.splitlines()]) == (
        0,
        ["one round 1 2 of 2 rows", "two round 1 1 of 1 rows", "two round 2 1 of 1 rows"],
    )
    assert list((tmp_path / "kept").iterdir()) == []


def test_failures_are_counted_and_tried_again_on_demand(said, tmp_path, tiny, small):
    tiny["one"] = lambda round: [small(lr=1e30)] if round == 1 else []
    expected = "trainings failed{}; their rows say why, --retry trains them again."
    assert said("--results", tmp_path, "run", "one") == (1, "", ["1 " + expected.format("")])
    assert said("--results", tmp_path, "run", "one") == (1, "", ["0 " + expected.format(" and 1 before")])
    code, out, err = said("--results", tmp_path, "status")
    assert (code, out.splitlines()[0].split()) == (1, ["one", "round", "1", "0", "of", "1", "rows,", "1", "failed"])
    assert err == ["what failed says why in its row; `run EXPERIMENT --retry` trains it again."]
    assert said("--results", tmp_path, "run", "one", "--retry") == (1, "", ["1 " + expected.format("")])


def test_an_audit_says_what_agrees_and_what_passes(said, store, small):
    sweep([small(seed=s, width=w) for s in range(2) for w in (8, 12)], store)
    code, out, err = said("audit", store.path, "--cells", 1, "--seed", 3)
    assert (code, err) == (0, [])
    *_, agree, chance = out.splitlines()
    assert agree.startswith("2 of 2 replicas agree, in ")
    assert chance == "seed 3 drew 1 of 2 cells; a forgery of one passes with probability 0.500."
    code, out, _ = said("audit", store.path, "--epochs", 1)
    assert (code, "were not looked at" in out) == (0, True)


def test_an_audit_of_single_rows_takes_these_and_no_others(said, store, small):
    sweep([small(seed=s) for s in range(3)], store)
    keys = [row["key"] for row in store.rows()]
    code, out, err = said("audit", store.path, "--key", keys[0], "--key", keys[2])
    assert (code, err) == (0, [])
    assert out.splitlines()[-2].startswith("2 of 2 replicas agree, in ")
    code, _, err = said("audit", store.path, "--key", "0123456789abcdef")
    assert code == 1 and err[0].startswith("error: --key must be that of a row in these stores, got 0123456789abcdef")


def test_outcomes_are_kept_on_demand_and_counted_by_status(said, tmp_path, small):
    said("--results", tmp_path, "run", "one", "two")
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    code, out, err = said("--results", tmp_path, "audit", one, "--record")
    assert (code, err, out.splitlines()[-1]) == (0, [], f"2 outcomes were appended to {tmp_path / 'audits.csv'}.")
    found = audits.last(tmp_path / "audits.csv")
    assert set(found) == Store(one).keys()
    (first, *_) = found.values()
    assert (first.experiment, first.outcome, first.unseen) == ("one", "pass", 0)
    assert first.deviation <= first.tolerance == 0.01 and first.compared > 50 and "(" in first.processor
    code, out, err = said("--results", tmp_path, "status")
    told = "2 rows were computed again: 2 pass, 0 fail, 0 inconclusive; the last on"
    assert (code, err) == (0, []) and out.splitlines()[-1].startswith(told)

    digests.file_of(two).unlink()
    row = Store(two).rows()[0]
    row["measurements"][0]["P"] *= 1.5
    two.write_text(json.dumps(row) + "\n")
    assert said("--results", tmp_path, "audit", two, "--record")[0] == 1
    assert audits.last(tmp_path / "audits.csv")[row["key"]].outcome == "fail"
    code, _, err = said("--results", tmp_path, "status")
    assert code == 1 and len(err) == 1
    assert re.match(
        rf"error: row {row['key']} of two failed its audit of .*: P at epoch 0 deviates by 0\.33, where", err[0]
    )

    row["provenance"]["hardware"] = "another"  # a beginning alone then decides nothing
    two.write_text(json.dumps(row) + "\n")
    assert said("--results", tmp_path, "audit", two, "--record", "--epochs", 1)[0] == 1
    assert audits.last(tmp_path / "audits.csv")[row["key"]].outcome == "inconclusive"
    assert said("--results", tmp_path, "status")[0] == 0
    elsewhere = tmp_path / "elsewhere"
    code, _, err = said("--results", elsewhere, "audit", two, "--record")
    assert (code, err) == (1, [f"error: --record keeps outcomes of rows in {elsewhere}, and {two} lies elsewhere."])


def test_an_audit_of_altered_rows_fails_with_and_without_their_digests(said, store, small):
    sweep([small(seed=s) for s in range(2)], store)
    rows = store.rows()
    for measurement in rows[1]["measurements"]:
        if measurement["epoch"] == 1:
            measurement["P"] *= 1.001
    store.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = said("audit", store.path)
    assert (code, out, len(err)) == (1, "", 1)
    assert err[0].startswith(f"error: store {store.path}: line 2 was edited: row {rows[1]['key']} has another digest")
    digests.file_of(store.path).unlink()
    code, out, _ = said("audit", store.path)
    assert code == 1
    assert out.splitlines()[0] == f"{store.path}: 2 rows without a digest."
    assert out.splitlines()[-2].startswith("1 of 2 replicas agree, in ")
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
        (("audit", "newer.jsonl"), "store newer.jsonl: line 1 has schema 3, newer than this library's 2; update the"),
        (("merge", "newer.jsonl", "-o", "into.jsonl"), "store newer.jsonl: line 1 has schema 3, newer than this"),
        (("--results", ".", "run", "one"), "store newer.jsonl: line 1 has schema 3, newer than this library's 2"),
        (("--results", "nowhere", "run", "one"), "--results must be the folder of the .jsonl files, and nowhere is no"),
        (("--results", "nowhere", "status"), "--results must be the folder of the .jsonl files, and nowhere is no"),
        (("--results", "nowhere", "hours", "one"), "--results must be the folder of the .jsonl files, and nowhere is"),
        (("--results", ".", "status"), "store newer.jsonl: line 1 has schema 3, newer than this library's 2"),
        (("--results", "empty", "run", "onw"), "experiments are one, two; there is none named 'onw'"),
        (("merge", "empty", "-o", "/dev/null"), "--into must name a store such as mine/merged.jsonl, and /dev/null is"),
        (
            ("merge", "newer.jsonl", "-o", "empty"),
            "--into must name a store such as mine/merged.jsonl, and empty is no",
        ),
        (("seal", "nothing.jsonl"), "store nothing.jsonl does not exist"),
        (("--results", "empty", "run", "one", "--device", "gpu"), "device must be a torch device such as cpu, cuda"),
    ],
)
def test_what_is_wrong_is_one_sentence(said, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    content = json.dumps({"schema": 3, "key": "k"}) + "\n"
    (tmp_path / "newer.jsonl").write_text(content)
    code, out, err = said(*arguments)
    assert (code, out, len(err)) == (1, "", 1)
    assert err[0].startswith(f"error: {sentence}")
    assert (tmp_path / "newer.jsonl").read_text() == content
    assert not (tmp_path / "into.jsonl").exists()


def test_an_altered_row_is_named_by_status_and_new_rows_are_counted(said, tmp_path):
    said("--results", tmp_path, "run", "one", "two")
    path = tmp_path / "one.jsonl"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text(rows[0].replace('"hardware": "', '"hardware": "X') + rows[1])
    code, _, err = said("--results", tmp_path, "status")
    key = json.loads(rows[0])["key"]
    edited = f"store {path}: line 1 was edited: row {key} has another digest; restore the file from version control."
    assert (code, err) == (1, [f"error: {edited}"])
    for command in (("merge", path, "-o", tmp_path / "new.jsonl"), ("seal", path)):
        assert said(*command) == (1, "", [f"error: {edited}"])
    path.write_text("".join(rows))
    (tmp_path / "one.jsonl.sha256").unlink()
    code, out, err = said("--results", tmp_path, "status")
    assert (code, err) == (0, [])
    assert out.splitlines()[0].endswith("2 rows, 2 without a digest")
    assert said("seal", path, tmp_path / "two.jsonl")[1].splitlines() == [
        f"{path}: 2 new digests.",
        f"{tmp_path / 'two.jsonl'}: 0 new digests.",
    ]
    assert said("--results", tmp_path, "status")[1].splitlines()[0].endswith("2 rows")


@pytest.mark.slow
def test_status_counts_without_torch_and_reads_each_store_once(monkeypatch, said, tmp_path):
    opened, lines = [], Store._lines
    said("--results", tmp_path, "run", "one", "two")
    monkeypatch.setattr(Store, "_lines", lambda store: opened.append(store.path.name) or lines(store))
    assert said("--results", tmp_path, "status")[0] == 0
    assert sorted(opened) == ["one.jsonl", "two.jsonl"]
    code = "import sys; from lib.experiments.__main__ import main; main(['status']); print('torch' in sys.modules)"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=RESULTS.parent)
    assert done.stdout.splitlines()[-1] == "False"
    assert done.stdout.splitlines()[0].split() == ["pilot", "round", "1", "60", "of", "60", "rows"]


def test_a_reader_that_has_seen_enough_ends_a_command_in_silence():
    command = [sys.executable, "-u", "-m", "lib.experiments", "status"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=RESULTS.parent) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_an_interrupt_is_one_sentence(said, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lib.experiments.sweep", interrupt)
    code, _, err = said("--results", tmp_path, "run", "one")
    assert (code, err) == (130, ["interrupted: the rows so far are kept, and the same command goes on from there."])


FULL_DISK = """
import resource, signal, sys
from lib.experiments import Configuration, __main__ as command_line, plan
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails as one on a full disk does
resource.setrlimit(resource.RLIMIT_FSIZE, (14_000, resource.RLIM_INFINITY))
settings = {"samples": 100, "epochs": 2, "lr": 0.1}
cells = [Configuration("digits", "unit", "he", 8, 2, seed, **settings) for seed in range(0, 20, 2)]
plan.EXPERIMENTS = {"one": lambda round: cells}
sys.exit(command_line.main(["--results", sys.argv[1], "run", "one"]))
"""


@pytest.mark.slow
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
