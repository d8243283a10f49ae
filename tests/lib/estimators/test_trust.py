"""When a derivative is believed, and when a network is refused: silent changes, cut branches, kinks, drifts."""

import pytest
import torch
from torch import nn
from zoo_modules import Through

from lib.estimators import finite_stability, jacobian, perturbation_stability, rms_stability, tangent_kernel
from lib.estimators.trust import gap

CUT = "must have outputs that autograd can differentiate"


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def points(n=8, dtype=torch.float32):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(0), dtype=dtype)


def through(middle, hidden=8):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Through(middle, hidden=hidden)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
def test_a_branch_without_a_derivative_is_told_however_small_its_share(share, dtype):
    network = through(lambda h: torch.tanh(h) + share * torch.sin(2 * h.detach())).to(dtype)
    for measure in (perturbation_stability, tangent_kernel):
        with pytest.raises(ValueError, match=CUT):
            measure(network, points(dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_output_of_many_without_a_derivative_is_told(dtype):
    body = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 100)).to(dtype)

    class Last(nn.Module):
        def forward(self, x):
            y = body(x)
            return torch.cat([y[:, :-1], y[:, -1:].detach()], dim=1)

    with pytest.raises(ValueError, match=CUT):
        perturbation_stability(Last(), points(dtype=dtype))


@pytest.mark.parametrize("width", [8, 512])
@pytest.mark.parametrize("unit", [nn.ReLU, nn.Hardtanh, nn.LeakyReLU, nn.SiLU, nn.Softplus])
def test_kinks_all_around_pass_for_no_cut(unit, width):
    for seed in range(5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = [nn.Linear(6, width), unit(), nn.Linear(width, width), unit(), nn.Linear(width, 3)]
        assert perturbation_stability(nn.Sequential(*layers), points()).isfinite().all()


def test_points_that_leave_the_graph_among_others_are_told():
    def some(h):
        return torch.where(h[:, :1] > 0, torch.tanh(h), torch.tanh(h.detach()))

    with pytest.raises(ValueError, match=CUT):
        perturbation_stability(through(some), points(32))


def test_a_softmax_that_is_nearly_sure_is_believed_and_one_cut_off_is_not():
    """Its outputs hide in each other's rounding: float32 shows wide steps alone, over which the network bends."""

    def softmax(h):
        return torch.softmax(h / 0.03, dim=-1)

    def network(middle):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(20)
            layers = nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)
        return nn.Sequential(*layers, middle, Function(softmax))

    x = torch.rand(400, 12, generator=torch.Generator().manual_seed(0))
    found = rms_stability(network(nn.Identity()), x)[0]
    exact = rms_stability(network(nn.Identity()).double(), x.double())[0]
    torch.testing.assert_close(found, exact.to(found), rtol=1e-3, atol=1e-4 * float(exact.max()))
    with pytest.raises(ValueError, match=CUT):
        rms_stability(network(Function(lambda h: h.detach() + 0.01 * h)), x)


def test_a_change_that_hides_in_the_rounding_of_f_is_computed_in_float64_or_refused():
    class OfFloats(nn.Module):
        def forward(self, x):
            return 1e3 + x.float().sum(dim=1, keepdim=True)

    x = points(4)
    offset = Function(lambda x: 1e3 + x.sum(dim=1, keepdim=True))
    found, _ = finite_stability(offset, x, 1e-3, samples=500)
    exact, _ = finite_stability(offset, x.double(), 1e-3, samples=500)
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0)
    assert finite_stability(Function(lambda x: 0 * x), x, 1e-3, samples=50)[0].eq(0).all()
    with pytest.raises(ValueError, match="epsilon must be large enough to change f in its type"):
        finite_stability(OfFloats(), x, 1e-3, samples=50)
    assert finite_stability(OfFloats(), x, 1.0, samples=50)[0].gt(0).all()


def test_what_was_looked_at_in_float64_is_float32_again():
    """Batch norm's buffers are other tensors in another type."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        layers = nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 5)
    network = nn.Sequential(*layers, Function(lambda h: torch.softmax(50 * h, dim=-1))).eval()
    network[1].running_mean.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
    buffers = dict(network.named_buffers())
    for seed in range(8):
        stream = torch.Generator().manual_seed(seed)
        x = torch.rand(48, 64, generator=stream) * (torch.rand(48, 64, generator=stream) > 0.4)
        assert rms_stability(network, x).isfinite().all()
    assert all(buffers[name] is buffer for name, buffer in network.named_buffers())


def test_a_network_that_gives_its_points_back_has_the_derivative_one():
    for network in (nn.Identity(), nn.Flatten()):
        assert torch.equal(jacobian(network, points())[0], torch.eye(6).expand(8, 6, 6))


class Of(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x - 1)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-4), (torch.float32, 8e-6), (torch.float64, 1e-10)])
def test_a_point_beside_a_kink_is_none(dtype, near):
    x = torch.stack([torch.full((6,), 1 - near, dtype=dtype), torch.full((6,), 1 + near, dtype=dtype)])
    assert perturbation_stability(Of(torch.relu), x)[0].gt(0).tolist() == [False, True]
    assert perturbation_stability(Of(torch.relu), x)[0].isfinite().all()


def test_a_kink_away_from_zero_has_no_stability_and_an_extremum_has_zero():
    x = torch.stack([torch.ones(6), 2 * torch.ones(6), torch.zeros(6)])
    assert perturbation_stability(Of(torch.relu), x)[0].isnan().tolist() == [True, False, False]
    assert perturbation_stability(Of(torch.relu), x)[0, 1:].gt(0).tolist() == [True, False]
    assert perturbation_stability(Of(torch.square), x)[0].gt(0).tolist() == [False, True, True]
    assert perturbation_stability(Of(torch.square), x.double())[0].gt(0).tolist() == [False, True, True]


@pytest.mark.parametrize("size", [1e-4, 1e-2])
def test_what_is_random_or_moves_in_eval_mode_is_refused(size):
    def moves(h):
        moves.mean = moves.mean + size * h.detach().mean().double().item()
        return torch.tanh(h + moves.mean)

    moves.mean = 0.0
    for middle in (moves, lambda h: torch.tanh(h + size * torch.randn_like(h))):
        for measure in (perturbation_stability, lambda n, x: finite_stability(n, x, 0.1, samples=2)[0]):
            with pytest.raises(ValueError, match="the same outputs whenever it is called"):
                measure(through(middle), points())


def test_what_is_infinitely_far_apart_is_so():
    assert gap(torch.ones(2), torch.zeros(2)) == 1.0
    assert gap(torch.zeros(2), torch.zeros(2)) == 0.0


def test_a_saturated_softmax_has_its_tiny_derivative():
    """Its small steps drown in rounding and a wide one bends: nothing contradicts autograd there."""
    generator = torch.Generator().manual_seed(1)
    linear = nn.Linear(6, 4, bias=False, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(50 * torch.randn(4, 6, generator=generator, dtype=torch.float64))
    x = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    network = nn.Sequential(linear, nn.Softmax(dim=-1))
    exact = torch.func.vmap(torch.func.jacrev(network))(x)
    assert torch.allclose(rms_stability(network, x)[0], exact.flatten(1).norm(dim=1) / 8**0.5, rtol=1e-10, atol=0)
