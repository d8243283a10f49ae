"""The loops that attacked and convolutional stacks are timed against do the same step as ours."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from benchmarks import attacked, descents
from lib.adversarial.training import train_adversarially
from lib.convolutional import CNN
from lib.data import Dataset
from lib.networks import FCN
from lib.training import train


@pytest.fixture
def data():
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(descents.BATCH, 36, generator=stream)
    return Dataset(x, torch.randint(4, (len(x),), generator=stream), classes=4)


def same(module, network):
    """Weights of the module's layers, as the network stores them."""
    layers = [layer for layer in module if hasattr(layer, "weight")]
    for layer, weight in zip(layers, network.weights, strict=True):
        own = layer.weight
        if own.ndim == 4:
            own = own.permute(0, 2, 3, 1).flatten(1)
        assert torch.allclose(own.mT, weight[0], atol=1e-6)


def test_the_loop_under_attack_takes_our_step(data, monkeypatch):
    attack = dataclasses.replace(attacked.ATTACK, random_start=False)
    monkeypatch.setattr(torch, "rand_like", lambda x: torch.full_like(x, 0.5))  # the attack starts at x
    how = {"epochs": 1, "batch_size": descents.BATCH, "lr": attacked.LR, "momentum": attacked.MOMENTUM}
    network, expected = FCN(8, 3, 36, 4), FCN(8, 3, 36, 4)
    train_adversarially(expected, data, attack, schedule="constant", **how)
    module = network.module(0)
    optimizer = torch.optim.SGD(module.parameters(), lr=attacked.LR, momentum=attacked.MOMENTUM)
    attacked.descend(module, optimizer, data.x, data.y)
    same(module, expected)
    assert not torch.allclose(module[0].weight.mT, network.weights[0][0], atol=1e-4)


def test_the_convolutional_loop_takes_our_step(data, monkeypatch):
    monkeypatch.setattr(descents, "LR", 0.05)  # so that a step can be seen
    network, expected = CNN(3, 3, (1, 6, 6), 4), CNN(3, 3, (1, 6, 6), 4)
    train(expected, data, epochs=1, batch_size=descents.BATCH, lr=descents.LR, schedule="constant")
    module = network.module(0)
    monkeypatch.setattr(network, "module", lambda r: module)
    descents.autograd(network, data)(1)
    same(module, expected)


@pytest.mark.parametrize("contender", [attacked.attacked_loop, attacked.attacked])
def test_blocks_are_timed(contender, data):
    network = FCN(8, 3, 36, 4, replicas=2)
    before = [weight.detach().clone() for weight in network.weights]
    assert contender(network, data)(2) > 0
    moved = any(not torch.equal(a, b) for a, b in zip(before, network.weights, strict=True))
    assert moved == (contender is attacked.attacked)  # the loop trains a copy
