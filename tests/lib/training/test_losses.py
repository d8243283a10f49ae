"""The pieces of a loss against torch's own."""

from __future__ import annotations

import pytest
import torch

from lib.training.losses import gradient_, log_softmax


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
