"""The pieces of a loss against torch's own."""

from __future__ import annotations

import pytest
import torch

from lib.networks import FCN
from lib.training.losses import evaluate, gradient_, log_softmax


@pytest.mark.parametrize("shape", [(7, 10), (3, 64, 10), (1, 1, 2), (2, 5, 1000)])
def test_log_softmax_is_torchs_over_the_outputs(shape):
    f = 30 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(log_softmax(f), torch.log_softmax(f, dim=-1), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(log_softmax(f.float()).double(), torch.log_softmax(f, dim=-1), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_the_gradient_is_autograds_and_the_total_gains_the_loss(loss):
    stream = torch.Generator().manual_seed(1)
    f = torch.randn(2, 6, 4, generator=stream, dtype=torch.float64).requires_grad_()
    labels = torch.randint(4, (2, 6), generator=stream)
    rows = torch.nn.functional.one_hot(labels, 4).double()
    each = -(f.log_softmax(-1) * rows).sum(-1) if loss == "cross_entropy" else 0.5 * (f - rows).square().sum(-1)
    (expected,) = torch.autograd.grad(each.sum(), f)
    output, total = f.detach().clone(), torch.ones(2, 6, 4, dtype=torch.float64)
    gradient_(output, rows, loss, total)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close((total - 1).sum(-1), each.detach())


def test_a_network_that_has_diverged_is_right_nowhere():
    network = FCN(4, 2, 6, 3, replicas=2)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    y = network(x)[0].argmax(dim=-1)
    with torch.no_grad():
        network.weights[0][1] = torch.nan
    assert evaluate(network, x, y)[1].tolist() == [1, 0]
    assert evaluate(network, x, torch.zeros_like(y))[1][1] == 0
