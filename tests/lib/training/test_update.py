"""The written-out trainer against a plain loop: nn.Sequential, autograd and torch.optim.SGD."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.data import Dataset
from lib.networks import FCN
from lib.seeds import generator
from lib.training import evaluate, learning_rate, train

FEATURES, CLASSES, SAMPLES = 6, 3, 23


def data(dtype=torch.float64, outputs=CLASSES, targets="labels"):
    stream = torch.Generator().manual_seed(7)
    x = torch.randn(SAMPLES, FEATURES, generator=stream, dtype=torch.float64).to(dtype)
    if targets == "labels":
        return Dataset(x, torch.randint(0, outputs, (SAMPLES,), generator=stream), classes=outputs)
    return Dataset(x, torch.randn(SAMPLES, outputs, generator=stream, dtype=torch.float64).to(dtype))


FAULTY_GRADIENT = {"a gradient 5 % too small": lambda size: 0.95, "the last batch over 8": lambda size: size / 8}


def paper_rate(epoch, lr):
    """The paper's schedule, written as it is said: 25 epochs, then a tenth every 10 epochs."""
    return lr * (1 if epoch <= 25 else 0.1 if epoch <= 35 else 0.01 if epoch <= 45 else 0.001)


def plain_loop(module, seed, data, epochs, batch_size, lr, schedule, loss, momentum=0.0, weight_decay=0.0, fault=None):
    """Train one module as a tutorial would, and return the mean loss of each epoch.

    A `fault` makes this loop wrong in one way: what the comparison must see is the same on whichever side it lies.
    """
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    stream, history = generator(seed, "batches"), []
    for epoch in range(1, epochs + 1):
        for group in optimizer.param_groups:
            at = epoch - 1 if fault == "a late drop" else epoch
            group["lr"] = paper_rate(at, lr) if schedule == "paper" else lr
        total = 0.0
        order = torch.randperm(len(data.x), generator=stream) if batch_size else torch.arange(len(data.x))
        for batch in order.split(batch_size or len(order)):
            if fault == "the last batch dropped" and len(batch) < batch_size:
                continue
            f, y = module(data.x[batch]), data.y[batch]
            if loss == "cross_entropy":
                value = functional.cross_entropy(f, y)
            else:
                target = y if y.is_floating_point() else functional.one_hot(y, f.shape[1])
                value = ((f - target.reshape(f.shape)) ** 2).sum() / (2 * len(batch))
            optimizer.zero_grad()
            value.backward()
            for parameter in module.parameters():
                parameter.grad *= FAULTY_GRADIENT.get(fault, lambda size: 1)(len(batch))
            optimizer.step()
            total += float(value.detach()) * len(batch)
        history.append(total / len(data.x))
    return history


def compare(
    data,
    depth=2,
    dtype=torch.float64,
    alpha=1.0,
    outputs=CLASSES,
    fault=None,
    batch_seeds=(5, 6, 7),
    **options,
):
    """Return the largest relative error of the update W_t − W_0 over layers and replicas, and that of the losses."""
    options = {"epochs": 3, "batch_size": 8, "lr": 0.1, "schedule": "paper", "loss": "cross_entropy", **options}
    network = FCN(7, depth, FEATURES, outputs, replicas=3, alpha=alpha, seed=5, dtype=dtype)
    initial = [weight.detach().clone() for weight in network.weights]
    modules = [network.module(r) for r in range(3)]
    history = train(network, data, **options)
    worst = loss_error = 0.0
    for r, module in enumerate(modules):
        losses = plain_loop(module, batch_seeds[r], data, fault=fault, **options)
        loss_error = max(loss_error, *(abs(float(h[r]) / e - 1) for h, e in zip(history.loss, losses, strict=True)))
        linears = [layer for layer in module if isinstance(layer, nn.Linear)]
        for start, weight, layer in zip(initial, network.weights, linears, strict=True):
            got, expected = weight[r].detach() - start[r], layer.weight.detach().T - start[r]
            assert expected.norm() > 1e-2 * start[r].norm(), "an update this small shows nothing"
            worst = max(worst, float((got - expected).norm() / expected.norm()))
    return worst, loss_error


TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}
CASES = {
    "plain": {},
    "squared": {"loss": "squared", "lr": 0.05},
    "momentum": {"momentum": 0.9, "lr": 0.02},
    "decay": {"weight_decay": 0.1},
    "momentum, decay, alpha, squared": {
        "momentum": 0.9,
        "weight_decay": 0.1,
        "alpha": 2.5,
        "loss": "squared",
        "lr": 0.02,
    },
    "decay, alpha, squared": {"weight_decay": 0.1, "alpha": 2.5, "loss": "squared", "lr": 0.05},
    "alpha": {"alpha": 2.5},
    "across the drop of the paper's schedule": {"epochs": 27, "batch_size": 10},
    "across the drop, momentum and decay": {"epochs": 27, "momentum": 0.9, "weight_decay": 0.01, "lr": 0.01},
    "constant": {"epochs": 27, "schedule": "constant", "lr": 0.02},
    "a last batch of one": {"batch_size": 11},
    "one point a batch": {"batch_size": 1, "lr": 0.02},
    "no partial batch": {"batch_size": SAMPLES},
    "full batch": {"batch_size": None, "epochs": 10},
    "larger than the data": {"batch_size": None, "epochs": 5, "loss": "squared"},
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("depth", [2, 5])
@pytest.mark.parametrize("case", CASES)
def test_the_update_is_that_of_a_plain_loop(case, depth, dtype):
    error, loss_error = compare(data(dtype), depth, dtype, **CASES[case])
    assert error < TOLERANCE[dtype]
    assert loss_error < TOLERANCE[dtype]


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_float_targets_under_the_squared_loss(outputs, batch_size):
    options = {"outputs": outputs, "loss": "squared", "batch_size": batch_size, "epochs": 10, "lr": 0.05}
    error, loss_error = compare(data(outputs=outputs, targets="floats"), depth=3, **options)
    assert error < 1e-9
    assert loss_error < 1e-9


def test_float_targets_may_be_a_vector():
    column = data(outputs=1, targets="floats")
    networks = [FCN(7, 2, FEATURES, 1, dtype=torch.float64) for _ in range(2)]
    for network, y in zip(networks, (column.y, column.y[:, 0]), strict=True):
        train(network, Dataset(column.x, y), epochs=2, batch_size=8, lr=0.1, loss="squared")
    assert all(torch.equal(a, b) for a, b in zip(networks[0].weights, networks[1].weights, strict=True))


# The comparison has to be able to fail: with each of these faults it must be off by far more than it tolerates.
# (The same faults put into the trainer itself failed it too.)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("fault", ["a gradient 5 % too small", "the last batch dropped", "the last batch over 8"])
def test_the_comparison_sees_a_fault(fault, dtype):
    error, _ = compare(data(dtype), dtype=dtype, fault=fault)
    assert error > 10 * TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_comparison_sees_a_drop_that_comes_late(dtype):
    error, _ = compare(data(dtype), dtype=dtype, epochs=26, fault="a late drop")
    assert error > 10 * TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_comparison_sees_replicas_that_share_an_order(dtype):
    error, _ = compare(data(dtype), dtype=dtype, batch_seeds=(5, 5, 5))
    assert error > 10 * TOLERANCE[dtype]


@pytest.mark.parametrize(
    ("width", "depth", "features", "outputs", "samples", "batch_size"),
    [(16, 2, 64, 10, 130, 64), (64, 5, 64, 10, 130, 64), (17, 3, 33, 3, 101, 32), (8, 2, 5, 2, 21, 4)],
)
def test_a_replica_is_bit_equal_however_many_train_beside_it(
    one_thread, width, depth, features, outputs, samples, batch_size
):
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(samples, features, generator=stream)
    points = Dataset(x, torch.randint(0, outputs, (samples,), generator=stream), classes=outputs)
    options = {"epochs": 4, "batch_size": batch_size, "lr": 0.05, "momentum": 0.5}
    stack = FCN(width, depth, features, outputs, replicas=5, seed=2)
    together = train(stack, points, **options)
    for r in range(5):
        single = FCN(width, depth, features, outputs, seed=2 + r)
        alone = train(single, points, **options)
        assert all(torch.equal(w[r], v[0]) for w, v in zip(stack.weights, single.weights, strict=True))
        assert all(torch.equal(a[r], b[0]) for a, b in zip(together.loss, alone.loss, strict=True))


def test_the_paper_schedule_drops_after_25_35_and_45():
    rates = [learning_rate(epoch, 1e-3) for epoch in (1, 25, 26, 35, 36, 45, 46, 50)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6], rel=1e-12)
    assert learning_rate(50, 1e-3, "constant") == 1e-3


