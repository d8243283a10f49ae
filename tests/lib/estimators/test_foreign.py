"""Modules that are not ours: interacting examples, kinks, points without values, types, and memory."""

import pytest
import torch
from torch import nn

from lib.data import random_labels
from lib.estimators import (
    finite_stability,
    foreign,
    jacobian,
    lazy_training_ratio,
    local_lipschitz,
    monte_carlo_stability,
    perturbation_stability,
    rms_stability,
    tangent_kernel,
)
from lib.estimators.footprint import peak_bytes
from lib.networks import FCN

MEASURES = (
    perturbation_stability,
    rms_stability,
    lambda n, x: monte_carlo_stability(n, x, samples=10)[0],
    lambda n, x: local_lipschitz(n, x, 0.1, steps=1),
)


def small(features=6):
    return nn.Sequential(nn.Linear(features, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("make", [small, lambda: FCN(8, 3, 6, 3, dtype=torch.float32)])
def test_a_point_without_a_value_has_no_stability_and_its_neighbours_have(value, make):
    network, x = make(), torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    x[1, 0] = value
    for measure in MEASURES:
        result = measure(network, x)[0]
        assert result.isnan().tolist() == [False, True, False]


def test_zero_is_a_kink_of_a_network_without_biases_alone():
    zero = torch.zeros(1, 6)
    for network in (FCN(8, 3, 6, 3, dtype=torch.float32), FCN(8, 3, 6, 3, dtype=torch.float32).module()):
        assert perturbation_stability(network, zero).isnan().all()
        assert (local_lipschitz(network, zero, 0.1, steps=0) > 0).all()
    for network in (small(), nn.Linear(6, 3, bias=False)):
        assert (perturbation_stability(network, zero) > 0).all()


def test_a_stack_whose_activations_leave_the_floats_has_no_stability():
    network = FCN(8, 4, 6, 3, dtype=torch.float32)
    with torch.no_grad():
        for weight in network.weights:
            weight *= 1e15
    assert perturbation_stability(network, torch.ones(2, 6)).isnan().all()


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.ones(2, 6, dtype=torch.uint8), "floating numbers"),
        (torch.ones(2, 6, dtype=torch.complex64), "floating numbers"),
        (torch.ones(2, 6, device="meta"), "on meta"),
        (torch.ones(2, 6, dtype=torch.float64), "it raised RuntimeError"),
    ],
)
def test_points_of_another_kind_are_refused(x, sentence):
    for measure in MEASURES:
        # Under the check of shapes an integer is refused as no float already.
        with pytest.raises((ValueError, TypeError)) as refusal:
            measure(small(), x)
        assert sentence in str(refusal.value) or isinstance(refusal.value, TypeError)


def test_a_stack_names_its_type_and_device():
    with pytest.raises(ValueError, match=r"x must be torch\.float32 on cpu"):
        perturbation_stability(FCN(8, 3, 6, 3, dtype=torch.float32), torch.ones(2, 6, dtype=torch.float64))


def test_one_dead_point_among_others_has_zero():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        network[0].bias.zero_()
    assert perturbation_stability(network, torch.tensor([[-1.0, -2.0], [1.0, 2.0]]))[0].gt(0).tolist() == [False, True]


def test_a_step_below_the_resolution_of_the_points_is_refused():
    with pytest.raises(ValueError, match="epsilon must be large enough to move x"):
        finite_stability(small(), torch.ones(2, 6), 1e-7, samples=4)


def test_half_precision_does_not_overflow_kappa():
    layer = nn.Linear(64, 64).half()
    start = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.weight.data.fill_(2e3)
    assert lazy_training_ratio(layer, start).isfinite().all()


