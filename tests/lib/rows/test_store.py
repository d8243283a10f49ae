"""A store keeps every row through kills, second writers and full disks, and says what is wrong with a broken file."""

import builtins
import errno
import fcntl
import json
import math
import os
import stat
import subprocess
import sys
import time

import pytest

from lib.experiments import Store
from lib.rows import lines


def fill(store, row, count=2):
    for number in range(count):
        store.append(row(number))
    return store.path.read_bytes()


def test_rows_come_back_as_they_were_appended(store, row):
    fill(store, row, 3)
    assert store.rows() == [{"schema": 2, **row(number)} for number in range(3)]
    assert store.keys() == {"key-0", "key-1", "key-2"}
    assert store.path.read_bytes().count(b"\n") == 3


def test_a_store_without_a_file_is_empty(store):
    assert (store.rows(), store.keys(), len(store.frame())) == ([], set(), 0)
    assert not store.path.exists()


def test_the_keys_of_what_went_well_leave_failures_out(store, row):
    fill(store, row)
    store.append(row(2, failure="diverged"))
    assert store.keys() == {"key-0", "key-1", "key-2"}
    assert store.keys(failed=False) == {"key-0", "key-1"}


def test_the_frame_has_one_line_a_measurement(store, row):
    fill(store, row)
    frame = store.frame()
    assert frame[["seed", "epoch"]].values.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert {"key", "width", "depth", "version", "seconds", "P"} <= set(frame.columns)
    assert frame["P"].isna().tolist() == [False, True, False, True]


def test_a_configuration_trained_twice_is_one_seed_in_the_frame(store, row):
    store.append(row(0, failure="diverged", measurements=[{"epoch": 0, "P": 9.0}]))
    store.append(row(1))
    store.append(row(0, measurements=[{"epoch": 0, "P": 0.25}]))
    frame = store.frame()
    assert frame[frame["seed"] == 0]["P"].tolist() == [0.25]
    assert len(frame) == 3
    assert len(store.rows()) == 3


def tear(store, keep):
    content = store.path.read_bytes()
    last = content[:-1].rfind(b"\n") + 1
    store.path.write_bytes(content[: last + keep])


@pytest.mark.parametrize("keep", [1, 20, 100])
def test_a_torn_last_line_is_reported_and_replaced_by_the_next_row(store, row, keep):
    fill(store, row, 3)
    tear(store, keep)
    with pytest.warns(UserWarning, match="the last line is torn"):
        assert store.keys() == {"key-0", "key-1"}
    store.append(row(7))
    assert [r["key"] for r in store.rows()] == ["key-0", "key-1", "key-7"]


def test_a_file_that_is_one_torn_line_is_replaced_too(store, row):
    store.path.write_bytes(b'{"schema": 1, "ke')
    store.append(row(0))
    assert store.keys() == {"key-0"}


def test_zeros_that_a_power_failure_left_are_a_torn_line(store, row):
    before = fill(store, row)
    store.path.write_bytes(before + b"\0" * 50)
    with pytest.warns(UserWarning, match="the last line is torn"):
        assert len(store.rows()) == 2
    store.append(row(2))
    assert len(store.rows()) == 3


def test_a_complete_last_line_without_its_newline_is_kept(store, row):
    before = fill(store, row)
    store.path.write_bytes(before[:-1])
    assert store.keys() == {"key-0", "key-1"}
    store.append(row(2))
    assert [r["key"] for r in store.rows()] == ["key-0", "key-1", "key-2"]


WHOLE = {"schema": 1, "key": "k", "configuration": {}, "measurements": [], "failure": None, "provenance": {}}


def without(name, **changes):
    """A line that lacks a part, or has another one."""
    return json.dumps({k: v for k, v in WHOLE.items() if k != name} | changes)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{broken", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[1, 2]", "it is no object"),
        ("3", "it is no object"),
        (without("schema"), "schema must be an integer, got None"),
        (without("schema", schema="x"), "schema must be an integer, got 'x'"),
        (without("key"), "key must be a text, got None"),
        (without("key", key=""), "key must be a text, got ''"),
        (without("configuration"), "configuration must be an object, got None"),
        (without("provenance", provenance=[]), r"provenance must be an object, got \[\]"),
        (without("measurements"), "measurements must be a list of objects, got None"),
        (without("measurements", measurements=[1]), r"measurements must be a list of objects, got \[1\]"),
        (without("failure", failure=3), "failure must be a text or null, got 3"),
        (without("measurements", measurements=[{"P": math.nan}]), "it holds the number NaN; what is undefined is null"),
        (without("measurements", measurements=[{"P": -math.inf}]), "it holds the number -Infinity; what is undefined"),
        (without("provenance", provenance={"hardware": {}}), r"hardware of the provenance must be a text or"),
        (without("provenance", provenance={"seconds": 7}).replace("7", "1e999"), "it holds the number 1e999; what is"),
    ],
)
@pytest.mark.parametrize("strict", [True, False], ids=["json", "orjson"])
def test_what_is_no_row_is_refused_with_its_line_and_its_field(store, row, line, wrong, strict, monkeypatch):
    if strict:
        monkeypatch.setattr(lines, "_loads", lines._strict)
    fill(store, row, 1)
    with open(store.path, "a") as file:
        file.write(line + "\n" + json.dumps({"schema": 1, **row(2)}) + "\n")
    sentence = rf"store \S+rows.jsonl: line 2 is not a row \({wrong}.*\); restore the file or delete the line.$"
    for read in (store.rows, store.keys, store.frame):
        with pytest.raises(ValueError, match=sentence):
            read()


