"""torch's switch is set around our own products alone, and their routes decide what it says there."""

from __future__ import annotations

import dataclasses
import threading

import pytest
import torch

from lib import products
from lib.networks import FCN
from lib.products import MKL, Routes, layer, routes, switch
from lib.training import train

STATES = {"mkl": ("ieee", "none", "tf32"), "transposed": ("ieee", "none", "tf32"), "onednn": ("bf16",)}
MIXED = Routes(forward=60, down=100, update=60, transposed=10)  # of the layers (6, 12), (12, 12), (12, 3)


def state():
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture
def everywhere(monkeypatch):
    """Let this machine take any route, whatever its processor is."""
    monkeypatch.setattr(layer, "_refused", lambda: False)


@pytest.fixture
def at_any_size(everywhere, monkeypatch):
    """Let a layer of any size take any route; what comes out may then depend on the replicas."""
    monkeypatch.setattr(routes, "_MOST_OF_MKL", 0)


@pytest.fixture(params=["none", "ieee", "tf32", "bf16"])
def of_the_user(request):
    """Set the switch as a user may have set it, and put it back after the test."""
    before = state()
    torch.backends.mkldnn.matmul.fp32_precision = request.param
    yield request.param
    torch.backends.mkldnn.matmul.fp32_precision = before


def network(**changes):
    return FCN(**{"width": 12, "depth": 3, "in_features": 6, "out_features": 3, "replicas": 3, "seed": 1, **changes})


@pytest.mark.parametrize("by", [MKL, MIXED, Routes(1, 1, 1)])
def test_every_product_of_a_training_goes_by_its_route_and_no_observer_sees_it(
    points, at_any_size, of_the_user, by, monkeypatch
):
    went, seen = [], []

    def recorded(name):
        plain = getattr(torch.Tensor if name == "baddbmm_" else torch, name)

        def call(*arguments, **options):
            went.append((name, state()))
            return plain(*arguments, **options)

        return call

    monkeypatch.setattr(torch, "bmm", recorded("bmm"))
    monkeypatch.setattr(torch.Tensor, "baddbmm_", recorded("baddbmm_"))
    with products.using(by):
        history = train(network(), points(), epochs=1, batch_size=100, observe=lambda moment: seen.append(state()))
    expected = [("bmm", by.of("forward", a, b)) for a, b in ((6, 12), (12, 12), (12, 3))]
    for a, b in ((12, 3), (12, 12), (6, 12)):
        expected += [("bmm", by.of("down", a, b))] * (a == 12)
        update = by.of("update", a, b)
        expected += [("bmm" if update == "transposed" else "baddbmm_", update)]
    assert [name for name, _ in went] == [name for name, _ in 2 * expected]
    assert all(said in STATES[route] for (_, said), (_, route) in zip(went, 2 * expected, strict=True))
    assert seen == [of_the_user] * 2
    assert state() == of_the_user
    assert history.routes == {1: by.described()}


def test_the_switch_is_put_back_when_a_product_or_an_observer_fails(points, at_any_size, of_the_user, monkeypatch):
    def fail(*_, **__):
        raise KeyError("x")

    with products.using(Routes(1, 1, 1)):
        with pytest.raises(KeyError):
            train(network(), points(), epochs=1, observe=fail)
        assert state() == of_the_user
        with monkeypatch.context() as patched, pytest.raises(KeyError):
            patched.setattr(torch, "bmm", fail)
            train(network(), points(), epochs=1)
        assert state() == of_the_user
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            products.product("forward", torch.ones(2, 3), torch.ones(2, 3))
    assert state() == of_the_user
    assert products.current() == products.chosen()


def test_products_of_two_threads_take_turns(everywhere):
    inside, wrong = threading.Event(), []

    def other():
        inside.set()
        with switch:
            switch.to("mkl")
            wrong.extend([] if state() in STATES["mkl"] else [state()])

    before = state()
    with switch:
        switch.to("onednn")
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
        for _ in range(100):
            with switch:  # a product within a product's turn: no thread waits for itself
                switch.to("onednn")
            assert state() == "bf16"
    thread.join()
    assert (wrong, state()) == ([], before)


def test_measuring_goes_by_the_routes_of_the_layers(at_any_size, monkeypatch):
    asked = []
    monkeypatch.setattr(switch, "to", lambda route: asked.append(route))
    stack, x = network(), torch.randn(5, 6)
    with products.using(MIXED):
        stack(x)
        assert asked == ["onednn", "onednn", "transposed"]
        asked.clear()
        stack.jacobian(x)  # the signs of two layers; down through the second and the first
        assert asked == ["onednn", "onednn", "onednn", "mkl"]
        asked.clear()
        network(dtype=torch.float64)(x.double())
        assert asked == []


@pytest.mark.parametrize("options", [{}, {"momentum": 0.5, "batch_size": None}])
def test_the_routes_change_no_more_than_rounding_and_any_stack_gives_the_same_bits(
    points, everywhere, one_thread, options
):
    data, ends = points(), {}
    for by in (MKL, MIXED, Routes(1, 1, 1)):
        with products.using(by):
            stack = network(width=70)
            train(stack, data, epochs=2, **options)
            single = network(width=70, replicas=1, seed=2)
            train(single, data, epochs=2, **options)
        assert all(torch.equal(a[1], b[0]) for a, b in zip(stack.weights, single.weights, strict=True))
        ends[by] = [weight.detach() for weight in stack.weights]
    for weights in ends.values():
        assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(weights, ends[MKL], strict=True))


def test_routes_that_this_machine_refuses_become_mkl(points, monkeypatch):
    monkeypatch.setattr(layer, "_refused", lambda: True)
    with products.using(Routes(1, 1, 1)) as used:
        assert (used, products.current()) == (MKL, MKL)
        assert train(network(), points(), epochs=1).routes == {1: "mkl"}


def test_float64_has_no_routes(points, everywhere):
    data = points()
    with products.using(Routes(1, 1, 1)):
        assert train(network(dtype=torch.float64), data, epochs=1).routes == {}


def test_a_torch_without_the_switch_computes_by_mkl(monkeypatch):
    class Nothing:
        @property
        def fp32_precision(self):
            raise AttributeError("no such switch")

    monkeypatch.setattr(torch.backends.mkldnn, "matmul", Nothing())
    monkeypatch.setattr(layer, "_refused", layer._refused.__wrapped__)  # what was found before is forgotten
    assert dataclasses.replace(products.choose(products.Machine())[0], transposed=None) == MKL
    assert "does not let float32 products be sent to oneDNN" in products.refusal(products.Machine())
    with products.using(Routes(1, 1, 1)):
        network(width=70)(torch.randn(4, 6))
