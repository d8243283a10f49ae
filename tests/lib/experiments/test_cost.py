"""The cost model finds the constants that made its rows, and predicts cells that it has not seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.experiments import Configuration, Store, cost, sweep, work
from lib.experiments.cost import CostModel, Kind
from lib.experiments.measurement import MATCHED_LOSSES, epochs_measured
from lib.experiments.plan import EXPERIMENTS
from lib.experiments.work import Work
from lib.networks import FCN
from lib.rows import ROUNDS, stacks
from lib.training.descent import Descent
from lib.training.memory import required_bytes

TRUE = Work(layers=6e-5, products=1e-6, activations=3e-10, flops=2e-11, weights=1e-10, spectra=8e-5)


def configuration(width=64, depth=6, seed=0, **changes):
    return Configuration("mnist", "raw", "he", width, depth, seed, **changes)


def made(chosen, replicas, seconds, hardware="a machine", threads=1, **provenance):
    """Return one row of a stack, measured in full at every moment of its training."""
    moments = len(epochs_measured(chosen.epochs, chosen.schedule)) + len(MATCHED_LOSSES)
    return {
        "key": chosen.key,
        "configuration": chosen.asdict(),
        "measurements": [{"epoch": e, "P_train": 0.5} for e in range(moments)],
        "failure": None,
        "provenance": {
            "hardware": hardware,
            "threads": threads,
            "stacked": replicas,
            "seconds": seconds / replicas,
            **provenance,
        },
    }


def synthetic(noise=0.0, seed=0):
    stream = np.random.default_rng(seed)
    rows = []
    for width in (4, 16, 64, 256, 1024, 4096):
        for depth in (2, 6, 10):
            for replicas in (1, 5):
                for changes in ({}, {"momentum": 0.9}, {"epochs": 5}, {"samples": 1000, "batch_size": 1000}):
                    chosen = configuration(width, depth, **changes)
                    seconds = np.dot(TRUE, work.work(chosen, replicas)) * np.exp(noise * stream.standard_normal())
                    rows.append(made(chosen, replicas, seconds))
    return rows


def test_the_constants_that_made_the_rows_come_back():
    model = cost.fit(synthetic())
    assert model.kind == Kind("a machine", 1)
    assert model.stacks == 144
    assert np.array(model.coefficients) == pytest.approx(np.array(TRUE), rel=0.05)


def test_noise_and_a_busy_machine_do_not_bend_the_model():
    rows = synthetic(noise=0.1)
    for row in rows[::8]:
        row["provenance"]["seconds"] *= 4
    model = cost.fit(rows)
    for chosen in (configuration(64, 6), configuration(1024, 10)):
        assert model.seconds(chosen, 5) == pytest.approx(np.dot(TRUE, work.work(chosen, 5)), rel=0.1)


def test_the_rows_of_one_stack_are_one_observation():
    stack = [made(configuration(seed=s), 3, 60.0, date="now") for s in range(3)]
    again = [made(configuration(seed=s), 3, 60.0, date="later") for s in range(3)]
    assert cost.fit(stack).stacks == 1
    assert cost.fit(stack + again).stacks == 2
    assert cost.fit(stack).seconds(configuration(seed=0), 3) == pytest.approx(60, rel=0.01)


@pytest.mark.parametrize("told", [{}, {"stacked": None}])
def test_a_row_that_tells_no_stack_was_computed_alone(told):
    row = made(configuration(), 1, 60.0)
    row["provenance"] = {name: value for name, value in row["provenance"].items() if name != "stacked"} | told
    assert cost.fit([row]) == cost.fit([made(configuration(), 1, 60.0)])


@pytest.mark.parametrize("changes", [{"seconds": -60.0}, {"cpu_seconds": -1.0}, {"seconds": None}, {"stacked": -3}])
def test_a_row_whose_time_is_none_tells_no_cost(changes):
    row = made(configuration(), 1, 60.0)
    row["provenance"] |= changes
    assert cost.kinds([row]) == {}


def test_what_one_row_does_not_tell_keeps_the_built_in_ratios():
    fitted, built_in = cost.fit([made(configuration(), 1, 1000.0)]).coefficients, CostModel().coefficients
    ratios = np.array(fitted) / np.array(built_in)
    assert ratios == pytest.approx(np.full(6, ratios[0]), rel=0.01)


def test_rows_of_different_machines_have_different_models():
    rows = [made(configuration(w), 1, 10.0) for w in (16, 64)]
    rows += [made(configuration(w), 1, 20.0, hardware="another") for w in (16, 64, 256)]
    with pytest.raises(
        ValueError, match="one kind of hardware that took time, got another, 1 threads; a machine, 1 thr"
    ):
        cost.fit(rows)
    assert [kind.hardware for kind in cost.kinds(rows)] == ["another", "a machine"]
    assert cost.of_most_rows(rows).kind == Kind("another", 1)
    assert cost.of_most_rows([]) == CostModel()
    with pytest.raises(ValueError, match="got none"):
        cost.fit([{**rows[0], "failure": "diverged"}])


def test_no_cell_is_predicted_by_a_model_that_has_seen_it(monkeypatch):
    seen = []
    fit = cost.fit
    monkeypatch.setattr(
        cost, "fit", lambda rows: (seen.append({r["configuration"]["width"] for r in rows}), fit(rows))[1]
    )
    rows = [made(configuration(w, seed=s), 1, w, date=str(s)) for w in (16, 32, 64, 128, 256, 512) for s in range(2)]
    held = cost.hold_out(rows, seed=1)
    assert len(held.seconds) == len(rows)
    assert sorted(len(widths) for widths in seen) == [4, 4, 4]
    assert set().union(*({16, 32, 64, 128, 256, 512} - widths for widths in seen)) == {16, 32, 64, 128, 256, 512}
    assert held.errors == pytest.approx(np.abs(held.predicted / held.seconds - 1))
    with pytest.raises(ValueError, match="folds must be from 2 to the 6 cells"):
        cost.hold_out(rows, folds=7)


def test_held_out_cells_of_the_pilot_are_predicted_within_a_quarter():
    rows = Store(Path(__file__).parents[3] / "results" / "pilot.jsonl").rows()
    held = cost.hold_out(rows, seed=0)
    assert len(held.seconds) == 20
    assert np.median(held.errors) <= 0.25


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"width": 128}, {"activations", "flops", "weights"}),
        ({"depth": 7}, {"layers", "products", "activations", "flops", "weights"}),
        ({"momentum": 0.9}, {"weights"}),
        ({"batch_size": 32}, {"layers", "products", "flops", "weights"}),
    ],
)
def test_a_setting_costs_what_it_changes(changes, more):
    base, other = work.work(configuration()), work.work(dataclasses.replace(configuration(), **changes))
    assert {name for name in Work._fields if getattr(other, name) > getattr(base, name)} == more


def test_training_flops_are_those_of_the_products():
    """Count the multiplications of one step and compare with the count of an epoch of that one step."""
    from torch.utils.flop_counter import FlopCounterMode

    def update(weight, left, right, **_options):
        return 2 * left[0] * left[1] * left[2] * right[2]

    network = FCN(16, 4, 64, 10, replicas=3)
    x, rows = torch.randn(20, 64), torch.eye(10)[torch.randint(10, (20,))]
    step = Descent(network, None, x, rows, 20, "cross_entropy", 0.0, 0.0)
    with (
        FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: update}) as counter,
        torch.no_grad(),
    ):
        step(torch.arange(20).expand(3, -1), 0.1)
    counted = work.work(
        Configuration("digits", "unit", "he", 16, 4, 0, samples=20, epochs=1, batch_size=20), 3, measurements=0
    )
    assert counted.flops == counter.get_total_flops()
    assert counted.products == 3 * 11


def test_stacks_are_spread_over_devices_longest_first():
    model = cost.fit([made(configuration(), 5, 3600.0)])
    cells = [configuration(lr=lr, seed=seed) for lr in (0.1, 0.2, 0.3) for seed in range(5)]
    assert len(stacks(cells)) == 3
    assert model.hours(cells) == pytest.approx(3, rel=0.01)
    assert model.hours(cells, 2) == pytest.approx(2, rel=0.01)
    assert model.hours(cells, 2, efficiency=0.5) == pytest.approx(4, rel=0.01)
    for many in (64, 10**40):
        assert model.hours(cells, many) == pytest.approx(1, rel=0.01)
    for wrong in ((0, 1.0), (1, 0.0), (2, 1.5)):
        with pytest.raises(ValueError, match="devices must be at least 1 and efficiency in"):
            model.hours(cells, *wrong)


def test_memory_holds_what_training_needs_and_what_it_measures():
    chosen = configuration(512, 4, samples=1000, momentum=0.9)
    network = FCN(512, 4, 784, 10, replicas=2)
    weights = sum(weight.nbytes for weight in network.weights)
    least = 2 * weights + required_bytes(network, 1000, 64, 0.9)
    assert least < work.memory(chosen, 2) < least + 3 * weights + 600e6
    sizes = [work.memory(chosen, replicas) for replicas in range(1, 6)]
    assert sizes == sorted(sizes)
    widest = max(EXPERIMENTS["paper-widest"](), key=work.memory)
    assert work.memory(widest, 5) > 5 * 9 * 4 * 2**28


def test_what_does_not_fit_is_refused_in_one_sentence(monkeypatch, store, small):
    monkeypatch.setattr(work, "available_bytes", lambda device: work.memory(small(width=32), 2))
    work.refuse_what_does_not_fit(small(width=32), 2, "cpu")
    with pytest.raises(
        MemoryError, match=r"^5 replicas of width 32, depth 2 need .* GiB on cpu, .* GiB are av.* 2 of them"
    ):
        work.refuse_what_does_not_fit(small(width=32), 5, "cpu")
    with pytest.raises(MemoryError, match="not even one of them would fit"):
        work.refuse_what_does_not_fit(small(width=4096), 2, "cpu")


def test_a_sweep_stops_where_the_machine_has_no_room(monkeypatch, store, small):
    monkeypatch.setattr(work, "available_bytes", lambda device: 1000)
    with pytest.raises(MemoryError, match="1 replicas of width 8, depth 2 need "):
        sweep([small()], store)
    assert store.rows() == []


def test_the_command_line_prints_the_hours(tmp_path, store, capsys):
    from lib.experiments.__main__ import main

    assert main(["--results", str(tmp_path), "hours", "pilot"]) == 0
    assert "built-in ratios" in capsys.readouterr().out
    store.append(made(configuration(), 5, 3600.0))
    planned = [task for number in ROUNDS for task in EXPERIMENTS["setting"](number)]
    expected = cost.fit(store.rows()).hours(planned, 8, 0.5)
    assert main(["--results", str(tmp_path), "hours", "pilot", "setting", "--devices", "8", "--efficiency", "0.5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "on 8 such devices, estimated from 1 stacks on a machine, threads: 1:"
    assert said[2].split()[:4] == ["setting", str(len(planned)), "rows", f"{expected:.2f}"]
    assert main(["--results", str(tmp_path), "hours", "pilot", "--devices", "0"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, "error: devices must be at least 1" in printed.err) == ("", True)