def test_a_row_tells_where_it_was_read(store, row):
    fill(store, row)
    assert [r.where for r in store.rows()] == [f"store {store.path}: line {number}" for number in (1, 2)]


def test_a_row_of_a_newer_library_is_refused(store, row):
    fill(store, row, 1)
    with open(store.path, "a") as file:
        file.write(json.dumps({**row(1), "schema": 3}) + "\n")
    with pytest.raises(ValueError, match="line 2 has schema 3, newer than this library's 2; update the library"):
        store.rows()


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}])
def test_what_json_cannot_hold_is_refused_and_nothing_written(store, row, value):
    before = fill(store, row)
    with pytest.raises(ValueError, match=r"row key-2 cannot be stored: .* write None for what is undefined"):
        store.append(row(2, measurements=[{"P": value}]))
    assert store.path.read_bytes() == before


WRITER = """
import sys
from lib.experiments import Store
path, writer = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    # Long lines, so that two writers without a lock would mix theirs.
    Store(path).append(
        {"key": f"{writer}-{number}", "configuration": {}, "measurements": [], "provenance": {"x": "y" * 20_000}}
    )
"""


def test_two_processes_appending_at_once_lose_nothing(store):
    commands = [[sys.executable, "-c", WRITER, str(store.path), writer] for writer in "ab"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(commands[0], **pipes) as first, subprocess.Popen(commands[1], **pipes) as second:
        for writer in (first, second):
            writer.stdout.readline()
        for writer in (first, second):
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while first.poll() is None or second.poll() is None:
            store.keys()  # a reader beside them sees whole rows only: a torn one would warn
            time.sleep(0.05)
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(store.rows()) == 400
    assert store.keys() == {f"{writer}-{number}" for writer in "ab" for number in range(200)}


def test_a_missing_folder_is_one_sentence(tmp_path, row):
    with pytest.raises(OSError, match=r"store .*nowhere/rows.jsonl could not be written \(No such file or directory\)"):
        Store(tmp_path / "nowhere" / "rows.jsonl").append(row())


def test_a_file_that_may_not_be_written_is_one_sentence(store, row, monkeypatch):
    before = fill(store, row)

    # Mode bits do not stop every user, so the refusal is simulated.
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", refuse)
        with pytest.raises(OSError, match=r"could not be written \(Permission denied\); the rows in it are intact"):
            store.append(row(2))
    assert store.path.read_bytes() == before


FULL_DISK = """
import resource, signal, sys
from lib.experiments import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails as one on a full disk does
row = {"key": "large", "configuration": {}, "measurements": [], "provenance": {"x": "y" * 50_000}}
for argument in sys.argv[1:]:
    path, limit = argument.split("=")
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    try:
        Store(path).append(row)
    except OSError as error:
        print(error)
"""


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, row):
    files = {}
    for newline in (True, False):
        for room in (0, 1, 1000, 20_000):
            store = Store(tmp_path / f"{newline}-{room}.jsonl")
            before = fill(store, row)[: None if newline else -1]
            store.path.write_bytes(before)
            files[store.path] = before, len(before) + room
    arguments = [f"{path}={limit}" for path, (_, limit) in files.items()]
    command = [sys.executable, "-c", FULL_DISK, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for (path, (before, _)), sentence in zip(files.items(), said, strict=True):
        expected = f"store {path} could not be written (File too large); the rows in it are intact: free some space"
        assert sentence.startswith(expected)
        assert path.read_bytes() == before, path.name


def test_a_row_and_a_new_store_are_on_the_disk_when_append_returns(store, row, monkeypatch):
    synced = []

    def sync(descriptor):
        status = os.fstat(descriptor)
        synced.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)

    monkeypatch.setattr(os, "fsync", sync)
    content = fill(store, row)
    assert synced == ["folder", content.index(b"\n") + 1, len(content)]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_store_is_read_and_not_written(store, row, monkeypatch, number):
    before = fill(store, row)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert len(store.rows()) == 2
    for write in (lambda: store.append(row(2)), store.check_writable):
        with pytest.raises(OSError, match=r"rows in it are intact: without locks two writers could mix their rows"):
            write()
    assert store.path.read_bytes() == before


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(OSError, match=r"store \S+ could not be read \(Is a directory\)"):
        Store(tmp_path).rows()


@pytest.mark.parametrize("part", ["configuration", "provenance", "measurements"])
def test_a_row_without_a_part_is_not_stored(store, row, part):
    before = fill(store, row)
    with pytest.raises(ValueError, match=rf"row key-2 cannot be stored: {part} must be "):
        store.append({name: value for name, value in row(2).items() if name != part})
    assert store.path.read_bytes() == before


def test_importing_rows_loads_neither_torch_nor_pandas():
    code = "import sys, lib.rows; print(*{'torch', 'pandas', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == []
