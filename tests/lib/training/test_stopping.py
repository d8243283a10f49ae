"""Early stopping at a training loss, the moments that are observed, and the learning rate of every epoch."""

import pytest
import torch

from lib.networks import FCN
from lib.training import evaluate, learning_rate, train

OPTIONS = {"batch_size": 3, "epochs": 40, "lr": 0.02, "schedule": "constant"}


@pytest.mark.slow
def test_a_replica_is_left_at_its_own_stopping_step_however_many_train_beside_it(points, one_thread):
    data, stack = points(), FCN(12, 3, 6, 3, replicas=4, seed=1)
    stops = train(stack, data, stop_at=0.6, **OPTIONS).stopped
    assert len({moment.step for moment in stops.values()}) >= 3, "replicas that stop together show nothing"
    for r in range(4):
        single = FCN(12, 3, 6, 3, seed=1 + r)
        history = train(single, data, stop_at=0.6, **OPTIONS)
        assert (history.stopped[0].step, history.stopped[0].epoch) == (stops[r].step, stops[r].epoch)
        assert all(torch.equal(a[r], b[0]) for a, b in zip(stack.weights, single.weights, strict=True))
    assert (evaluate(stack, data.x, data.y)[0] <= 0.6).all()


def test_stopping_leaves_the_weights_of_a_training_that_ends_there(points, one_thread):
    data, options = points(), {**OPTIONS, "batch_size": 2}  # 100 steps an epoch: stops are ends of epochs
    stopped = FCN(12, 3, 6, 3, replicas=3, seed=1)
    stops = train(stopped, data, stop_at=0.6, **options).stopped
    for r in range(3):
        single = FCN(12, 3, 6, 3, seed=1 + r)
        train(single, data, **{**options, "epochs": int(stops[r].epoch)})
        assert all(torch.equal(a[r], b[0]) for a, b in zip(stopped.weights, single.weights, strict=True))


def test_what_never_reaches_the_loss_trains_to_the_end(points, one_thread):
    data, options = points(), {**OPTIONS, "epochs": 3}
    stopping, free = (FCN(12, 3, 6, 3, replicas=2) for _ in range(2))
    history = train(stopping, data, stop_at=0.01, **options)
    train(free, data, **options)
    assert history.stopped == {0: None, 1: None}
    assert all(torch.equal(a, b) for a, b in zip(stopping.weights, free.weights, strict=True))


def test_the_loss_of_an_epoch_that_ends_early_is_the_mean_over_what_it_saw(points, one_thread):
    data, moments = points(), []
    seen = train(FCN(12, 3, 6, 3), data, stop_at=0.75, observe=lambda m: moments.append(m.epoch), **OPTIONS)
    whole = train(FCN(12, 3, 6, 3), data, **{**OPTIONS, "epochs": len(seen.loss)})
    stop = seen.stopped[0]
    assert 0 < stop.epoch % 1 < 0.5, "the last epoch has to be a short one"
    assert torch.equal(torch.stack(seen.loss[:-1]), torch.stack(whole.loss[:-1]))
    # Less than half of an epoch, divided by all points, would show less than half of the loss.
    assert float(seen.loss[-1]) == pytest.approx(float(whole.loss[-1]), rel=0.3)
    assert moments == list(range(len(seen.loss))), "an epoch that did not end is not observed as one"


def test_the_observer_hears_of_every_moment_once_and_in_order(points):
    heard = []
    network = FCN(12, 3, 6, 3, replicas=3, seed=1)
    options = {"batch_size": 4, "epochs": 12, "lr": 0.05, "schedule": "constant"}
    history = train(
        network, points(), observe=lambda m: heard.append(m) or m.step, observe_at=(0.9, 0.8), stop_at=0.7, **options
    )
    ends = [moment for moment in heard if moment.loss is None]
    assert [(m.epoch, m.step, m.replicas) for m in ends] == [(e, 50 * e, (0, 1, 2)) for e in range(len(ends))]
    reached = [(moment.loss, replica) for moment in heard if moment.loss is not None for replica in moment.replicas]
    assert sorted(reached) == [(value, r) for value in (0.8, 0.9) for r in range(3)]
    assert [moment.step for moment in heard] == sorted(moment.step for moment in heard)
    assert history.observations == [(moment, moment.step) for moment in heard]


def test_what_the_observer_does_not_answer_is_not_kept(points):
    history = train(FCN(4, 2, 6, 3), points(), epochs=3, observe=lambda m: m.epoch if m.epoch == 2 else None)
    assert [seen for _, seen in history.observations] == [2.0]


def test_the_proportional_schedule_is_the_papers_at_fifty_epochs():
    for epoch in range(1, 51):
        assert learning_rate(epoch, 0.3, "proportional", 50) == learning_rate(epoch, 0.3, "paper")


@pytest.mark.parametrize("epochs", [10, 20, 100, 2931])
def test_the_proportional_schedule_drops_after_50_70_and_90_percent(epochs):
    rates = [learning_rate(epoch, 1.0, "proportional", epochs) for epoch in range(1, epochs + 1)]
    expected = [
        10.0 ** -sum(10 * (epoch - 1) >= tenths * epochs for tenths in (5, 7, 9)) for epoch in range(1, epochs + 1)
    ]
    assert rates == pytest.approx(expected, rel=1e-12)


def test_training_follows_the_proportional_schedule(points):
    history = train(FCN(4, 2, 6, 3), points(), epochs=10, lr=0.1, schedule="proportional")
    assert history.lr == pytest.approx([0.1] * 5 + [0.01] * 2 + [1e-3] * 2 + [1e-4])
