"""A configuration is checked when it is made, and its key never changes."""

import dataclasses
import math

import pytest

from lib.experiments import Configuration
from lib.rows import Conditions, Task


def configuration(**changes):
    return Configuration(
        **{"dataset": "mnist", "scaling": "raw", "initializer": "he", "width": 128, "depth": 10, "seed": 0, **changes}
    )


def test_the_key_is_pinned():
    # Published rows are found by their keys: a field, a default or a name that changes orphans them all.
    assert configuration().key == "3a7a443a468cec6f"
    assert Configuration("digits", "unit", "he", 64, 4, 7).key == "369452ce7a5decbe"


OTHERS = {
    "dataset": "digits",
    "scaling": "unit",
    "initializer": "lecun",
    "width": 64,
    "depth": 2,
    "seed": 1,
    "samples": 100,
    "epochs": 10,
    "batch_size": None,
    "lr": 0.01,
    "schedule": "constant",
    "loss": "squared",
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "alpha": 2.0,
    "precision": "bf16",
}


def test_every_setting_changes_the_key():
    assert set(OTHERS) == {field.name for field in dataclasses.fields(Configuration)}
    keys = {configuration(**{name: value}).key for name, value in OTHERS.items()}
    assert len(keys | {configuration().key}) == len(OTHERS) + 1


def test_rows_in_float32_do_not_tell_their_precision():
    assert "precision" not in configuration().asdict()
    low = configuration(precision="bf16")
    assert low.asdict() == {**configuration().asdict(), "precision": "bf16"}
    assert Task.of(low.asdict()) == low
    assert Task.of(configuration().asdict()) == configuration(precision="fp32")


def test_a_precision_that_is_refused_is_told_before_the_data_are_loaded(monkeypatch):
    monkeypatch.setattr("lib.experiments.training.load_data", lambda *_: pytest.fail("loaded"))
    with pytest.raises(ValueError, match="precision must be fp32 below width 256"):
        configuration(precision="bf16").prepare(Conditions())


def test_1_and_1_point_0_are_one_setting():
    assert configuration(alpha=1, momentum=0, lr=1).key == configuration(alpha=1.0, momentum=0.0, lr=1.0).key


def test_a_cell_is_everything_but_the_seed():
    assert configuration(seed=3).cell == configuration(seed=4).cell
    assert all(configuration(**{n: v}).cell != configuration().cell for n, v in OTHERS.items() if n != "seed")


def test_a_configuration_survives_json():
    again = Configuration(**configuration(lr=0.3).asdict())
    assert again == configuration(lr=0.3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 16.0}, "configuration: width must be int, got 16.0"),
        ({"width": True}, "configuration: width must be int, got True"),
        ({"seed": "0"}, "configuration: seed must be int, got '0'"),
        ({"lr": "0.1"}, "configuration: lr must be float, got '0.1'"),
        ({"samples": 10.0}, "configuration: samples must be int | None, got 10.0"),
        ({"dataset": None}, "configuration: dataset must be str, got None"),
        ({"dataset": "mnits"}, "dataset must be one of digits, mnist, .* got 'mnits'"),
        ({"scaling": "none"}, "scaling must be one of unit, raw, standard, got 'none'"),
        ({"schedule": "cosine"}, "schedule must be one of paper, .* got 'cosine'"),
        ({"loss": "hinge"}, "loss must be one of cross_entropy, squared, got 'hinge'"),
        ({"initializer": "hee"}, "initializer must be one of .* Did you mean 'he'"),
        ({"width": 0}, "width must be an integer of at least 1, got 0"),
        ({"depth": 1}, "depth must be an integer of at least 2, got 1"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"samples": 0}, "samples must be an integer of at least 1, got 0"),
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"lr": -1e-3}, "lr must be positive and finite, got -0.001"),
        ({"lr": math.nan}, "lr must be positive and finite, got nan"),
        ({"momentum": 1}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"weight_decay": -1}, "weight_decay must be at least 0 and finite, got -1.0"),
        ({"alpha": 0}, "alpha must be positive and finite, got 0.0"),
    ],
)
def test_bad_settings_are_refused_before_anything_trains(changes, sentence):
    with pytest.raises(ValueError, match=sentence.replace("|", r"\|")):
        configuration(**changes)
