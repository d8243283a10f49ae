"""Every point of a batch is looked at: who its neighbours are, what its derivative says, and what its zeros change."""

import pytest
import torch
from torch import nn

from lib.estimators import finite_stability, jacobian, local_lipschitz, monte_carlo_stability, perturbation_stability
from lib.estimators.first_sight import among_others, inward

INTERACT = "must compute each example by itself"
CUT = "must have outputs that autograd can differentiate"


def points(n=8, features=6, seed=0):
    return torch.randn(n, features, generator=torch.Generator().manual_seed(seed))


class Longest(nn.Module):
    """Trims the batch to its longest sequence, as a collate function does."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        length = max(1, int((x != 0).sum(dim=1).max()))
        return self.head(self.rnn(x[:, :length, None])[0][:, -1])


class Capacity(nn.Module):
    """An expert takes a share of the batch and drops the rest."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        here = (x[:, 0] > 0).nonzero().flatten()
        kept = torch.cat([(x[:, 0] <= 0).nonzero().flatten(), here[: -(-len(x) // 3)]])
        return torch.zeros(len(x), 3).to(x).index_copy(0, kept, self.linear(x[kept]))


class Match(nn.Module):
    """Examples that are alike attend to each other."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        alike = (torch.cdist(x, x) < 1e-6).to(x) - torch.eye(len(x)).to(x)
        return self.linear(x) + self.linear(alike @ x)


def made(kind, *arguments):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return kind(*arguments)


@pytest.mark.parametrize("n", [8, 60])
@pytest.mark.parametrize("kind", [Longest, Capacity, Match])
def test_one_example_that_meets_its_neighbours_is_told_wherever_it_is(kind, n):
    x = points(n)
    x[5, 4:] = 0
    x[2] = x[1]
    for measure in (perturbation_stability, lambda n, p: monte_carlo_stability(n, p, samples=10)[0]):
        with pytest.raises(ValueError, match=INTERACT):
            measure(made(kind), x)


def test_one_derivative_that_is_cut_is_told_wherever_it_is():
    class Exit(nn.Module):
        def __init__(self):
            super().__init__()
            self.skip, self.trunk, self.head = nn.Linear(6, 3), nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x):
            h = torch.tanh(self.trunk(x))
            return self.skip(x) + self.head(torch.where(x[:, :1] > 1.2, h.detach(), h))

    network, x = made(Exit), points(60).clamp(max=1.1)
    assert perturbation_stability(network, x).isfinite().all()
    for i in (5, 41):
        moved = x.clone()
        moved[i, 0] = 1.5
        with pytest.raises(ValueError, match=CUT):
            perturbation_stability(network, moved)
        with pytest.raises(ValueError, match=CUT):
            perturbation_stability(network.double(), moved.double())
        network.float()


class Cut(nn.Module):
    """Half of the coordinates go another way."""

    def __init__(self, way):
        super().__init__()
        self.linear, self.way = nn.Linear(6, 3), way

    def forward(self, x):
        return self.linear(torch.cat([x[:, :3], self.way(x[:, 3:])], dim=1))


@pytest.mark.parametrize("way", [torch.detach, lambda h: (h * 1e4).round() / 1e4, lambda h: h.detach() + 0.9 * h])
def test_a_branch_that_is_cut_where_coordinates_are_zero_is_told(way):
    x = points(5)
    x[:, 3:] = 0
    for measure in (perturbation_stability, lambda n, p: local_lipschitz(n, p, 0.1, steps=1)):
        with pytest.raises(ValueError, match=CUT):
            measure(made(Cut, way), x)


@pytest.mark.parametrize(
    "way", [torch.relu, torch.abs, lambda h: (h != 0).to(h), lambda h: h.amax(dim=1, keepdim=True) - h]
)
def test_kinks_where_coordinates_are_zero_pass_for_no_cut(way):
    x = points(5)
    x[:, 3:] = 0
    assert perturbation_stability(made(Cut, way), x).isfinite().all()


@pytest.mark.parametrize("outputs", [1, 10])
def test_a_black_background_under_convolutions_without_biases_is_measured(outputs):
    for seed in range(8):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False), nn.ReLU(), nn.Flatten()
            network = nn.Sequential(*layers, nn.Linear(64, outputs))
        image = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        image[..., 3:] = 0
        assert perturbation_stability(network, image).isfinite().all()


def test_at_a_kink_p_is_that_of_autograd_and_no_limit_of_finite_changes():
    network, x = nn.Sequential(nn.Conv1d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten()), torch.ones(1, 1, 4)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
    whole = perturbation_stability(network, x)
    x[..., 1:] = 0
    assert torch.equal(jacobian(network, x)[0, 0], torch.diag(torch.tensor([1.0, 0.0, 0.0, 0.0])))
    at_kink, finite = perturbation_stability(network, x), finite_stability(network, x, 1e-3)[0] * 1e3
    assert bool((at_kink < 0.75 * finite).all() & (finite < whole).all())


def test_steps_inward_leave_no_range_and_part_equal_points():
    x = torch.cat([torch.rand(3, 6, generator=torch.Generator().manual_seed(0)), torch.ones(2, 6), torch.zeros(1, 6)])
    for some in (x, -x, x.view(6, 2, 3)):
        moved = inward(some, 1e-2)
        assert (moved.abs() <= some.abs()).all()
        assert torch.equal(moved == 0, some == 0)
        assert not torch.equal(moved[3], moved[4])


def test_groups_give_every_point_its_own_value_back():
    x, sizes = points(100), []

    def value(part):
        sizes.append(len(part))
        return 2 * part

    assert torch.equal(among_others(value, x), 2 * x)
    assert (len(sizes), max(sizes)) == (18, 7)
    among_others(value, x[:3])
    assert sizes[-3:] == [1, 1, 1]
