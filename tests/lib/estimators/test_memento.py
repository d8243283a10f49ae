"""Measuring leaves a module as it was: modes through its own methods, values, flags, gradients, hooks, attributes."""

import copy
import io
import random
import weakref
from collections import OrderedDict, deque

import numpy as np
import pytest
import torch
from torch import nn
from zoo_modules import Caching, Fuses, Lora

from lib.estimators import local_lipschitz, perturbation_stability, tangent_kernel
from lib.estimators.memento import untouched
from lib.networks import FCN


class Restless(nn.Module):
    """Everything in it changes whenever it is called."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("count", torch.zeros(1))
        self.plain, self.array = torch.zeros(2), np.zeros(2)
        self.containers = [[1], {"a": 1}, {1}, deque([1]), OrderedDict(b=1)]
        self.draws, self.stream = random.Random(0), torch.Generator()
        self.holder = type("Holder", (), {})()
        self.holder.value = 0

    def forward(self, x):
        with torch.no_grad():
            self.count += 1
            self.linear.weight += 1
        self.linear.bias.requires_grad_(False)
        self.linear.weight.grad = torch.ones(2, 3)
        self.plain += 1
        self.array += 1
        for container, key in zip(self.containers, (2, "b", 2, 2, "c"), strict=True):
            if isinstance(container, dict):
                container[key] = 2
            else:
                (container.add if isinstance(container, set) else container.append)(key)
        self.draws.random()
        torch.rand(1)
        torch.rand(1, generator=self.stream)
        self.holder.value, self.fresh = 1, x
        self.register_forward_hook(lambda *call: None)
        return self.linear(x)


class Counting(nn.Module):
    """Its class keeps what all modules of the kind share."""

    calls, kept, total = 0, {}, torch.zeros(1)

    def forward(self, x):
        Counting.calls += 1
        Counting.kept[Counting.calls] = x
        Counting.total += 1
        type(self).latest = x
        return x**2


def everything(m):
    return repr([
        m.count, m.linear.weight, m.linear.weight.grad, m.linear.bias.requires_grad, m.plain, m.array, m.containers,
        m.draws.getstate(), m.stream.get_state().tolist(), m.holder.value, sorted(m.__dict__), len(m._forward_hooks),
        [part.training for part in m.modules()], torch.get_rng_state().tolist(),
    ])  # fmt: skip


class Slotted:
    __slots__ = ("empty", "value")

    def __init__(self):
        self.value = 0


class Fixed(list):
    def __setitem__(self, *change):
        raise TypeError("this list is fixed.")


class Secret:
    @property
    def __dict__(self):
        raise RuntimeError("this object does not let itself be read.")


class Holds(nn.Module):
    """A linear layer with things that others keep in their modules; each call goes on to `use` of them."""

    def __init__(self, thing, use=lambda thing: None):
        super().__init__()
        self.linear, self.things, self.use = nn.Linear(6, 2), [thing], use

    def forward(self, x):
        self.use(self.things[0])
        return self.linear(x)


class Gone:
    pass


def dead():
    return weakref.proxy(Gone())


def fixed_array():
    array = np.array([1, "a"], dtype=object)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "make",
    [dead, fixed_array, lambda: Fixed([1, 2]), Secret],
    ids=["a dead reference", "a fixed array", "a fixed list", "a secret"],
)
def test_what_does_not_let_itself_be_read_or_written_is_left_alone(make):
    module = Holds(make()).train()
    expected = perturbation_stability(module.linear, torch.ones(2, 6))
    assert torch.equal(perturbation_stability(module, torch.ones(2, 6)), expected)
    assert module.training


@pytest.mark.parametrize(
    ("thing", "use", "told"),
    [
        (Slotted(), lambda t: setattr(t, "value", t.value + 1), lambda t: t.value),
        (np.random.default_rng(0), lambda t: t.random(), lambda t: repr(t.bit_generator.state)),
        (np.random.RandomState(0), lambda t: t.rand(), lambda t: repr(t.get_state())),
    ],
    ids=["slots", "generator", "random state"],
)
def test_state_that_is_no_attribute_is_put_back_too(thing, use, told):
    module, before = Holds(thing, use), told(thing)
    perturbation_stability(module, torch.ones(2, 6))
    assert told(thing) == before


def test_layers_that_were_fused_for_good_are_there_again():
    module = Fuses().train()
    names = [name for name, _ in module.named_parameters()]
    perturbation_stability(module, torch.ones(2, 6))
    assert [name for name, _ in module.named_parameters()] == names
    assert all(part.training for part in module.modules())


def test_a_module_without_an_eval_mode_is_refused():
    module = Holds(None)
    module.eval = lambda: 1 / 0
    with pytest.raises(ValueError, match=r"must have an eval mode, but its eval\(\) raised ZeroDivisionError"):
        perturbation_stability(module, torch.ones(2, 6))


def test_one_part_that_cannot_be_put_back_keeps_no_other_from_it():
    module = Holds(np.zeros(2), locked_after_a_change)
    weight = module.linear.weight.detach().clone()
    with pytest.raises(ValueError, match="must let itself be put back as it was"):
        local_lipschitz(module, torch.ones(2, 6), 0.1, steps=1)  # which turns modules to float64
    assert module.linear.weight.dtype == torch.float32
    assert torch.equal(module.linear.weight, weight)


def locked_after_a_change(array):
    array.flags.writeable = True
    array += 1
    array.flags.writeable = False


def test_parameters_made_in_inference_mode_are_refused():
    with torch.inference_mode():
        module = nn.Linear(6, 2)
    with pytest.raises(ValueError, match="weight was made in inference mode"):
        perturbation_stability(module, torch.ones(2, 6))


@pytest.mark.parametrize("make", [lambda: nn.Linear(64, 2), lambda: FCN(8, 2, 64, 2, dtype=torch.float32)])
def test_casts_of_the_caller_do_not_reach_inside(make):
    module, x = make(), torch.ones(2, 64)
    expected = perturbation_stability(module, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(perturbation_stability(module, x), expected)


@pytest.mark.parametrize("fails", [False, True])
def test_all_that_a_call_changes_is_put_back(fails):
    module = Restless().train()
    before, weight = everything(module), module.linear.weight
    try:
        with untouched(module):
            assert not module.training
            module(torch.ones(1, 3))
            assert everything(module) != before
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert everything(module) == before
    assert module.linear.weight is weight


def test_what_a_class_keeps_is_put_back_and_a_subclass_has_none_of_its_own():
    module = nn.Sequential(nn.Linear(3, 3), type("Special", (Counting,), {"factor": 1})())
    kept, total = Counting.kept, Counting.total
    for fails in (False, True):
        try:
            with untouched(module):
                module(torch.ones(1, 3))
                assert Counting.calls == 1 and Counting.kept and "latest" in vars(type(module[1]))
                if fails:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert Counting.calls == 0 and Counting.kept is kept and not kept
        assert Counting.total is total and total.item() == 0
        assert not hasattr(module[1], "latest") and module[1].factor == 1


def test_an_adapter_that_merges_itself_is_put_back_bit_by_bit():
    module = nn.Sequential(Lora(6, 8), nn.ReLU(), nn.Linear(8, 2)).train()
    weights = copy.deepcopy(module.state_dict())
    p = perturbation_stability(module, torch.ones(2, 6))
    assert not module[0].merged
    assert all(torch.equal(weights[name], value) for name, value in module.state_dict().items())
    torch.testing.assert_close(perturbation_stability(module.eval(), torch.ones(2, 6)), p)
    assert module[0].merged


def test_what_a_module_keeps_of_a_graph_does_not_stay():
    module = Caching()
    perturbation_stability(module, torch.ones(2, 6))
    assert (module.calls, module.seen, module.last) == (0, [], {})
    copy.deepcopy(module)
    torch.save(module, io.BytesIO())


def test_a_forward_pass_that_waits_for_its_gradients_may_go_on():
    module, x = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)), torch.ones(2, 6)
    loss = module(x).sum()
    perturbation_stability(module, x)
    loss.backward()  # no weight that it needs was written to
    assert module[0].weight.grad is not None


def test_generators_that_everybody_shares_are_where_they_were():
    module = Holds(None, lambda thing: (random.random(), np.random.rand(), torch.rand(1)))
    fails = Holds(None, lambda thing: (random.random(), np.random.rand(), 1 / 0))
    before = repr((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()))
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        perturbation_stability(fails, torch.ones(2, 6))
    perturbation_stability(module, torch.ones(2, 6))
    assert repr((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist())) == before


class Layer(nn.Linear):
    calls, table = 0, None

    def forward(self, x):
        self.calls += 1
        if self.table is None:
            self.table = torch.ones(6, dtype=x.dtype)
        return super().forward(x * self.table.to(x))


@pytest.mark.parametrize("make", [lambda i: (str(i), i), lambda i: [str(i), i], lambda i: {str(i): object()}])
def test_much_that_a_module_holds_hides_none_of_its_layers(make):
    module = nn.Sequential(nn.Sequential(Layer(6, 3)))
    module.merges, module.counts = [make(i) for i in range(21_000)], [0]
    module.register_forward_hook(lambda m, inputs, output: m.counts.append(1))
    perturbation_stability(module, torch.ones(2, 6))
    assert (module[0][0].calls, module[0][0].table, module.counts) == (0, None, [0])


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_sparse_parameters_stay_as_they_were(layout):
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.eye(6)[:3].to_sparse(layout=layout))

        def forward(self, x):
            return (self.weight @ x.T).T

    module, x = Sparse(), torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    before = module(x)
    assert local_lipschitz(module, x, 0.1, steps=1).allclose(torch.ones((), dtype=torch.float64))
    with pytest.raises(ValueError, match="must have dense parameters to be differentiated in, but weight is sparse"):
        tangent_kernel(module, x)
    assert module.weight.dtype == torch.float32
    assert torch.equal(module(x), before)
