"""Objectives against their definitions in plain torch, their gradients against autograd."""

import pytest
import torch
from torch.nn import functional

from lib.adversarial import OBJECTIVES

STRENGTH = torch.tensor([0.0, 6.0], dtype=torch.float64)


def outputs():
    stream = torch.Generator().manual_seed(0)
    natural, attacked = (2 * torch.randn(2, 9, 4, generator=stream, dtype=torch.float64) for _ in range(2))
    y = torch.randint(0, 4, (2, 9), generator=stream)
    return natural.requires_grad_(), attacked.requires_grad_(), y


def parts(name, natural, attacked, y):
    def cross_entropy(f):
        return functional.cross_entropy(f.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)

    if name == "cross_entropy":
        return cross_entropy(natural), torch.relu(cross_entropy(attacked) - cross_entropy(natural))
    divergence = functional.kl_div(attacked.log_softmax(dim=-1), natural.softmax(dim=-1), reduction="none").sum(dim=-1)
    return cross_entropy(natural), divergence


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_values_and_gradients(name):
    natural, attacked, y = outputs()
    rows = functional.one_hot(y, 4).double()
    risk, regularization = parts(name, natural, attacked, y)
    total = (risk + STRENGTH[:, None] * regularization).sum()
    at_natural, at_attacked = torch.autograd.grad(total, [natural, attacked])
    found = OBJECTIVES[name].risk(natural.detach(), attacked.detach(), rows, STRENGTH)
    for value, expected in zip(found, (risk, regularization, at_natural, at_attacked), strict=True):
        torch.testing.assert_close(value, expected.detach(), rtol=1e-10, atol=1e-12)
    assert (found.regularization >= 0).all()


def test_lambda_one_of_the_cross_entropy_is_madrys_objective():
    natural, attacked, y = (t.detach() for t in outputs())
    found = OBJECTIVES["cross_entropy"].risk(natural, attacked, functional.one_hot(y, 4).double(), torch.ones(2))
    worst = torch.maximum(*(functional.cross_entropy(f.mT, y, reduction="none") for f in (natural, attacked)))
    torch.testing.assert_close(found.natural + found.regularization, worst)


def test_trades_attacks_the_divergence():
    natural, attacked, y = (t.detach() for t in outputs())
    target = OBJECTIVES["trades"].target(natural, functional.one_hot(y, 4).double())
    entropy = -(target * target.log()).sum(dim=-1)
    loss = -(target * attacked.log_softmax(dim=-1)).sum(dim=-1)
    torch.testing.assert_close(loss - entropy, parts("trades", natural, attacked, y)[1])
