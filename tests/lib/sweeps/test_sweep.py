"""A sweep trains what is missing, once, in stacks that do not change the rows."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.data import Dataset, load
from lib.experiments import Store, sweep
from lib.sweeps import computing, executors

pytestmark = pytest.mark.usefixtures("one_thread")


def content(store):
    """What a row says about its training: everything but how and when it was made."""
    return {
        row["key"]: {name: row[name] for name in ("configuration", "measurements", "failure")} for row in store.rows()
    }


@pytest.fixture
def trained(monkeypatch):
    """The stacks that are trained, as tuples of (width, seeds...)."""
    seen, train = [], computing.train_stack

    def spy(stack, *arguments, **options):
        seen.append((stack[0].width, *(configuration.seed for configuration in stack)))
        return train(stack, *arguments, **options)

    monkeypatch.setattr(executors, "train_stack", spy)
    return seen


def test_a_row_says_what_was_trained_and_what_came_of_it(store, small):
    assert sweep([small(seed=3)], store) == 0
    (row,) = store.rows()
    assert (row["key"], row["configuration"]) == (small(seed=3).key, small(seed=3).asdict())
    assert row["failure"] is None
    first, *_, last = [m for m in row["measurements"] if m["epoch"] is not None]
    assert (first["epoch"], last["epoch"]) == (0, 2)
    assert first["kappa"] == 0
    assert last["kappa"] > 0
    assert last["train_loss"] < first["train_loss"]
    assert row["provenance"]["threads"] == 1
    assert row["provenance"]["stacked"] == 1


def test_what_is_stored_is_not_trained_again(store, small, trained):
    sweep([small(seed=0)], store)
    before = store.path.read_bytes()
    sweep([small(seed=0), small(seed=1), small(seed=1)], store)
    assert trained == [(8, 0), (8, 1)]
    assert store.path.read_bytes().startswith(before)
    sweep([small(seed=1), small(seed=0)], store)
    assert len(trained) == len(store.rows()) == 2


def test_consecutive_seeds_of_a_cell_are_one_stack_and_the_longest_go_first(store, small, trained):
    cells = [small(seed=s) for s in (5, 0, 2, 1)] + [small(seed=s, width=256) for s in (1, 0)]
    sweep(cells, store)
    assert trained == [(256, 0, 1), (8, 0, 1, 2), (8, 5)]
    assert store.keys() == {cell.key for cell in cells}


def test_rows_do_not_depend_on_what_was_stacked(tmp_path, small):
    cells = [small(seed=s, depth=4, epochs=3) for s in range(3)]
    together, alone = Store(tmp_path / "together.jsonl"), Store(tmp_path / "alone.jsonl")
    sweep(cells, together)
    for cell in cells[::-1]:
        sweep([cell], alone)
    stacked, single = content(together), content(alone)
    assert stacked.keys() == single.keys()
    for key, row in single.items():
        for one, other in zip(row["measurements"], stacked[key]["measurements"], strict=True):
            assert one.keys() == other.keys()
            for quantity, value in one.items():
                # Training is bit-equal; the estimators may batch their products differently.
                expected = other[quantity]
                expected = None if expected is None else pytest.approx(expected, rel=1e-5, abs=1e-7)
                assert value == expected, quantity


def test_an_executor_gives_the_same_rows(tmp_path, small):
    cells = [small(seed=s, width=w) for w in (8, 16) for s in (0, 1, 4)]
    here, there = Store(tmp_path / "here.jsonl"), Store(tmp_path / "there.jsonl")
    sweep(cells, here)
    with ThreadPoolExecutor(1) as executor:
        sweep(cells, there, executor=executor)
    assert content(here) == content(there)


def test_a_failure_is_a_row_with_its_reason_and_is_tried_again_only_on_demand(store, small, trained):
    diverging, well = small(lr=1e30), small()
    assert sweep([diverging, well], store) == 1
    failures = {row["key"]: row["failure"] for row in store.rows()}
    assert failures[well.key] is None
    assert failures[diverging.key]
    assert sweep([diverging, well], store) == 0
    assert len(trained) == 2
    assert sweep([diverging, well], store, retry=True) == 1
    assert len(trained) == 3


def test_data_without_a_test_set_are_named(store, small, monkeypatch):
    digits = load("digits", samples=100)
    monkeypatch.setattr("lib.experiments.training.load_data", lambda *_, **__: Dataset(digits.x, digits.y))
    sweep([small()], store)
    assert "data must have a test set" in store.rows()[0]["failure"]


def test_missing_data_stop_a_sweep_before_anything_trains(store, small, trained, tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        sweep([small(), dataclasses.replace(small(), dataset="mnist")], store, root=tmp_path)
    assert trained == []
    assert not store.path.exists()
