"""Adversarial rows hold what chapters 12 and 13 read, for either architecture; the reconstruction keeps its ratio."""

import dataclasses

import pytest
import torch

from lib.data.images import hold_out
from lib.experiments import adversarial as experiment
from lib.experiments import width_adjusted
from lib.experiments.adversarial import AdversarialTraining, adversarial
from lib.experiments.width_adjusted import WidthAdjustedTraining, war
from lib.rows import Conditions, Task, stacks

SMALL = AdversarialTraining("digits", "cnn", 4, 3, 0.06, 1.0, 0, samples=300, epochs=2, batch_size=20, lr=0.05)


@pytest.fixture(autouse=True, scope="module")
def few():
    """Hold 100 images out, and measure 60."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "FEW_HELD_OUT", 100)
        patch.setattr(experiment, "MEASURED", 60)
        yield


@pytest.mark.parametrize("architecture", experiment.ARCHITECTURES)
def test_rows_hold_every_choice_of_the_epoch(few, architecture):
    stack = [dataclasses.replace(SMALL, architecture=architecture, width=12, seed=seed) for seed in (0, 1)]
    rows = AdversarialTraining.compute(stack, Conditions())
    assert rows.failures == [None, None]
    for listed in rows.measurements:
        assert [m["selection"] for m in listed] == ["held-out", "test", "last"]
        for m in listed:
            assert m["robust_accuracy"] <= min(m["natural_accuracy"], m["stability"])
            assert m["lambda"] == 1.0
            assert m["held_out_robust_accuracy"] <= listed[0]["held_out_robust_accuracy"] <= 1
            assert m["P"] > 0 < m["divergence_slope"]
        assert listed[1]["robust_accuracy"] >= listed[2]["robust_accuracy"] - 0.1
        assert listed[2]["epoch"] == 2
    for listed, trace in zip(rows.measurements, rows.traces, strict=True):
        assert trace["epoch"] == [1, 2] and trace["lambda"] == [1.0, 1.0]
        assert all(value > 0 for name in ("natural", "regularization") for value in trace[name])
        assert max(trace["held_out_robust_accuracy"]) == listed[0]["held_out_robust_accuracy"]


def test_held_out_images_are_in_no_training_set():
    data, held_out = experiment.split(SMALL, Conditions())
    assert (data.n, held_out.n) == (300, 100)
    both = torch.cat([data.x, held_out.x])
    assert len(torch.unique(both, dim=0)) == len(both)
    assert torch.equal(hold_out(data, 10)[1].x, hold_out(data, 10)[1].x)


@pytest.mark.slow
def test_a_wide_network_of_the_small_ones_width_keeps_the_tuned_lambda(few):
    """At the same width, seed and λ the ratio is the small network's own: nothing is to be adjusted."""
    task = WidthAdjustedTraining(**{**dataclasses.asdict(SMALL), "strength": 0.0, "small": 4})
    rows = WidthAdjustedTraining.compute([task], Conditions())
    trace = rows.traces[0]
    ratio = [part / natural for part, natural in zip(trace["regularization"], trace["natural"], strict=True)]
    assert ratio == pytest.approx(trace["goal"], rel=1e-4)
    for m in rows.measurements[0]:
        assert m["tuned_lambda"] in experiment.STRENGTHS
        assert m["lambda"] == pytest.approx(m["tuned_lambda"], rel=1e-5)
        assert m["tuning_seconds"] > m["wide_seconds"] > 0
    # A row that differs in the wide network alone begins with the same small one, trained once.
    other = WidthAdjustedTraining.compute([dataclasses.replace(task, width=6, rate=2.0)], Conditions())
    assert width_adjusted._tune.cache_info().hits == 1
    for m, n in zip(rows.measurements[0], other.measurements[0], strict=True):
        assert (m["tuned_lambda"], m["tuning_seconds"]) == (n["tuned_lambda"], n["tuning_seconds"])
    assert trace["goal"] == other.traces[0]["goal"]


def test_plans():
    assert adversarial() == war() == []
    grid, adjusted = adversarial(2), war(2)
    assert len({task.key for task in grid}) == len(grid) == ((5 + 4) * 6 + (3 + 2) * 3) * 5
    assert len({task.key for task in adjusted}) == len(adjusted) == (4 + 3 + 3 + 3) * 5
    assert all(Task.of(task.asdict()) == task for task in (grid[0], adjusted[-1]))


def test_seeds_whose_times_are_compared_train_one_by_one():
    together: dict[tuple[str, int], set[int]] = {}
    for part in stacks(war(2)):
        together.setdefault((part[0].architecture, part[0].width), set()).add(len(part))
    assert together == {
        ("fcn", 64): {5}, ("fcn", 128): {5}, ("fcn", 256): {5}, ("fcn", 512): {1},
        ("cnn", 8): {5}, ("cnn", 16): {5}, ("cnn", 32): {1},
    }  # fmt: skip
    assert {len(part) for part in stacks(adversarial(2))} == {5}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epsilon": -0.1}, "epsilon must be positive and finite, got -0.1."),
        ({"strength": -1.0}, "strength must be at least 0 and finite, got -1.0."),
        ({"architecture": "resnet"}, "architecture must be one of fcn, cnn, got 'resnet'."),
        ({"depth": 1}, "depth must be an integer of at least 2, got 1."),
    ],
)
def test_what_is_no_training_is_refused(changes, sentence):
    with pytest.raises(ValueError) as refused:
        dataclasses.replace(SMALL, **changes)
    assert str(refused.value) == sentence
