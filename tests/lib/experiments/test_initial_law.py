"""Batches of the law at initialization become rows, and their root mean squares are the exact ones."""

from __future__ import annotations

import pytest

from lib.experiments import Store, sweep
from lib.experiments.initial_law import InitialLaw
from lib.rows import Task
from lib.theory.initialization import rms_stability, sample_directional_derivative


@pytest.mark.usefixtures("one_thread")
def test_a_batch_becomes_a_row(store: Store) -> None:
    tasks = [InitialLaw("he", 16, 4, seed, in_features=20, out_features=3, draws=20_000) for seed in (1, 2)]
    assert sweep(tasks, store) == 0
    (one, other) = store.rows()
    assert Task.of(one["configuration"]) == tasks[0]
    (measured,) = one["measurements"]
    norms = sample_directional_derivative(16, 4, 20, 3, "he", 20_000, seed=1)
    assert measured["rms_derivative"] == pytest.approx((norms.derivative**2).mean() ** 0.5, rel=1e-5)
    assert measured["rms_output"] == pytest.approx((norms.output**2).mean() ** 0.5, rel=1e-5)
    # P_rms/ε is √(d/(d+2)) times the root mean square of ‖Ju‖.
    exact = rms_stability(16, 4, 20, 3, "he") * (22 / 20) ** 0.5
    assert measured["rms_derivative"] == pytest.approx(exact, rel=0.03)
    assert other["measurements"][0]["rms_derivative"] != measured["rms_derivative"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"draws": 0}, "draws must be an integer of at least 1, got 0"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"width": 0}, "width must be"),
        ({"initializer": "hee"}, "initializer must be one of"),
    ],
)
def test_what_cannot_be_drawn_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        InitialLaw(**{"initializer": "he", "width": 16, "depth": 2, "seed": 0} | settings)
