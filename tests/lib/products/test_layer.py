"""Products by routes equal plain ones; points that replicas share are never copied."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import profile

from lib.products import MKL, Routes, current, product, using

ROUTES = {"mkl": MKL, "here": None, "all transposed": Routes(transposed=10**9)}


@pytest.fixture(params=ROUTES)
def routes(request):
    with using(ROUTES[request.param] or current()):
        yield


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("kind", ["forward", "down"])
@pytest.mark.parametrize("shape", [(30, 16), (200, 10), (784, 64)])
def test_points_that_replicas_share_give_what_points_of_their_own_give(kind, shape):
    stream = torch.Generator().manual_seed(0)
    points, weights = torch.randn(50, shape[0], generator=stream), torch.randn(3, *shape, generator=stream)
    shared = product(kind, points.expand(3, -1, -1), weights)
    own = product(kind, points.repeat(3, 1, 1), weights)
    torch.testing.assert_close(shared, own, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(shared.double(), points.double() @ weights.double(), rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own, for forward mode
@pytest.mark.usefixtures("routes")
def test_derivatives_pass_through_points_that_replicas_share():
    stream = torch.Generator().manual_seed(0)
    points = torch.randn(5, 30, generator=stream, requires_grad=True)
    weights = torch.randn(3, 30, 16, generator=stream, requires_grad=True)
    slopes = torch.autograd.grad(
        product("forward", points.expand(3, -1, -1), weights).square().sum(), (points, weights)
    )
    expected = torch.autograd.grad((points @ weights).square().sum(), (points, weights))
    torch.testing.assert_close(slopes, expected, rtol=1e-4, atol=1e-3)
    _, moved = torch.func.jvp(lambda x: product("forward", x.expand(3, -1, -1), weights), (points,), (points,))
    torch.testing.assert_close(moved, points @ weights, rtol=1e-4, atol=1e-3)
    each = torch.func.vmap(lambda x: product("forward", x.expand(3, 1, -1), weights))(points)
    torch.testing.assert_close(each[:, :, 0].transpose(0, 1), points @ weights, rtol=1e-4, atol=1e-3)


def test_points_that_replicas_share_are_not_copied():
    points, weights = torch.randn(1000, 784), torch.randn(8, 784, 4)
    with profile(profile_memory=True) as seen:
        product("forward", points.expand(8, -1, -1), weights)
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in seen.key_averages())
    assert allocated < points.nbytes  # a batched product would take eight times that
