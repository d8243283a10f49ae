"""The estimators on networks that are not ours: plain modules, convolutions, any input shape, any mode."""

import copy

import pytest
import torch
from torch import nn

from lib.estimators import (
    finite_stability,
    jacobian,
    jacobian_spectrum,
    measuring,
    monte_carlo_stability,
    perturbation_stability,
    relative_stability,
    rms_stability,
)
from lib.networks import FCN

F64 = {"dtype": torch.float64}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **F64)


def convolutional():
    """A small CNN whose training mode differs from its eval mode in two ways."""
    layers = [
        nn.Conv2d(2, 4, 3, padding=1, **F64),
        nn.BatchNorm2d(4, **F64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 3, **F64),
    ]
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.copy_(random(*parameter.shape, seed=index))
        network[1].running_mean.copy_(random(4, seed=50))
        network[1].running_var.copy_(1 + random(4, seed=51) ** 2)
    return network


@pytest.mark.parametrize(("width", "features", "outputs"), [(5, 12, 3), (16, 12, 3), (9, 4, 6)])
@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_a_plain_module_and_the_fast_path_agree(width, features, outputs, alpha):
    network = FCN(width, 4, features, outputs, replicas=3, alpha=alpha, seed=1, **F64)
    x = random(8, features)
    for estimator in (
        perturbation_stability,
        rms_stability,
        relative_stability,
        jacobian,
        jacobian_spectrum,
        lambda n, x: torch.stack(monte_carlo_stability(n, x, samples=20), dim=1),
        lambda n, x: torch.stack(finite_stability(n, x, 0.5, samples=20), dim=1),
    ):
        fast = estimator(network, x)
        for r in range(3):
            plain = estimator(network.module(r), x)
            assert plain.shape[0] == 1
            torch.testing.assert_close(plain[0], fast[r], rtol=1e-11, atol=1e-12)


def test_a_convolutional_network_is_measured_in_eval_mode():
    network, x = convolutional(), random(5, 2, 4, 4)
    network.train()
    p = perturbation_stability(network, x)
    reference = copy.deepcopy(network).eval()
    j = torch.stack([torch.autograd.functional.jacobian(reference, p[None]).reshape(3, 32) for p in x])
    torch.testing.assert_close(jacobian(network, x)[0], j, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(rms_stability(network, x)[0], torch.linalg.matrix_norm(j) / 34**0.5)
    assert p.shape == (1, 5)
    assert (p[0] > 0).all()


def test_measuring_leaves_parameters_buffers_gradients_and_points_alone():
    network, x = convolutional(), random(5, 2, 4, 4)
    network.train()
    state, before = copy.deepcopy(network.state_dict()), x.clone()
    perturbation_stability(network, x)
    relative_stability(network, x)
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(x, before)
    assert not x.requires_grad


def modes(network):
    return [module.training for module in network.modules()]


def test_every_submodule_gets_its_own_mode_back():
    network = convolutional().train()
    network[1].eval()  # a frozen normalisation inside a network in training
    before = modes(network)
    for estimator in (perturbation_stability, rms_stability, relative_stability, monte_carlo_stability):
        estimator(network, random(3, 2, 4, 4))
        assert modes(network) == before


def test_the_modes_come_back_after_an_exception_too():
    network = convolutional().train()
    network[1].eval()
    before = modes(network)
    for estimator in (perturbation_stability, relative_stability, jacobian):
        with pytest.raises(ValueError, match="to have 2 channels"):
            estimator(network, random(3, 1, 4, 4))  # one channel where two are needed
        assert modes(network) == before


def test_the_shape_of_a_point_does_not_matter():
    network, x = convolutional(), random(5, 2, 4, 4)
    flat = nn.Sequential(nn.Unflatten(1, (2, 4, 4)), network)
    for estimator in (perturbation_stability, relative_stability, jacobian):
        torch.testing.assert_close(estimator(network, x), estimator(flat, x.flatten(1)))


def test_more_outputs_than_inputs_give_as_many_eigenvalues_as_inputs():
    network = FCN(16, 3, 4, 9, replicas=2, **F64)
    x = random(6, 4)
    full = network.jacobian(x).detach()
    expected = torch.linalg.svdvals(full).square().flip(-1)
    torch.testing.assert_close(jacobian_spectrum(network, x), expected, rtol=1e-9, atol=1e-12)


def test_the_spectrum_does_not_depend_on_its_chunks(monkeypatch):
    network, x = FCN(16, 3, 8, 3, replicas=2, **F64), random(11, 8)
    whole = jacobian_spectrum(network, x)
    monkeypatch.setattr(measuring, "_CHUNK_NUMBERS", 2 * 3 * 16 * 2)  # two points a chunk, the last one alone
    torch.testing.assert_close(jacobian_spectrum(network, x), whole, rtol=1e-12, atol=1e-14)


def test_float32_modules_are_measured_in_float64_and_agree():
    network, x = convolutional(), random(5, 2, 4, 4)
    double = perturbation_stability(network, x)
    single = perturbation_stability(network.float(), x.float())
    assert single.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=0)


def test_gradients_may_be_off_around_an_estimator():
    network, x = convolutional(), random(2, 2, 4, 4)
    with torch.no_grad():
        off = perturbation_stability(network, x)
    torch.testing.assert_close(off, perturbation_stability(network, x))


@pytest.mark.parametrize(
    "network", [nn.Flatten(0), nn.Identity(), nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (4, 8)))]
)
def test_a_network_of_another_kind_is_refused(network):
    for estimator in (perturbation_stability, relative_stability, jacobian):
        with pytest.raises(ValueError, match=r"network must map \(n, \.\.\.\) to \(n, o\); for n = \d it returned"):
            estimator(network, random(3, 2, 4, 4))


def test_what_leaves_the_range_of_float32_is_measured_all_the_same():
    # J Jᵀ of this network is of the order 1e-47: zero in float32.
    x = random(6, 20)
    single = FCN(64, 8, 20, 3, "power-2", dtype=torch.float32)
    double = FCN.from_modules([single.module().double()])
    assert 0 < float(perturbation_stability(single, x.float()).max()) < 1e-20
    exact = perturbation_stability(double, x)
    assert torch.allclose(perturbation_stability(single, x.float()), exact, rtol=1e-4, atol=0)
    assert torch.allclose(relative_stability(single, x.float()), relative_stability(double, x), rtol=1e-4)
