"""The linearisation error and the tangent kernel against values by hand, autograd and the lazy limit."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lib.estimators import kernel_drift, linearization_error, measuring, tangent_kernel
from lib.networks import FCN

F64 = {"dtype": torch.float64}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **F64)


def moved(network, size=0.3):
    """Return the weights as they are, then move them at random."""
    initial = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter += size * random(*parameter.shape, seed=index)
    return initial


def one_neuron():
    """f(x) = a·relu(w x) of two replicas: (w, a) from (1, 1) to (2, 3), and from (2, 1) to (2, 4)."""
    network = FCN(1, 2, 1, 1, replicas=2, **F64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1))
        network.weights[1].fill_(1.0)
        initial = copy.deepcopy(network.state_dict())
        network.weights[0].fill_(2.0)
        network.weights[1].copy_(torch.tensor([3.0, 4.0]).view(2, 1, 1))
    return network, initial


def test_one_neuron_by_hand():
    network, initial = one_neuron()
    x = torch.tensor([[1.0], [-1.0]], **F64)  # the neuron is silent on the second point
    # At x = 1: f goes from 1 to 6 and its linearisation to 1 + 1·1 + 2·1 = 4. In the second replica only a moved.
    assert linearization_error(network, initial, x).tolist() == pytest.approx([2 / 5, 0], abs=1e-15)
    # Θ = x²(w² + a²).
    assert tangent_kernel(network, x).tolist() == [[[13, 0], [0, 0]], [[20, 0], [0, 0]]]
    assert kernel_drift(network, initial, x).tolist() == pytest.approx([11 / 2, 15 / 5], rel=1e-15)


def test_a_model_that_is_linear_in_its_weights_stays_linear():
    network, x = nn.Linear(4, 2, **F64), random(5, 4)
    initial = moved(network)
    assert float(linearization_error(network, initial, x)) == pytest.approx(0, abs=1e-13)
    assert float(kernel_drift(network, initial, x)) == 0
    # The bias adds one to every inner product; outputs share no weight.
    expected = torch.kron(x @ x.T + 1, torch.eye(2, **F64))
    torch.testing.assert_close(tangent_kernel(network, x)[0], expected)


@pytest.mark.parametrize("only", [0, 1, 2])
def test_a_relu_network_is_linear_in_its_last_layer_alone(only):
    network, x = FCN(6, 3, 4, 2, replicas=2, **F64), random(5, 4)
    initial = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        network.weights[only] += random(*network.weights[only].shape)
    error = linearization_error(network, initial, x)
    assert bool((error < 1e-13).all()) == (only == 2)


@pytest.mark.parametrize(("depth", "out_features", "alpha"), [(2, 1, 1.0), (2, 3, 2.0), (4, 1, 1.0), (5, 2, 0.5)])
def test_layerwise_kernel_is_the_product_of_autograd_derivatives(depth, out_features, alpha):
    network = FCN(7, depth, 4, out_features, replicas=2, alpha=alpha, **F64)
    x = random(3, 4)
    kernel = tangent_kernel(network, x)
    for r in range(2):
        rows = []
        for value in network(x)[r].flatten():
            gradients = torch.autograd.grad(value, list(network.weights), retain_graph=True)
            rows.append(torch.cat([g[r].flatten() for g in gradients]))
        derivative = torch.stack(rows)
        torch.testing.assert_close(kernel[r], derivative @ derivative.T, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("depth", "out_features", "alpha"), [(2, 1, 1.0), (3, 3, 2.0)])
def test_a_module_is_measured_as_its_replica(depth, out_features, alpha, monkeypatch):
    network, x = FCN(7, depth, 4, out_features, replicas=2, alpha=alpha, **F64), random(6, 4)
    start = copy.deepcopy(network)
    initial = moved(network)
    error, drift = linearization_error(network, initial, x), kernel_drift(network, initial, x)
    kernel = tangent_kernel(network, x)
    monkeypatch.setattr(measuring, "_CHUNK_NUMBERS", 2 * 7 * 4 * 4)  # a few points at once
    torch.testing.assert_close(linearization_error(network, initial, x), error, rtol=1e-12, atol=0)
    for r in range(2):
        module, then = network.module(r), start.module(r).state_dict()
        torch.testing.assert_close(linearization_error(module, then, x)[0], error[r], rtol=1e-10, atol=0)
        torch.testing.assert_close(tangent_kernel(module, x)[0], kernel[r], rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(kernel_drift(module, then, x)[0], drift[r], rtol=1e-10, atol=0)


def test_weights_may_be_given_as_a_list_and_in_single_precision():
    network, x = FCN(7, 3, 4, 2, replicas=2, dtype=torch.float32), random(6, 4)
    weights = [weight.detach().clone() for weight in network.weights]
    initial = moved(network)
    for measure in (linearization_error, kernel_drift):
        result = measure(network, weights, x.float())
        assert result.dtype == torch.float64
        torch.testing.assert_close(result, measure(network, initial, x.float()), rtol=0, atol=0)


def test_running_statistics_and_biases_count_and_modes_come_back():
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2)).double()
    network[3].eval()
    x, start = random(6, 4), copy.deepcopy(network)
    initial = moved(network, 0.1)
    network[1].running_mean += 1.0
    # By finite differences of the network as it was at time 0, statistics and all.
    end = copy.deepcopy(start)
    for parameter, now, then in zip(end.parameters(), network.parameters(), start.parameters(), strict=True):
        parameter.data = then.data + 1e-6 * (now.data - then.data)
    with torch.no_grad():
        f_0, f_h, f_t = (net.eval()(x) for net in (start, end, copy.deepcopy(network)))
    expected = torch.linalg.vector_norm(f_t - f_0 - (f_h - f_0) / 1e-6) / torch.linalg.vector_norm(f_t - f_0)
    assert float(linearization_error(network, initial, x)) == pytest.approx(float(expected), rel=1e-5)
    assert [module.training for module in network] == [True, True, True, False, True]
    assert int(network[1].num_batches_tracked) == 0
    still = copy.deepcopy(network).eval()
    rows = [torch.autograd.grad(value, list(still.parameters()), retain_graph=True) for value in still(x).flatten()]
    derivative = torch.stack([torch.cat([gradient.flatten() for gradient in row]) for row in rows])
    torch.testing.assert_close(tangent_kernel(network, x)[0], derivative @ derivative.T, rtol=1e-11, atol=1e-12)


def test_what_has_not_moved_has_no_error_to_speak_of_and_no_drift():
    network, x = FCN(5, 3, 4, 2, replicas=2), random(6, 4).float()
    initial = copy.deepcopy(network.state_dict())
    assert linearization_error(network, initial, x).isnan().all()
    assert kernel_drift(network, initial, x).tolist() == [0, 0]


def test_a_wide_network_that_learns_a_fixed_change_stays_near_its_linearisation():
    # Theory bounds the drift by m^{-1/2} and finds m^{-1} where signs cancel; the slope lies between.
    widths, x = [64, 256, 1024, 4096], random(8, 10)
    x /= torch.linalg.vector_norm(x, dim=1, keepdim=True)
    errors, drifts = [], []
    for width in widths:
        network = FCN(width, 2, 10, 1, initializer="ntk", replicas=8, seed=3, **F64)
        initial = copy.deepcopy(network.state_dict())
        # The shortest way in the weights along which the linearised outputs rise by one at all points.
        coefficients = torch.linalg.solve(tangent_kernel(network, x), torch.ones(8, 8, 1, **F64))
        step = torch.autograd.grad((network(x) * coefficients).sum(), list(network.weights))
        with torch.no_grad():
            for parameter, change in zip(network.weights, step, strict=True):
                parameter += change
        errors.append(float(linearization_error(network, initial, x).mean()))
        drifts.append(float(kernel_drift(network, initial, x).mean()))
    for measured in (errors, drifts):
        slope = np.polyfit(np.log(widths), np.log(measured), 1)[0]
        assert -1.1 < slope < -0.4, (slope, measured)


@pytest.mark.parametrize("measure", [linearization_error, kernel_drift])
def test_initial_weights_that_do_not_fit_are_refused(measure):
    network, x = FCN(5, 3, 4, 2), random(6, 4).float()
    with pytest.raises(ValueError, match=r"shares its memory with the network; pass copy"):
        measure(network, network.state_dict(), x)
    with pytest.raises(ValueError, match=r"it lacks weights\.0"):
        measure(network, {}, x)
    with pytest.raises(ValueError, match="of the same shapes"):
        measure(network, FCN(6, 3, 4, 2).state_dict(), x)


@pytest.mark.parametrize(
    ("x", "sentence"), [(torch.zeros(0, 4), "at least one point"), (torch.zeros(3, 5), r"\(n, 4\)")]
)
def test_points_that_do_not_fit_are_refused(x, sentence):
    network = FCN(5, 3, 4, 2)
    initial = moved(network)
    for measure in (lambda: linearization_error(network, initial, x), lambda: tangent_kernel(network, x)):
        with pytest.raises(ValueError, match=sentence):
            measure()


class Cached(nn.Module):
    """Keeps what it computed from its weights, in an attribute or in a dictionary."""

    def __init__(self, inside):
        super().__init__()
        self.linear, self.kept, self.inside = nn.Linear(6, 3), {}, inside

    def forward(self, x):
        if self.training or "weight" not in self.kept:
            self.kept["weight"] = self.linear.weight.T.exp()
        weight = self.kept["weight"]
        if self.inside:
            weight = getattr(self, "fused", None)
            weight = self.linear.weight.T.exp() if weight is None else weight
            self.fused = weight
        return x.to(weight) @ weight


@pytest.mark.parametrize("inside", [False, True])
def test_what_a_module_computed_from_other_weights_is_forgotten(inside):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Cached(inside)
    x = random(4, 6).float()
    j = torch.autograd.functional.jacobian(lambda w: x.double() @ w.T.exp(), network.linear.weight.detach().double())
    j = j.reshape(12, 18)
    torch.testing.assert_close(tangent_kernel(network, x)[0], j @ j.T, rtol=1e-5, atol=1e-9)
    assert (network.kept, getattr(network, "fused", None)) == ({}, None)
    initial = moved(network, 0.1)
    error, drift = linearization_error(network, initial, x), kernel_drift(network, initial, x)
    assert 0 < float(error) < 0.5
    assert 0 < float(drift) < 1
    with torch.no_grad():
        network.eval()(x)
    with pytest.raises(ValueError, match="must compute its outputs from its weights at every call"):
        tangent_kernel(network, x)
