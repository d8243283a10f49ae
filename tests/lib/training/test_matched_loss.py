"""The first checked step at which the full training loss is low enough, against computing it at every check."""

import pytest
import torch

from lib.data import Dataset, load
from lib.networks import FCN
from lib.seeds import generator
from lib.training import evaluate, train
from lib.training import matched_loss as module
from lib.training.losses import prepare
from lib.training.matched_loss import MatchedLoss


def first_reached(network, data, values, **options):
    """Train and return (what `train` observed, what the losses at the end of every epoch say).

    An epoch of 100 batches ends at a check, so the losses that an observer computes there are those of the checks.
    """
    observed, expected = {}, {}

    def observe(moment):
        if moment.loss is not None:
            observed.update({(moment.loss, r): (moment.epoch, moment.step) for r in moment.replicas})
            return
        losses, _ = evaluate(network, data.x, data.y, options.get("loss", "cross_entropy"))
        for r, loss in enumerate(losses.tolist()):
            for value in values:
                if loss <= value and moment.epoch > 0:
                    expected.setdefault((value, r), (moment.epoch, moment.step))

    train(network, data, observe=observe, observe_at=values, schedule="constant", **options)
    return observed, expected


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
@pytest.mark.parametrize("n", [600, 2400, 5000])  # below, between and above the sizes of the samples that screen
def test_synthetic_points_reach_each_loss_when_brute_force_says_so(points, n, loss):
    data, network = points(n), FCN(12, 3, 6, 3, replicas=4, seed=1)
    values = (1.0, 0.9, 0.75, 0.6) if loss == "cross_entropy" else (0.3, 0.29, 0.25, 0.01)
    observed, expected = first_reached(network, data, values, batch_size=n // 100, epochs=12, lr=0.02, loss=loss)
    assert observed == expected
    assert len(set(expected.values())) >= 4, "values that are all reached at once show nothing"


def test_digits_reach_each_loss_when_brute_force_says_so():
    digits, network = load("digits", samples=1400), FCN(16, 4, 64, 10, replicas=3, seed=2)
    observed, expected = first_reached(network, digits, (2.0, 1.0, 0.5, 0.3), batch_size=14, epochs=15, lr=0.1)
    assert observed == expected
    assert len(expected) >= 9


def test_a_replica_reaches_its_losses_as_it_would_alone(points, one_thread):
    data, values = points(2400), (1.0, 0.8, 0.7)
    options = {"batch_size": 32, "epochs": 10, "lr": 0.05}
    together, _ = first_reached(FCN(12, 3, 6, 3, replicas=3, seed=1), data, values, **options)
    for r in range(3):
        alone, _ = first_reached(FCN(12, 3, 6, 3, seed=1 + r), data, values, **options)
        assert alone == {(value, 0): when for (value, replica), when in together.items() if replica == r}
    assert all(step % 100 == 0 for _, step in together.values())
    assert any(epoch != int(epoch) for epoch, _ in together.values()), "checks fall inside epochs here"


@pytest.fixture
def screened():
    """A network that fits exactly the points of the first sample, among 3,000."""
    network = FCN(8, 2, 6, 3, seed=4)
    x = torch.randn(3000, 6, generator=torch.Generator().manual_seed(0))
    y = network(x)[0].argmax(dim=1)
    sample = torch.randperm(3000, generator=generator(0, "matched loss"))[:1000]
    wrong = torch.ones(3000, dtype=torch.bool)
    wrong[sample] = False
    return network, Dataset(x, torch.where(wrong, (y + 1) % 3, y), classes=3), sample


def test_a_sample_that_has_reached_a_loss_does_not_report_it(screened):
    network, data, sample = screened
    in_sample, _ = evaluate(network, data.x[sample], data.y[sample])
    full, _ = evaluate(network, data.x, data.y)
    assert in_sample < 0.5 * full
    between, above = float(in_sample + full) / 2, float(full) * 1.001
    watch = MatchedLoss(network, *prepare(network, data, "cross_entropy"), "cross_entropy", (between, above))
    assert watch.check() == [(above, (0,))]
    assert watch.check() == []
    assert watch.waiting == [[between]]


def test_values_passed_in_one_check_are_all_reported_largest_first(points):
    data, network = points(300), FCN(8, 2, 6, 3, replicas=2, seed=4)
    full, _ = evaluate(network, data.x, data.y)
    low, high = sorted(full.tolist())
    values = (low / 2, low * 1.0001, high * 1.0001, high * 2)
    watch = MatchedLoss(network, *prepare(network, data, "cross_entropy"), "cross_entropy", values)
    lower = int(full.argmin())
    assert watch.check() == [(values[3], (0, 1)), (values[2], (0, 1)), (values[1], (lower,))]


def test_most_checks_look_at_a_sample_only(points, monkeypatch):
    sizes, whole = [], module.example_losses

    def spy(network, x, targets, loss):
        sizes.append(len(x))
        return whole(network, x, targets, loss)

    monkeypatch.setattr(module, "example_losses", spy)
    data = points(5000)
    train(FCN(12, 3, 6, 3), data, batch_size=5, epochs=3, lr=0.001, observe=lambda m: None, observe_at=(0.5,))
    assert sizes.count(5000) <= 3
    assert sizes.count(1000) == 30  # every check of 3 × 1,000 steps looked at the first sample


def test_a_diverged_replica_reaches_nothing_and_holds_nobody_up(screened):
    _, data, _ = screened
    network = FCN(8, 2, 6, 3, replicas=2, seed=4)
    with torch.no_grad():
        network.weights[0][1] = torch.nan
    watch = MatchedLoss(network, *prepare(network, data, "cross_entropy"), "cross_entropy", (100.0,))
    assert watch.check() == [(100.0, (0,))]
    assert watch.waiting == [[], [100.0]]
    assert watch.check() == []


def test_a_replica_out_of_question_costs_nothing(points, monkeypatch):
    """One replica waits for a loss that is far off, one for the loss that it has: only that is computed in full."""
    looked, whole = [], module.example_losses

    def spy(network, x, targets, loss):
        looked.append((len(x), network.seeds))
        return whole(network, x, targets, loss)

    monkeypatch.setattr(module, "example_losses", spy)
    data, network = points(5000), FCN(12, 3, 6, 3, replicas=2, seed=4)
    full, _ = evaluate(network, data.x, data.y)
    watch = MatchedLoss(network, *prepare(network, data, "cross_entropy"), "cross_entropy", (0.0,))
    watch.waiting = [[0.01], [0.01, float(full[1]) * 1.0001]]
    assert watch.check() == [(float(full[1]) * 1.0001, (1,))]
    assert looked == [(1000, (4, 5)), (3000, (5,)), (5000, (5,))]
    assert watch.check() == []
    assert looked[3:] == [(1000, (4, 5))]
