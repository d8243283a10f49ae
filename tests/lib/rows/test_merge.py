"""Stores become one; what does not agree is reported and not chosen from."""

import pytest

from lib.experiments import Store
from lib.rows.agreement import merge


@pytest.fixture
def stores(tmp_path):
    return [Store(tmp_path / f"{name}.jsonl") for name in "abc"]


def measured(row, number, p, **more):
    """A row with P at the start and after 50 epochs, and what else is given at the end."""
    provenance = {"hardware": more.pop("hardware", "one"), "version": "0.1.0"}
    listed = [{"epoch": 0, "P": 0.5}, {"epoch": 50.0, "step": 9, "reached": None, "P": p, **more}]
    matched = [{"epoch": 3.5, "step": 100 * number, "reached": 1.0, "P": number}]
    return row(number, measurements=[*listed, *matched], provenance=provenance)


def keys(store):
    return [row["key"] for row in store.rows()]


def test_what_stores_have_between_them_is_merged_once(stores, row):
    a, b, into = stores
    for store, numbers in ((a, (0, 1)), (b, (1, 2))):
        for number in numbers:
            store.append(measured(row, number, 0.5))
    assert len(merge([a, b], into)) == 0
    assert keys(into) == ["key-0", "key-1", "key-2"]
    assert into.rows()[0] == a.rows()[0]
    assert len(merge([a, b], into)) == 0
    assert len(into.rows()) == 3


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ({"p": 0.5}, {"p": 0.5049}, True),
        ({"p": 0.5}, {"p": 0.506}, False),
        ({"p": 0.5}, {"p": 0.514, "hardware": "two"}, True),
        ({"p": 0.5}, {"p": 0.52, "hardware": "two"}, False),
        ({"p": 0.5}, {"p": None}, False),
        ({"p": None}, {"p": None}, True),
        # An accuracy that is close to none deviates by much, relatively, when one point of a thousand flips.
        ({"p": 0.5, "pgd_accuracy_0.1": 0.003}, {"p": 0.5, "pgd_accuracy_0.1": 0.004}, True),
        ({"p": 0.5, "pgd_accuracy_0.1": 0.003}, {"p": 0.5, "pgd_accuracy_0.1": 0.03}, False),
        ({"p": 0.5, "relative_change": [0.1, 0.2]}, {"p": 0.5, "relative_change": [0.1, 0.201]}, True),
        ({"p": 0.5, "relative_change": [0.1, 0.2]}, {"p": 0.5, "relative_change": [0.1, 0.3]}, False),
        ({"p": 0.5, "kappa": 0.3}, {"p": 0.5}, True),  # measured by one of them only
    ],
)
def test_rows_agree_or_are_reported_and_left_out(stores, row, one, other, agree):
    a, b, into = stores
    a.append(measured(row, 0, **one))
    b.append(measured(row, 0, **other))
    a.append(measured(row, 1, 0.5))
    conflicts = merge([a, b], into)
    assert len(conflicts) == (not agree)
    assert keys(into) == (["key-0", "key-1"] if agree else ["key-1"])


def test_a_conflict_says_where_and_by_how_much(stores, row):
    a, b, into = stores
    a.append(measured(row, 3, 0.5, kappa=0.1))
    b.append(measured(row, 3, 0.55, kappa=0.2))
    (conflict,) = merge([a, b], into).to_dict("records")
    assert (conflict["key"], conflict["width"], conflict["seed"]) == ("key-3", 16, 3)
    assert (conflict["store"], conflict["other"]) == (str(a.path), str(b.path))
    assert (conflict["quantity"], conflict["moment"]) == ("kappa", "epoch 50")
    assert conflict["deviation"] == pytest.approx(0.5)
    assert conflict["allowed"] == 0.01


def test_what_is_there_already_stays_and_is_compared(stores, row):
    a, b, into = stores
    into.append(measured(row, 0, 0.5))
    before = into.path.read_bytes()
    a.append(measured(row, 0, 0.6))
    b.append(measured(row, 0, 0.5))
    (conflict,) = merge([a, b], into).to_dict("records")
    assert (conflict["store"], conflict["other"]) == (str(into.path), str(a.path))
    assert into.path.read_bytes() == before
    assert len(merge([into, b], into)) == 0
    assert into.path.read_bytes() == before


def test_a_training_that_went_well_replaces_one_that_failed(stores, row):
    a, b, into = stores
    a.append(row(0, failure="MemoryError: too large", measurements=[]))
    b.append(measured(row, 0, 0.5))
    a.append(row(1, failure="diverged", measurements=[]))
    assert len(merge([a], into)) == 0
    assert into.keys(failed=False) == set()
    assert len(merge([a, b], into)) == 0
    assert into.keys(failed=False) == {"key-0"}
    assert into.frame().set_index("key")["failure"].isna().all()


def test_the_row_with_the_most_measurements_is_kept(stores, row):
    a, b, into = stores
    a.append(measured(row, 0, 0.5))
    b.append(measured(row, 0, 0.5, kappa=0.2))
    merge([a, b], into)
    assert into.rows() == b.rows()


@pytest.mark.parametrize("value", ["0.5", [0.5], True, {"x": 1}])
def test_what_is_no_number_agrees_with_nothing_but_itself(stores, row, value):
    a, b, into = stores
    a.append(measured(row, 0, 0.5))
    b.append(measured(row, 0, value))
    assert merge([a, b], into)["quantity"].tolist() == ["P"]
    assert len(merge([b], into)) == 0


def test_rows_without_epochs_are_compared_by_their_widths(stores, row):
    a, b, into = stores
    for store, loss in ((a, 0.1), (b, 0.2)):
        store.append(row(0, measurements=[{"width": 8, "reached": True, "loss": loss}], provenance={}))
    assert merge([a, b], into)[["quantity", "moment"]].values.tolist() == [["loss", "width 8"]]


def test_a_store_that_is_not_there_is_named_and_nothing_written(stores, row):
    a, b, into = stores
    a.append(measured(row, 0, 0.5))
    with pytest.raises(FileNotFoundError, match=rf"store {b.path} does not exist; give the .jsonl files"):
        merge([a, b], into)
    assert not into.path.exists()
