"""All measures in one go are what the estimators give one by one, whoever looks on."""

import copy

import pytest
import torch
from torch import nn

from lib import estimators
from lib.estimators.measures import measures
from lib.networks import FCN
from lib.seeds import generator


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3)).double()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(70, 6, generator=generator(0, "points"), dtype=torch.float64)  # more than one part


def test_they_are_those_of_the_estimators(network, x):
    start = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        network[0].weight.mul_(1.5)
    y = network(x).argmax(dim=1)
    y[:7] = (y[:7] + 1) % 3
    seen: list[tuple[str, int]] = []
    found = measures(
        network, x, y, epsilon=0.5, samples=50, radius=0.2, steps=3, initial=start, seed=4,
        advance=lambda name, done: seen.append((name, done)),
    )  # fmt: skip
    by_name = {one.name: one for one in found}
    sampled, error = estimators.monte_carlo_stability(network, x, 0.5, samples=50, seed=4)
    expected = {
        "κ": estimators.lazy_training_ratio(network, start),
        "P, exact": estimators.perturbation_stability(network, x, 0.5),
        "root mean square": estimators.rms_stability(network, x, 0.5),
        "relative stability": estimators.relative_stability(network, x),
        "P, 50 draws": sampled,
        "local Lipschitz, radius 0.2": estimators.local_lipschitz(network, x, 0.2, steps=3),
    }
    assert set(by_name) == {*expected, "accuracy"}
    for name, values in expected.items():
        torch.testing.assert_close(by_name[name].values, values, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(by_name["P, 50 draws"].error, error, rtol=1e-10, atol=1e-12)
    assert by_name["P, 50 draws"].mean_error == pytest.approx(float(error.mean()))
    assert by_name["accuracy"].mean == pytest.approx(63 / 70)
    for name in ("P, exact", "P, 50 draws", "local Lipschitz, radius 0.2"):
        assert by_name[name].cost.seconds > 0
        assert [done for seen_name, done in seen if seen_name == name] == [0, 64, 70]
    alone = measures(network, x, epsilon=0.5, samples=0)
    assert torch.equal(alone[0].values, by_name["P, exact"].values)
    assert [one.name for one in alone] == ["P, exact", "root mean square", "relative stability"]


def test_replicas_are_measured_side_by_side(x):
    found = measures(FCN(8, 2, 6, 3, "he", replicas=2, dtype=torch.float64), x, samples=10)
    assert [tuple(one.values.shape) for one in found] == [(2, 70), (2, 70), (2,), (2, 70)]


def test_a_zero_point_has_no_relative_stability(network, x):
    x[3] = 0
    found = {one.name: one for one in measures(network, x, samples=0)}
    assert bool(found["relative stability"].values.isnan().all())
    assert bool(found["P, exact"].values.isfinite().all())  # the network is smooth there


def test_outputs_that_are_nan_are_right_nowhere(network, x):
    x[:10] = torch.nan
    y = network(x).argmax(dim=1).numpy()
    assert (y[:10] == 0).all()
    assert measures(network, x, y, samples=0)[-1].mean == pytest.approx(60 / 70)


def test_wrong_values_are_refused(network, x):
    for y in (torch.zeros(3, dtype=torch.int64), [3] * 70, torch.zeros(70)):
        with pytest.raises(ValueError, match="y must be 70 integers from 0 to 2, the classes of the points, got"):
            measures(network, x, y)
    with pytest.raises(ValueError, match="network must have at least 2 outputs"):
        measures(nn.Linear(6, 1).double(), x, [0] * 70)
    with pytest.raises(ValueError, match="x must be a tensor of points, got ndarray"):
        measures(network, x.numpy())
    with pytest.raises(ValueError, match="epsilon must be positive"):
        measures(network, x, epsilon=0)
    with pytest.raises(ValueError, match=r"network must map \(n, ...\) to \(n, o\)"):
        measures(network, x[:, :5])
