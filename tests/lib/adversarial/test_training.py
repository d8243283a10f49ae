"""Adversarial training against a plain loop, plain training and single runs; early stopping keeps what it chose."""

import copy

import pytest
import torch
from torch.nn import functional

from lib.adversarial import Attack, robustness
from lib.adversarial.training import train_adversarially
from lib.data import Dataset
from lib.seeds import generator
from lib.training import train

ATTACK = Attack(0.2, steps=3, pixels=(0.0, 1.0))
# What small networks can learn to stand.
GENTLE = Attack(0.06, steps=3, pixels=(0.0, 1.0))


@pytest.fixture
def few(images):
    data = images[0]
    return Dataset(data.x[:50].double(), data.y[:50], data.x_test.double(), data.y_test, data.classes)


def plain_loop(module, seed, data, objective, strength, epochs, size, lr, momentum):
    """Train one module adversarially as its definition says, by autograd and torch's optimizer."""
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=momentum)
    batches, starts = generator(seed, "batches"), generator(seed, "attack")
    for _ in range(epochs):
        for batch in torch.randperm(len(data.x), generator=batches).split(size):
            x, y = data.x[batch], data.y[batch]
            clean = module(x).softmax(dim=-1).detach()
            point = (x + ATTACK.starts(x.shape, starts).to(x)).clamp(0, 1)
            for _ in range(ATTACK.steps):
                point.requires_grad_()
                f = module(point)
                if objective == "trades":
                    loss = functional.kl_div(f.log_softmax(dim=-1), clean, reduction="sum")
                else:
                    loss = functional.cross_entropy(f, y, reduction="sum")
                (slope,) = torch.autograd.grad(loss, point)
                point = point.detach() + ATTACK.step * slope.sign()
                point = torch.minimum(torch.maximum(point, x - ATTACK.epsilon), x + ATTACK.epsilon).clamp(0, 1)
            natural, attacked = module(x), module(point)
            risk = functional.cross_entropy(natural, y, reduction="none")
            if objective == "trades":
                extra = functional.kl_div(attacked.log_softmax(dim=-1), natural.softmax(dim=-1), reduction="none")
                extra = extra.sum(dim=-1)
            else:
                extra = torch.relu(functional.cross_entropy(attacked, y, reduction="none") - risk)
            optimizer.zero_grad()
            (risk + strength * extra).mean().backward()
            optimizer.step()


