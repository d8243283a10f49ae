"""A frame is what one dictionary a line would give, whatever rows hold, without the dictionaries."""

import gc
import random

import pandas as pd
import pytest

from lib.experiments import Store
from lib.rows import RESULTS
from lib.rows.frame import frame


def by_dictionaries(rows):
    """The same table in the plain way."""
    return pd.DataFrame(
        [
            {"key": row["key"], **row["configuration"], **row["provenance"], "failure": row.get("failure"), **measured}
            for row in {row["key"]: row for row in rows}.values()
            for measured in row["measurements"]
        ]
    )


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_published_rows_make_the_same_table(path):
    pd.testing.assert_frame_equal(Store(path).frame(), by_dictionaries(Store(path).rows()))


POOLS = [[0, 1], [0, 1.5], [0, None], [None], [1.5, None], [True, False], [True, None], ["x", None], [[1.0], [2.0]]]


def invented(chance):
    """Rows with names that come and go, stand twice, and change their types."""
    rows = []
    for number in range(chance.randint(0, 6)):
        pool = chance.choice([*POOLS, [0, 1.5, None, True, "x", [1.0, 2.0]]])
        names = [name for name in ("a", "b", "seconds", "w") if chance.random() < 0.7]
        row = {
            "key": str(chance.randint(0, 8)),
            "configuration": {"seed": number, **({"w": chance.choice(pool)} if chance.random() < 0.3 else {})},
            "provenance": {"hardware": "x", **({"seconds": 2.5} if chance.random() < 0.7 else {})},
            "measurements": [
                {name: chance.choice(pool) for name in chance.sample(names, len(names))}
                for _ in range(chance.randint(0, 3))
            ],
        }
        rows.append(row | ({"failure": chance.choice([None, "diverged"])} if chance.random() < 0.8 else {}))
    return rows


def plain(table):
    """Values alone: a missing one may be None or NaN where a name stands twice."""
    return [
        [None if isinstance(v, float) and v != v else v for v in line] for line in table.astype(object).values.tolist()
    ]


@pytest.mark.parametrize("chunk", [3, 2**18])
def test_any_rows_make_the_same_table(chunk, monkeypatch):
    monkeypatch.setattr("lib.rows.frame._CHUNK", chunk)
    chance = random.Random(0)
    for _ in range(80):
        rows = invented(chance)
        one, other = frame(rows), by_dictionaries(rows)
        assert list(one.columns) == list(other.columns)
        assert plain(one) == plain(other)


def test_integers_beyond_the_range_of_floats_stay_what_they_are():
    rows = [{"key": "k", "configuration": {}, "provenance": {}, "measurements": [{"n": 2**60 + 1}, {"n": 1}]}]
    assert frame(rows)["n"].tolist() == [2**60 + 1, 1]


def test_the_search_for_circles_rests_meanwhile_and_goes_on_afterwards_also_where_a_row_is_none():
    seen = []

    def rows():
        seen.append(gc.isenabled())
        yield {"key": "k", "configuration": {}, "provenance": {}, "measurements": None}
        raise ValueError

    with pytest.raises(ValueError):
        frame(rows())
    assert (seen, gc.isenabled()) == ([False], True)


@pytest.mark.parametrize("block", [1, 7, 2**20])
def test_lines_are_read_whole_whatever_is_read_at_once(store, row, block, monkeypatch):
    monkeypatch.setattr("lib.rows.store._BLOCK", block)
    for number in range(3):
        store.append(row(number))
    assert [read["key"] for read in store.rows()] == [f"key-{number}" for number in range(3)]