def test_the_history_has_one_entry_an_epoch():
    network = FCN(7, 2, FEATURES, CLASSES, replicas=2)
    history = train(network, data(torch.float32), epochs=27, lr=0.1)
    assert history.lr == pytest.approx([0.1] * 25 + [0.01] * 2)
    assert len(history.loss) == 27
    assert all(loss.shape == (2,) and loss.dtype == torch.float64 for loss in history.loss)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_evaluate_is_the_mean_over_all_points(loss):
    points, network = data(), FCN(7, 3, FEATURES, CLASSES, replicas=2, dtype=torch.float64)
    value, accuracy = evaluate(network, points.x, points.y, loss)
    for r in range(2):
        f = network.module(r)(points.x).detach()
        expected = functional.cross_entropy(f, points.y)
        if loss == "squared":
            expected = ((f - functional.one_hot(points.y, CLASSES)) ** 2).sum() / (2 * SAMPLES)
        assert float(value[r]) == pytest.approx(float(expected), rel=1e-12)
        assert float(accuracy[r]) == sum(int(f[i].argmax() == points.y[i]) for i in range(SAMPLES)) / SAMPLES


def test_float_targets_have_no_accuracy():
    points = data(outputs=2, targets="floats")
    network = FCN(7, 2, FEATURES, 2, dtype=torch.float64)
    value, accuracy = evaluate(network, points.x, points.y, "squared")
    assert accuracy is None
    assert float(value) == pytest.approx(float(((network(points.x)[0] - points.y) ** 2).sum().detach()) / 46, rel=1e-12)


def test_digits_are_learned():
    from lib.data import load

    digits = load("digits")
    network = FCN(64, 3, 64, 10, replicas=2, seed=1)
    before, _ = evaluate(network, digits.x, digits.y)
    train(network, digits, epochs=20, lr=0.05, momentum=0.9)
    after, _ = evaluate(network, digits.x, digits.y)
    _, accuracy = evaluate(network, digits.x_test, digits.y_test)
    assert (after < 0.1 * before).all()
    assert (accuracy > 0.9).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"epochs": 1.5}, "epochs must be an integer of at least 1, got 1.5"),
        ({"epochs": True}, "epochs must be an integer of at least 1, got True"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"batch_size": 8.0}, "batch_size must be an integer of at least 1, got 8.0"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"lr": -1e-3}, "lr must be positive and finite, got -0.001"),
        ({"lr": math.nan}, "lr must be positive and finite, got nan"),
        ({"lr": math.inf}, "lr must be positive and finite, got inf"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"momentum": -0.1}, r"momentum must be in \[0, 1\), got -0.1"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0 and finite, got -1.0"),
        ({"weight_decay": math.inf}, "weight_decay must be at least 0 and finite, got inf"),
        ({"schedule": "cosine"}, "schedule must be one of paper, .*constant, got 'cosine'"),
        ({"loss": "hinge"}, "loss must be one of cross_entropy, squared, got 'hinge'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_trained(options, sentence):
    network = FCN(7, 2, FEATURES, CLASSES)
    before = network.weights[0].detach().clone()
    with pytest.raises(ValueError, match=sentence):
        train(network, data(torch.float32), **options)
    assert torch.equal(network.weights[0], before)


@pytest.mark.parametrize(
    ("network", "points", "loss", "sentence"),
    [
        (FCN(7, 2, 5, 3), data(torch.float32), "squared", "data must have 5 features for this network, got 6"),
        (FCN(7, 2, 6, 2), data(torch.float32), "cross_entropy", "data has the label 2, but the network only 2 outputs"),
        (FCN(7, 2, 6, 2), data(torch.float32), "squared", "data has the label 2, but the network only 2 outputs"),
        (FCN(7, 2, 6, 3), data(targets="floats"), "cross_entropy", "data must have integer labels"),
        (FCN(7, 2, 6, 1), data(torch.float32), "cross_entropy", "network two or more outputs, for cross_entropy"),
        (FCN(7, 2, 6, 2), data(targets="floats"), "squared", "data must have 2 targets a point .* got 3"),
    ],
)
def test_data_that_do_not_fit_are_refused(network, points, loss, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(network, points, epochs=1, loss=loss)
    with pytest.raises(ValueError, match=sentence):
        evaluate(network, points.x, points.y, loss)
