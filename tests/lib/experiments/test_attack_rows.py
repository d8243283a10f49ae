"""Adversarial trainings as tables: by rows that are known, and a small run of every kind."""

import json
import sys

import pytest

from lib.experiments import adversarial as experiment
from lib.experiments.adversarial import AdversarialTraining
from lib.experiments.attack_rows import (
    adjusted_live,
    attack_frame,
    attack_live,
    attack_rows,
    chosen,
    joined,
    live_training,
    trace_frame,
    ways_to_tune,
)
from lib.experiments.width_adjusted import WidthAdjustedTraining
from lib.rows import published

WIDE, NARROW = 64, 16


def row(task, held_out, robust):
    seen = {"epoch": 1, "reached": None, "held_out_robust_accuracy": held_out, "robust_accuracy": robust}
    seen |= {"natural_accuracy": 0.9, "lambda": task.strength, "stability": 0.8, "P": 1.0, "divergence_slope": 1.0}
    trace = {"epoch": [1], "lr": [0.1], "lambda": [task.strength], "natural": [0.5], "regularization": [0.25]}
    trace |= {"held_out_robust_accuracy": [held_out]}
    return {
        "key": task.key,
        "configuration": task.asdict(),
        "provenance": {},
        "failure": None,
        "trace": trace,
        "measurements": [{**seen, "selection": name} for name in ("held-out", "last")],
    }


@pytest.fixture
def rows():
    """Two seeds; λ = 1 is chosen at 16 neurons, and at 64 λ = 6, which the reused λ = 1 is .2 behind."""
    made = []
    for seed in (8, 9):
        for width, best in ((NARROW, 1.0), (WIDE, 6.0)):
            for strength in (1.0, 6.0):
                task = AdversarialTraining("mnist", "fcn", width, 3, 0.05, strength, seed)
                made.append(row(task, 0.7 if strength == best else 0.6, 0.8 if strength == best else 0.6))
        madry = AdversarialTraining("mnist", "fcn", WIDE, 3, 0.05, 1.0, seed, objective="cross_entropy")
        made.append(row(madry, 0.99, 0.99))
        for how in ({}, {"rate": 2.0}, {"reference": "end"}):
            made.append(row(WidthAdjustedTraining("mnist", "fcn", WIDE, 3, 0.05, 0.0, seed, **how), 0.7, 0.79))
    return made


def test_curves_are_told_apart_and_come_in_the_order_of_lambda(rows):
    names = list(dict.fromkeys(attack_frame(rows).query("kind == 'adversarial'").curve))
    assert names == ["λ = 1", "λ = 6", "Madry"]
    names = list(dict.fromkeys(attack_frame(rows).query("kind == 'width-adjusted'").curve))
    assert names == ["WAR", "WAR, rate 2", "WAR, ρ of the end"]


def test_lambda_is_chosen_by_held_out_images_and_reused_of_the_same_seed(rows):
    table = attack_frame(rows).query("selection == 'held-out'")
    ways = ways_to_tune(table)
    assert set(ways.width) == {WIDE}
    found = ways.groupby("way").robust_accuracy.mean().to_dict()
    assert found["grid search"] == 0.8 and found["λ reused"] == pytest.approx(0.6) and found["WAR"] == 0.79
    assert len(ways) == 2 * 5 and not (ways.robust_accuracy == 0.99).any()
    # Of equal ones the smallest λ.
    even = table[table.curve.str.startswith("λ")].assign(held_out_robust_accuracy=0.5)
    assert set(chosen(even).strength) == {1.0}


def test_traces_have_the_ratio_that_the_rule_keeps(rows):
    traces = trace_frame(rows)
    assert len(traces) == len(rows) and set(traces.rho) == {0.5}
    assert traces.goal.isna().all() and "WAR" in set(traces.curve)


def test_a_network_whose_grid_is_not_whole_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[published.__module__], "RESULTS", tmp_path)
    tasks = [t for t in experiment.adversarial(2) if (t.dataset, t.architecture, t.seed) == ("mnist", "fcn", 8)]
    whole = [t for t in tasks if t.width == 32 or t.objective != "trades"]
    half = [t for t in tasks if t.width == 64 and t.objective == "trades" and t.strength < 18]
    (tmp_path / "adversarial.jsonl").write_text(
        "".join(json.dumps({"schema": 2, **row(t, 0.7, 0.8)}) + "\n" for t in (*whole, *half))
    )
    assert half and {line["key"] for line in attack_rows("adversarial")} == {t.key for t in whole}
    adjusted = WidthAdjustedTraining("mnist", "fcn", 64, 3, 0.05, 0.0, 8)  # which has no grid of its own
    (tmp_path / "war.jsonl").write_text(json.dumps({"schema": 2, **row(adjusted, 0.7, 0.8)}) + "\n")
    assert [line["key"] for line in attack_rows("war")] == [adjusted.key]


def test_without_rows_tables_are_empty_and_have_their_columns(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[published.__module__], "RESULTS", tmp_path)
    assert attack_rows("adversarial", "war") == []
    empty = attack_frame([])
    assert len(empty) == len(trace_frame([])) == len(ways_to_tune(empty)) == 0
    assert {"curve", "architecture", "robust_accuracy", "selection"} <= set(empty.columns)
    assert {"way", "tuning_seconds"} <= set(ways_to_tune(empty).columns)


def test_joining_leaves_empty_tables_out(rows):
    table = attack_frame(rows)
    assert joined(attack_frame([]), table).P.dtype == float
    assert len(joined(attack_frame([]), attack_frame([]))) == 0


@pytest.mark.slow
def test_a_small_run_of_every_kind(monkeypatch):
    monkeypatch.setattr(experiment, "MEASURED", 40)
    how = ("digits", "fcn", [4, 6], 3, 0.02, [1], 1, 1, 0.05)
    table = attack_frame(attack_live(*how) + attack_live(*how, objective="cross_entropy"))
    assert set(table.curve) == {"λ = 1", "Madry"} and set(table.width) == {4, 6} and (table.samples == 1200).all()
    like = live_training("digits", "fcn", 6, 3, 0.02, 0.0, 0, epochs=1, lr=0.05)
    rows = adjusted_live(like, 4, [{"rate": 2.0}], 1)
    assert set(attack_frame(rows).curve) == {"WAR, rate 2"} and trace_frame(rows).goal.notna().all()
