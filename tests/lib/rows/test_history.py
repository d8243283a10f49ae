"""Published rows and their digests were only ever appended to, in every commit; and they are what was published."""

import subprocess
import sys

import pytest

from lib.experiments import Store
from lib.rows import RESULTS, digests, published

FILES = ("results/*.jsonl", "results/*.jsonl.sha256", "results/audits.csv")


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=RESULTS.parent, capture_output=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return done.stdout


def rewritten(changes, blob):
    """The changes that are not "what was there, and more": pairs of a commit and a file."""
    commit, found = "", []
    for line in changes.splitlines():
        if line.startswith("commit "):
            commit = line.split()[1]
        elif line.startswith(":"):
            told, path = line.split("\t", 1)
            _, _, before, after, status = told.split()
            if status[0] != "A" and (status[0] != "M" or not blob(after).startswith(blob(before))):
                found.append((commit, path))
    return found


def test_the_history_of_published_rows_is_append_only():
    form = ("--no-renames", "--raw", "--no-abbrev", "-m", "--first-parent", "--format=commit %h")
    changes = git("log", *form, "--", *FILES).decode()
    assert changes.count("\n:") >= 14
    assert rewritten(changes, lambda name: git("cat-file", "blob", name)) == []


def test_what_is_not_committed_yet_is_appended_too():
    for line in git("diff", "--numstat", "HEAD", "--", *FILES).decode().splitlines():
        _added, deleted, path = line.split("\t")
        assert deleted == "0", f"{path}: a published line was edited or removed"


def test_an_edit_a_removal_and_a_rename_are_found():
    blobs = {"a": b"one\n", "b": b"one\ntwo\n", "c": b"One\ntwo\n", "0": b""}
    changes = "\n".join(
        [
            "commit 1",
            ":000000 100644 0 a A\tx",
            "commit 2",
            ":100644 100644 a b M\tx",
            "commit 3",
            ":100644 100644 b c M\tx",
            "commit 4",
            ":100644 000000 c 0 D\tx",
        ]
    )
    assert rewritten(changes, blobs.get) == [("3", "x"), ("4", "x")]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_published_rows_are_those_that_were_published(path):
    assert Store(path).digests().altered == []
    assert digests.file_of(path).exists()


def test_an_edited_row_is_published_no_more(tmp_path, monkeypatch, row):
    monkeypatch.setattr(sys.modules["lib.rows.published"], "RESULTS", tmp_path)
    Store(tmp_path / "some.jsonl").append(row())
    assert len(published("some").rows()) == 1
    (tmp_path / "some.jsonl").write_bytes((tmp_path / "some.jsonl").read_bytes().replace(b"0.5", b"0.6"))
    with pytest.raises(ValueError, match=r"some\.jsonl: line 1 was edited: row key-0 has another digest"):
        published("some")
    assert digests.file_of(tmp_path / "some.jsonl").exists()
