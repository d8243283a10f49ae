"""An edited row is named by its file and line; what is appended properly never is."""

import errno
import json
import os

import pytest

from lib.experiments import Store
from lib.rows import digests


@pytest.fixture
def sealed(store, row):
    """A store of five rows, the last one failed."""
    for number in range(4):
        store.append(row(number))
    store.append(row(4, failure="diverged", measurements=[]))
    return store


def edit(store, number, change):
    """Change a row and write its line as `append` would; None removes it."""
    lines = store.path.read_text().splitlines(keepends=True)
    row = json.loads(lines[number])
    lines[number] = "" if change is None else json.dumps(row | change(row)) + "\n"
    store.path.write_text("".join(lines))


def test_rows_that_were_appended_are_neither_altered_nor_new(sealed, row):
    assert sealed.digests() == ([], [])
    sealed.append(row(4))  # tried again
    assert sealed.digests() == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {"measurements": [{"epoch": 0, "P": 1.0}, *row["measurements"][1:]]},
        lambda row: {"measurements": row["measurements"][1:]},
        lambda row: {"configuration": row["configuration"] | {"width": 32}},
        lambda row: {"provenance": row["provenance"] | {"hardware": "another"}},
        lambda row: {"failure": "diverged"},
        lambda row: {"more": 1},
        lambda row: {"key": "key-9"},
    ],
)
def test_an_edited_row_is_named(sealed, change):
    edit(sealed, 2, change)
    (sentence,), new = sealed.digests()
    assert sentence.startswith(f"store {sealed.path}: line 3 was edited: row key-2 ")
    assert new == []
    with pytest.raises(ValueError, match=r"line 3 was edited: .*; restore the file from version control\."):
        sealed.digests().refuse()


def test_a_removed_row_is_named(sealed):
    edit(sealed, 2, None)
    assert sealed.digests().altered == [
        f"store {sealed.path}: row key-2 was removed; restore the file from version control"
    ]


def test_a_repeated_row_that_would_count_instead_is_named(sealed, row):
    with open(sealed.path, "a") as file:
        file.write(json.dumps({"schema": 1, **row(1, measurements=[{"epoch": 0, "P": 9.0}])}) + "\n")
    assert sealed.digests().altered == [
        f"store {sealed.path}: line 6 repeats row key-1, which went well, and has no digest; delete the line"
    ]


def test_rows_without_digests_are_new_until_they_are_sealed(sealed, row):
    before = digests.file_of(sealed.path).read_bytes()
    with open(sealed.path, "a") as file:
        for number in (4, 5):  # one that is tried again by a writer that knows no digests, and another one
            file.write(json.dumps({"schema": 1, **row(number)}) + "\n")
    sealed.append(row(6))
    assert sealed.digests() == ([], [6, 7])
    assert sealed.seal() == 2
    assert sealed.digests() == ([], [])
    assert digests.file_of(sealed.path).read_bytes().startswith(before)
    assert sealed.seal() == 0


def test_what_was_altered_is_not_sealed(sealed):
    before = digests.file_of(sealed.path).read_bytes()
    edit(sealed, 0, lambda row: {"failure": "diverged"})
    with pytest.raises(ValueError, match="line 1 was edited"):
        sealed.seal()
    assert digests.file_of(sealed.path).read_bytes() == before


@pytest.mark.parametrize("keep", [1, 30, 70])
def test_a_digest_that_a_kill_has_torn_makes_its_row_new(sealed, row, keep):
    path = digests.file_of(sealed.path)
    content = path.read_bytes()
    path.write_bytes(content[: content[:-1].rfind(b"\n") + 1 + keep])
    assert sealed.digests() == ([], [5])
    sealed.append(row(5))
    assert sealed.digests() == ([], [5])
    sealed.seal()
    assert sealed.digests() == ([], [])


def test_a_damaged_file_of_digests_is_named(sealed):
    path = digests.file_of(sealed.path)
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(ValueError, match=rf"digests {path}: line 1 is no digest; restore the file"):
        sealed.digests()


def test_a_row_whose_digest_cannot_be_written_is_not_stored(sealed, row, monkeypatch):
    rows, told = sealed.path.read_bytes(), digests.file_of(sealed.path).read_bytes()

    def fill_disk(file, content):
        file.write(content[:7])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(digests, "write", fill_disk)
    with pytest.raises(OSError, match=r"could not be written \(No space left on device\)"):
        sealed.append(row(7))
    assert (sealed.path.read_bytes(), digests.file_of(sealed.path).read_bytes()) == (rows, told)


def test_many_altered_rows_are_counted(sealed):
    for number in range(5):
        edit(sealed, number, lambda row: {"more": 1})
    with pytest.raises(ValueError, match=r"line 3 was edited: [^;]+; restore [^;]+; and 2 more\.$"):
        sealed.digests().refuse()
    assert Store(sealed.path).digests().new == []
