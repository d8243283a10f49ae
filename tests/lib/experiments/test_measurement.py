"""What a row reports is what the estimators say, and what is undefined is None."""

import pytest
import torch

from lib.balls import uniform_in_ball
from lib.data import Dataset
from lib.estimators import lazy_training_ratio, perturbation_stability, relative_stability, rms_stability
from lib.experiments.measurement import epochs_measured, finite_change, measure
from lib.networks import FCN
from lib.seeds import generator
from lib.training import evaluate


@pytest.fixture
def data():
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(30, 6, generator=stream)
    y = torch.arange(30) % 3
    return Dataset(x[:20], y[:20], x[20:], y[20:])


def initial_of(network):
    return [weight.detach().clone() for weight in network.weights]


def test_measurements_are_those_of_the_estimators(data):
    network = FCN(8, 3, 6, 3, replicas=2)
    initial = [weight * 0.9 for weight in initial_of(network)]
    measured = measure(network, initial, data, "cross_entropy")
    train_loss, train_accuracy = evaluate(network, data.x, data.y)
    test_loss, test_accuracy = evaluate(network, data.x_test, data.y_test)
    expected = {
        "P": perturbation_stability(network, data.x_test).mean(dim=1),
        "P_train": perturbation_stability(network, data.x).mean(dim=1),
        "P_rms": rms_stability(network, data.x_test).square().mean(dim=1).sqrt(),
        "relative_stability": relative_stability(network, data.x_test),
        "kappa": lazy_training_ratio(network, initial),
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
    }
    assert len(measured) == 2
    for name, values in expected.items():
        assert [m[name] for m in measured] == pytest.approx(values.tolist(), rel=1e-5), name


def test_a_diverged_replica_is_none_and_leaves_its_neighbour_alone(data):
    network = FCN(8, 3, 6, 3, replicas=2)
    alone = measure(network, initial_of(network), data, "cross_entropy")[0]
    initial = initial_of(network)
    with torch.no_grad():
        network.weights[0][1] = torch.nan
    well, diverged = measure(network, initial, data, "cross_entropy")
    assert well == alone
    assert all(diverged[name] is None for name in ("P", "P_rms", "relative_stability", "kappa", "train_loss"))


def test_a_dead_network_has_no_relative_stability(data):
    network = FCN(8, 3, 6, 3)
    with torch.no_grad():
        network.weights[-1].zero_()
    (measured,) = measure(network, initial_of(FCN(8, 3, 6, 3)), data, "cross_entropy")
    assert (measured["P"], measured["relative_stability"]) == (0.0, None)


@pytest.mark.parametrize(
    ("epochs", "schedule", "measured"),
    [
        (50, "paper", {0, 1, 5, 10, 25, 50}),
        (7, "paper", {0, 1, 5, 7}),
        (1, "constant", {0, 1}),
        (60, "constant", {0, 1, 5, 10, 25, 50, 60}),
    ],
)
def test_the_first_and_the_last_epoch_are_measured_whatever_the_length(epochs, schedule, measured):
    assert set(epochs_measured(epochs, schedule)) == measured


def test_a_finite_change_tends_to_the_first_order_and_is_its_own_at_a_size(data):
    network = FCN(8, 3, 6, 3, replicas=2, dtype=torch.float64)
    (first, _) = measure(network, initial_of(network), data, "cross_entropy", finite=True)
    plain = measure(network, initial_of(network), data, "cross_entropy")[0]
    assert set(first) - set(plain) == {
        "linear_change",
        *(f"finite_change_{r}" for r in ("0.01", "0.03", "0.1", "0.3", "1")),
    }
    assert first["finite_change_0.01"] == pytest.approx(first["linear_change"], rel=5e-3)
    away = abs(first["finite_change_1"] / first["linear_change"] - 1)
    assert away > 0.02, "so small a network is not linear over a whole ‖x‖"
    assert first["linear_change"] == pytest.approx(first["P"], rel=0.2), "the mean over a few draws, P's over all"


def test_a_finite_change_of_a_point_is_that_of_its_draw(data):
    network, size = FCN(8, 3, 6, 3, dtype=torch.float64), 2.5
    x = data.x_test.double()
    delta = uniform_in_ball(len(x), 6, generator(0, "finite change"))
    columns = finite_change(network, x, size)
    with torch.no_grad():
        change = (network(x + 0.3 * size * delta) - network(x)).norm(dim=-1).mean() / (0.3 * size)
        slope = (network(x + 1e-7 * delta) - network(x)).norm(dim=-1).mean() / 1e-7
    assert float(columns["finite_change_0.3"]) == pytest.approx(float(change), rel=1e-9)
    assert float(columns["linear_change"]) == pytest.approx(float(slope), rel=1e-6)
