"""Outcomes of audits: appended whole, read back, the last one of a row counting; and what the site tells of rows."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys

import pytest

from lib.experiments import Store
from lib.rows import RESULTS, audits, behind
from lib.rows.audits import OUTCOMES, Audited, append, last, outcome


def audited(key="k", word="pass", date="2026-01-31", deviation=2e-7, **changes):
    made = Audited(key, "grid", date, word, 0.03, deviation, "P at epoch 5", 12, 0, "AMD EPYC (avx2, avx512f)")
    return made._replace(**changes)


@pytest.mark.parametrize(
    ("agrees", "same", "whole", "word"),
    [
        (True, True, True, "pass"),
        (True, False, False, "pass"),
        (False, True, False, "fail"),
        (False, False, True, "fail"),
        (False, False, False, "inconclusive"),
    ],
)
def test_only_a_beginning_on_another_processor_leaves_a_deviation_open(agrees, same, whole, word):
    assert outcome(agrees, same, whole) == word


def test_what_was_appended_is_read_and_the_last_audit_of_a_row_counts(tmp_path):
    path = tmp_path / "audits.csv"
    assert last(path) == {}
    append([audited("a", "fail", deviation=math.inf), audited("b", value="", deviation=0.0)], path)
    append([audited("a", value='moment "x", or y')], path)
    assert list(last(path).items()) == [
        ("b", audited("b", value="", deviation=0.0)),
        ("a", audited("a", value='moment "x", or y')),
    ]
    assert path.read_text().splitlines()[0] == ",".join(Audited._fields)
    assert len(path.read_text().splitlines()) == 4


def test_a_line_that_a_kill_has_torn_gives_way(tmp_path):
    path = tmp_path / "audits.csv"
    append([audited("a"), audited("b")], path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.warns(UserWarning, match=r"audits\.csv: the last line is torn"):
        assert list(last(path)) == ["a"]
    append([audited("c")], path)
    assert list(last(path)) == ["a", "c"]


def test_a_whole_outcome_without_its_newline_stays(tmp_path, monkeypatch):
    path = tmp_path / "audits.csv"
    append([audited("a"), audited("b")], path)
    kept = path.read_bytes().rstrip(b"\n")
    path.write_bytes(kept)
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(audits.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
        append([audited("c")], path)
    assert path.read_bytes() == kept
    append([audited("c")], path)
    assert list(last(path)) == ["a", "b", "c"]


def test_what_is_no_table_is_one_sentence(tmp_path):
    path = tmp_path / "audits.csv"
    append([audited("a")], path)
    path.write_text(path.read_text().replace('f)"', "f)"))
    with pytest.raises(ValueError, match=r"audits\.csv is no table \(.*\); restore the file from version control"):
        last(path)


@pytest.mark.parametrize(
    "change", [("pass", "passed"), (",12,", ",many,"), ("\na,", "\n,"), ("0.03", "x"), (",grid", "")]
)
def test_what_is_no_outcome_is_named_by_its_line(tmp_path, change):
    path = tmp_path / "audits.csv"
    append([audited("a")], path)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ValueError, match=r"audits\.csv: line 2 is no outcome of an audit; restore"):
        last(path)
    path.write_text(path.read_text().replace("key,", "name,"))
    with pytest.raises(ValueError, match="its columns must be key, experiment"):
        last(path)


def test_published_outcomes_are_of_published_rows():
    keys = {path.stem: Store(path).keys() for path in RESULTS.glob("*.jsonl")}
    found = last()
    assert len(found) >= 60
    assert all(one.key in keys[one.experiment] and one.outcome in OUTCOMES for one in found.values())


def test_the_site_tells_files_commits_and_audits(tmp_path, row):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    Store(tmp_path / "grid.jsonl").append(row(1))
    Store(tmp_path / "new.jsonl").append(row(2))
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "grid.jsonl"], check=True)
    subprocess.run([*git, "commit", "-qm", "rows"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    append([audited("key-1", value="</script>"), audited("key-2", "fail", deviation=math.inf)], tmp_path / "audits.csv")
    assert behind.audited(tmp_path) == {"grid": {"pass": 1, "fail": 1}}
    script = behind.script(tmp_path)
    data = json.loads(re.fullmatch(r'<script data-file="rows_behind\.js">globalThis\.\w+ = (.*);</script>', script)[1])
    assert data["experiments"] == {"grid": {"commit": head, "keys": "key-1"}, "new": {"commit": None, "keys": "key-2"}}
    assert data["audits"]["key-1"][:5] == ["2026-01-31", "pass", "2 · 10⁻⁷".replace(" ", "\u00a0"), "0.03", "</script>"]
    assert "more than any number" in data["audits"]["key-2"][2]
    assert script.count("</script>") == 1


def test_the_rows_of_the_site_are_told_without_torch():
    code = "import sys, lib.rows.behind; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] and audits.PATH.parent == RESULTS
