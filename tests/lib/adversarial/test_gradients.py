"""Written-out gradients at points against autograd; losses where a class has no chance."""

import torch

from lib.adversarial.gradients import StackGradient
from lib.networks import FCN


def test_written_out_gradients_at_points_are_autograds(make):
    network = make()
    stream = torch.Generator().manual_seed(0)
    points = torch.randn(2, 7, 64, generator=stream, dtype=torch.float64, requires_grad=True)
    target = torch.rand(2, 7, 10, generator=stream, dtype=torch.float64)
    target /= target.sum(dim=-1, keepdim=True)
    expected = -(network(points).log_softmax(dim=-1) * target).sum(dim=-1)
    (slope,) = torch.autograd.grad(expected.sum(), points)
    found = StackGradient(network.passes(7))(points.detach(), target)
    torch.testing.assert_close(found[0], expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[1], slope, rtol=1e-9, atol=1e-12)


def test_points_in_the_passes_own_memory_need_no_copy(make):
    network = make()
    gradient, stream = StackGradient(network.passes(7)), torch.Generator().manual_seed(0)
    points = torch.randn(2, 7, 64, generator=stream, dtype=torch.float64)
    target = torch.eye(10, dtype=torch.float64)[:7].expand(2, -1, -1)
    expected = gradient(points, target)[1].clone()
    own = gradient.passes.points.view(points.shape)
    assert torch.equal(gradient.slope(own, target), expected)
    assert torch.equal(own, points)


def test_written_out_losses_are_finite_where_a_class_has_no_chance():
    network = FCN(4, 2, 6, 3, dtype=torch.float64)
    with torch.no_grad():
        network.weights[0].fill_(1e200)
        network.weights[1].copy_(torch.tensor([1e200, -1e200, -1e200], dtype=torch.float64).expand(4, 3))
    target = torch.tensor([[[1.0, 0, 0]]], dtype=torch.float64)
    compute = StackGradient(network.passes(1))
    assert not compute(torch.ones(1, 1, 6, dtype=torch.float64), target)[0].isfinite()  # f itself is infinite
    with torch.no_grad():
        network.weights[0].fill_(5e106)
    assert compute(torch.ones(1, 1, 6, dtype=torch.float64), target)[0] == 0