@pytest.mark.parametrize("limit", ["_CHUNK_BYTES", "_CACHED_BYTES"])
def test_chunks_follow_the_activations_and_change_nothing(monkeypatch, limit):
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(128, 3)).double()
    x = torch.randn(9, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole, sizes = jacobian(network, x), []
    derivative = foreign.Foreign._derivative

    def recorded(subject, part, *arguments, **named):
        sizes.append(len(part))
        return derivative(subject, part, *arguments, **named)

    monkeypatch.setattr(foreign.Foreign, "_derivative", recorded)
    leaf = x[:1].clone().requires_grad_()
    one = peak_bytes(lambda: torch.autograd.grad(network(leaf.clone()).sum(), leaf))
    monkeypatch.setattr(foreign, limit, 5 * one)
    torch.testing.assert_close(jacobian(network, x.detach()), whole, rtol=1e-12, atol=1e-14)
    assert 1 < max(sizes[1:]) < 9


def test_the_peak_counts_what_is_alive_at_once():
    def call():
        kept = [torch.empty(1000, dtype=torch.float64).fill_(0) for _ in range(3)]
        for _ in range(5):
            passing = kept[0] + 1
            del passing

    assert peak_bytes(call) == 4 * 8000


def test_points_on_kinks_do_not_pass_for_points_that_interact():
    """Every neuron is zero at the nearest other point, to rounding, which a batch and a point alone do not share."""
    data = random_labels(512, 256, seed=0)
    length = data.x.norm(dim=1, keepdim=True)
    unit = data.x / length
    others = (unit @ data.x.T).fill_diagonal_(-torch.inf).amax(dim=1)
    network = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 1, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(unit)
        network[0].bias.copy_(-others)
        network[2].weight.copy_(data.y / (length[:, 0] - others))
    x = data.x[:64]
    together = perturbation_stability(network, x)
    alone = torch.cat([perturbation_stability(network, x[i : i + 1]) for i in range(0, 64, 8)], dim=1)
    assert torch.equal(together[:, ::8], alone)


class Of(nn.Module):
    """A linear layer between what others do to points and outputs."""

    def __init__(self, before=lambda x: x, after=lambda y: y):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.linear = nn.Linear(6, 3)
        self.before, self.after = before, after

    def forward(self, x):
        return self.after(self.linear(self.before(x)))


@pytest.mark.parametrize("low", [0, -1])
def test_a_network_that_checks_its_range_is_measured_within_it(low):
    def within(x):
        assert bool((x >= low).all() and (x <= 1).all())
        return x

    x = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    x[:, 0], x[1, 1], x[2, 2] = 1, 0, low
    expected = perturbation_stability(Of(), x)
    assert torch.equal(perturbation_stability(Of(within), x), expected)
    for i in range(4):
        assert torch.allclose(perturbation_stability(Of(within), x[i : i + 1]), expected[:, i : i + 1], rtol=1e-6)
    cut = Of(within, lambda y: y.detach() + 0.9 * y)
    with pytest.raises(ValueError, match="along a small step"):
        perturbation_stability(cut, x)


def test_outputs_in_one_memory_that_is_used_again_are_told_apart():
    out = torch.zeros(50, 3)
    network = Of(after=lambda y: out[: len(y)].detach().copy_(y))
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    expected = perturbation_stability(Of(), x)
    assert torch.equal(perturbation_stability(network, x), expected)
    assert torch.allclose(perturbation_stability(network, x[:1]), expected[:, :1], rtol=1e-6)
    assert torch.equal(out, torch.zeros(50, 3))


def test_a_force_is_the_derivative_of_an_energy():
    class Force(nn.Module):
        def __init__(self):
            super().__init__()
            self.energy = small()

        def forward(self, x):
            return torch.autograd.grad(self.energy(x).square().sum(), x, create_graph=True)[0]

    network, x = Force().double(), torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = torch.autograd.functional.hessian(lambda p: network.energy(p[None]).square().sum(), x[1])
    torch.testing.assert_close(jacobian(network, x)[0, 1], exact)
    assert (local_lipschitz(network, x, 0.1, steps=1) > 0).all()
    assert finite_stability(network, x, 0.1, samples=4)[0].isfinite().all()
    assert tangent_kernel(network, x).isfinite().all()


@pytest.mark.parametrize(
    "after",
    [
        lambda y: nn.functional.one_hot(y.argmax(dim=1), 3).to(y),
        lambda y: (y > 0.3).to(y),
        lambda y: (y.sum(dim=1, keepdim=True) > 0).to(y),
    ],
)
def test_labels_have_no_derivative_however_far_the_next_one_is(after):
    x = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    for some in (x, x[:1]):
        with pytest.raises(ValueError, match="their derivative is 0 everywhere"):
            perturbation_stability(Of(after=after), some)
    assert finite_stability(Of(after=after), x, 3.0, samples=50)[0].gt(0).any()
    assert perturbation_stability(Of(after=torch.ones_like), x).eq(0).all()


@pytest.fixture
def elsewhere():
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


@pytest.mark.usefixtures("elsewhere")
def test_where_tensors_without_a_device_land_does_not_matter():
    with torch.device("cpu"):
        network, x = small(), torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
        x[0, 1] = 0
    for measure in (*MEASURES, lambda n, x: finite_stability(n, x, 0.1, samples=4)[0], tangent_kernel):
        assert measure(network, x).device.type == "cpu"
    assert foreign._beside(x).isfinite().all()
