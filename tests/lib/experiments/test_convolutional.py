"""A convolutional training makes rows like a fully connected one's, each replica's its seed's alone."""

import dataclasses

import pytest

from lib.experiments.convolutional import ConvolutionalTraining, convolutional
from lib.rows import Conditions, Task

SMALL = ConvolutionalTraining("digits", "he", 3, 3, 0, samples=100, epochs=2, batch_size=20)


@pytest.fixture(scope="module")
def rows():
    return ConvolutionalTraining.compute([SMALL, dataclasses.replace(SMALL, seed=1)], Conditions())


def test_rows_have_the_columns_and_moments_of_a_training(rows):
    assert rows.failures == [None, None]
    for listed in rows.measurements:
        ends = [m for m in listed if m["reached"] is None]
        assert [m["epoch"] for m in ends] == [0, 1, 2]
        assert ends[0]["kappa"] == 0 < ends[-1]["kappa"]
        assert ends[-1]["train_loss"] < ends[0]["train_loss"]
        assert all(m[name] > 0 for m in ends for name in ("P", "P_train", "relative_stability", "test_accuracy"))
    assert [trace["epoch"] for trace in rows.traces] == [[1, 2], [1, 2]]


def test_a_replica_is_its_seed_s_alone(rows):
    alone = ConvolutionalTraining.compute([dataclasses.replace(SMALL, seed=1)], Conditions())
    for one, other in zip(rows.measurements[1], alone.measurements[0], strict=True):
        assert one["epoch"] == other["epoch"]
        if one["epoch"] is not None:
            assert one["P"] == pytest.approx(other["P"], rel=1e-4)


def test_a_task_comes_back_from_its_row_and_costs_more_with_width():
    assert Task.of(SMALL.asdict()) == SMALL
    assert SMALL.seconds(1) < dataclasses.replace(SMALL, width=64).seconds(1) < SMALL.seconds(1) * 1e4


def test_the_plan_has_every_cell_and_seed_once():
    tasks = convolutional(2)
    assert convolutional() == []
    assert len({task.key for task in tasks}) == len(tasks) == 2 * 3 * (5 + 4) * 5
    assert {task.seed for task in tasks} == set(range(8, 13))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 0}, "width must be an integer of at least 1, got 0."),
        ({"dataset": "cifar"}, "dataset must be one of digits, mnist, fashion-mnist, cifar10, got 'cifar'."),
        ({"samples": 0}, "samples must be an integer of at least 1, got 0."),
        ({"loss": "squared"}, "loss must be one of cross_entropy, got 'squared'."),
    ],
)
def test_what_is_no_training_is_refused(changes, sentence):
    with pytest.raises(ValueError) as refused:
        dataclasses.replace(SMALL, **changes)
    assert str(refused.value) == sentence