@pytest.mark.parametrize(("objective", "strength"), [("cross_entropy", 1.0), ("cross_entropy", 6.0), ("trades", 3.0)])
def test_it_is_a_plain_loop(make, few, objective, strength):
    network = make(replicas=2, seed=4)
    modules = [network.module(r) for r in range(2)]
    options = {"epochs": 2, "batch_size": 16, "lr": 0.02, "momentum": 0.9}
    train_adversarially(network, few, ATTACK, objective, strength, schedule="constant", **options)
    for r, module in enumerate(modules):
        plain_loop(module, 4 + r, few, objective, strength, 2, 16, 0.02, 0.9)
        for found, expected in zip(network.module(r).parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("objective", ["cross_entropy", "trades"])
def test_without_regularization_it_is_plain_training(make, few, objective):
    plain, robust = make(seed=4), make(seed=4)
    options = {"epochs": 3, "batch_size": 16, "lr": 0.02, "momentum": 0.9, "weight_decay": 0.01}
    train(plain, few, schedule="proportional", **options)
    train_adversarially(robust, few, ATTACK, objective, 0.0, **options)
    for one, other in zip(plain.weights, robust.weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("one_thread")
def test_a_stack_trains_as_its_single_runs_to_the_bit(make, few):
    data = few.to(dtype=torch.float32)
    watch = {"test": (data.x_test[:60], data.y_test[:60])}
    options = {"objective": "trades", "strength": 2.0, "epochs": 2, "batch_size": 16, "watch": watch}
    stack = make(replicas=3, seed=2, dtype=torch.float32)
    together = train_adversarially(stack, data, ATTACK, **options)
    for r in range(3):
        single = make(replicas=1, seed=2 + r, dtype=torch.float32)
        alone = train_adversarially(single, data, ATTACK, **options)
        assert all(torch.equal(w[r], v[0]) for w, v in zip(stack.weights, single.weights, strict=True))
        for one, other in zip(together.epochs, alone.epochs, strict=True):
            assert one.robust["test"][r] == other.robust["test"][0]
            assert one.natural[r] == other.natural[0]
        assert together.best["test"].epoch[r] == alone.best["test"].epoch[0]


def test_early_stopping_keeps_the_weights_of_the_best_epoch(make, images):
    data, (x, y) = images
    data = Dataset(data.x[:300], data.y[:300], data.x_test, data.y_test, data.classes)
    network, seen = make(seed=1, dtype=torch.float32), []

    def observe(epoch):
        seen.append(copy.deepcopy(network.state_dict()))

    history = train_adversarially(
        network, data, GENTLE, epochs=6, lr=0.2, schedule="constant", watch={"held out": (x, y)}, observe=observe
    )
    best = history.best["held out"]
    shares = torch.stack([epoch.robust["held out"] for epoch in history.epochs])
    assert torch.equal(best.robust, shares.max(dim=0).values)
    assert shares.max() > 0.2
    best.restore(network)
    for r in range(2):
        chosen = int(shares[:, r].argmax())
        assert best.epoch[r] == chosen + 1
        for layer, weight in enumerate(network.weights):
            assert torch.equal(weight[r], seen[chosen][f"weights.{layer}"][r])
    again = robustness(network, x, y, GENTLE).robust.double().mean(dim=1)
    torch.testing.assert_close(again, best.robust)


@pytest.mark.slow
def test_training_makes_robust(make, images):
    data = images[0]
    plain, robust = (make(seed=1, dtype=torch.float32, width=16) for _ in range(2))
    options = {"epochs": 5, "batch_size": 16, "lr": 0.02, "momentum": 0.9}
    train(plain, data, schedule="constant", **options)
    attack = Attack(0.1, steps=3, pixels=(0.0, 1.0))
    history = train_adversarially(robust, data, attack, schedule="constant", **options)
    left = [robustness(n, data.x_test, data.y_test, attack).robust.double().mean() for n in (plain, robust)]
    assert left[1] > left[0] + 0.1
    assert (history.epochs[-1].natural < history.epochs[0].natural).all()


def test_an_observer_may_change_lambda_of_every_replica(make, few):
    network, given = make(seed=1), []

    def observe(epoch):
        given.append(epoch.strength.tolist())
        return epoch.strength * torch.tensor([2.0, 0.5], dtype=torch.float64)

    train_adversarially(network, few, ATTACK, strength=3.0, epochs=3, observe=observe)
    assert given == [[3.0, 3.0], [6.0, 1.5], [12.0, 0.75]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strength": -1.0}, "strength must be at least 0 and finite, got -1.0."),
        ({"objective": "kl"}, "objective must be one of cross_entropy, trades, got 'kl'."),
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0."),
    ],
)
def test_options_out_of_range_are_refused(make, few, options, sentence):
    with pytest.raises(ValueError) as refused:
        train_adversarially(make(), few, ATTACK, **options)
    assert str(refused.value) == sentence


def test_what_is_watched_is_looked_at_before_the_first_epoch(make, few):
    for points, y, sentence in (
        (few.x, few.y + 1, "y must be 50 integers from 0 to 9, the classes of the points, got integers from 1 to 10"),
        (few.x + 1, few.y, "x must lie in pixels"),
        (few.x[:, :5], few.y, r"^watch\['held out'\] must be fit for the attack and the network, but x must"),
        (few.x.numpy(), few.y, "x must be a tensor of points, got ndarray"),
    ):
        network = make()
        before = [weight.clone() for weight in network.weights]
        with pytest.raises(ValueError, match=sentence):
            train_adversarially(network, few, ATTACK, watch={"held out": (points, y)})
        assert all(torch.equal(one, other) for one, other in zip(before, network.weights, strict=True))
    with pytest.raises(ValueError, match="attack must be an Attack, got 'pgd'"):
        train_adversarially(make(), few, "pgd")


def test_data_out_of_the_range_of_pixels_are_refused(make, few):
    shifted = Dataset(few.x - 0.5, few.y)
    with pytest.raises(ValueError, match=r"x must lie in pixels = \(0.0, 1.0\), got values from -0.5"):
        train_adversarially(make(), shifted, ATTACK)


@pytest.mark.parametrize(
    ("watch", "sentence"),
    [
        (torch.ones(3, 2), "watch must map names to pairs (x, y), got Tensor."),
        ({"test": (1, 2, 3)}, "watch['test'] must be a pair (x, y), got tuple of 3."),
        ({"test": torch.ones(3, 2)}, "watch['test'] must be a pair (x, y), got Tensor."),
    ],
)
def test_what_holds_no_pair_is_not_watched(make, few, watch, sentence):
    with pytest.raises(ValueError) as refused:
        train_adversarially(make(), few, ATTACK, watch=watch)
    assert str(refused.value) == sentence


def test_an_attack_is_made_in_the_type_of_the_network(make, few):
    for attack, watch_attack in ((Attack(1e-12), ATTACK), (ATTACK, Attack(1e-12))):
        with pytest.raises(ValueError, match=r"epsilon must be large enough to move x in its type, torch\.float32"):
            watch = {"test": (few.x, few.y)}
            train_adversarially(make(dtype=torch.float32), few, attack, watch=watch, watch_attack=watch_attack)
    found = [
        train_adversarially(make(dtype=torch.float32), few, ATTACK, epochs=1, watch={"test": (x, few.y)})
        for x in (few.x, few.x.float())
    ]
    assert torch.equal(*(history.epochs[0].robust["test"] for history in found))


@pytest.mark.parametrize(
    ("strength", "sentence"),
    [
        (torch.ones(3), "one number or one of each replica, a tensor of shape () or (2,), got shape (3,)."),
        (torch.ones(1, 2), "one number or one of each replica, a tensor of shape () or (2,), got shape (1, 2)."),
        (torch.tensor([1.0, torch.nan]), "at least 0 and finite, got nan."),
        (torch.tensor([True, False]), "at least 0 and finite, got True."),
        (-1.0, "at least 0 and finite, got -1.0."),
        ([1.0, 2.0], "at least 0 and finite, got [1.0, 2.0]."),
    ],
)
def test_lambda_is_one_number_or_one_of_each_replica(make, few, strength, sentence):
    with pytest.raises(ValueError) as refused:
        train_adversarially(make(), few, ATTACK, strength=strength)
    assert str(refused.value) == f"strength must be {sentence}"
    with pytest.raises(ValueError) as refused:
        train_adversarially(make(), few, ATTACK, epochs=2, observe=lambda epoch: strength)
    assert str(refused.value) == f"what observe returns must be {sentence}"


@pytest.mark.parametrize("strength", [2.0, torch.tensor(2.0), torch.tensor([2, 2])])
def test_lambda_may_be_given_in_every_way(make, few, strength):
    history = train_adversarially(make(), few, ATTACK, strength=strength, epochs=2, observe=lambda epoch: strength)
    assert [epoch.strength.tolist() for epoch in history.epochs] == [[2.0, 2.0]] * 2


def test_only_a_stack_is_trained_and_only_on_a_data_set(make, few):
    with pytest.raises(ValueError, match=r"^network must be a Stack, got str\.$"):
        train_adversarially("n", few, ATTACK)
    with pytest.raises(ValueError, match=r"^data must be a Dataset, got tuple\.$"):
        train_adversarially(make(), (few.x, few.y), ATTACK)
