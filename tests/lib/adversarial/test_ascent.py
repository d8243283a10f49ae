"""PGD stays in ball and range, is best of its steps, finds known optima, and treats a stack as its modules."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.adversarial import Attack, attacked_points, divergence_slope, robustness
from lib.networks import FCN
from lib.seeds import generator


def losses(network, points, y):
    f = network(points).detach()
    f = f if f.ndim == 3 else f.unsqueeze(0)
    return functional.cross_entropy(f.flatten(0, 1), y.repeat(len(f)), reduction="none").view(f.shape[:2])


@pytest.mark.parametrize("pixels", [None, (0.0, 1.0)])
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("linf", 0.6), ("l2", 0.5), ("l2", 3.0)])
def test_attacked_points_stay_in_the_ball_and_the_range_and_lose_no_less_than_x(make, images, norm, epsilon, pixels):
    network = make()
    x, y = images[0].x[:60].double(), images[0].y[:60]
    points = attacked_points(network, x, y, Attack(epsilon, norm, steps=4, pixels=pixels), seed=3)
    assert points.shape == (2, 60, 64)
    shift = points - x
    size = shift.abs().amax(dim=2) if norm == "linf" else shift.norm(dim=2)
    assert (size <= epsilon * (1 + 1e-6)).all()
    if pixels is not None:
        assert (points >= 0).all()
        assert (points <= 1).all()
    clean, attacked = losses(network, x, y), losses(network, points, y)
    assert (attacked >= clean).all()
    assert (attacked > clean).double().mean() > 0.9


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_step_too_far_is_taken_back(norm):
    """The loss −‖x̂ − c‖² is highest at c, which a long step leaves far behind."""
    x, c = torch.zeros(1, 3, 4, dtype=torch.float64), 0.1
    attack = Attack(3.0, norm, steps=3, step_size=2.0, random_start=False)

    def compute(points, target):
        return -(points - c).square().sum(dim=2), -2 * (points - c)

    assert torch.equal(attack.search(compute, x, x, x), x)
    last = x.clone()
    attack.ascend(lambda points, target: compute(points, target)[1], x, x, last)
    assert (compute(last, x)[0] < compute(x, x)[0]).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("random_start", [True, False])
def test_the_optimum_of_a_linear_model_is_reached(linear, norm, random_start):
    model, x, y = linear
    epsilon = 0.3
    # A step of ε halves what a random start in the ℓ2 ball has across the gradient.
    attack = Attack(epsilon, norm, steps=40, step_size=epsilon, random_start=random_start)
    points = attacked_points(model, x, y, attack)[0]
    away = (2 * y.double() - 1)[:, None] * (model.weight[0] - model.weight[1]).detach()
    best = away.sign() if norm == "linf" else functional.normalize(away, dim=1)
    torch.testing.assert_close(points, x + epsilon * best, rtol=0, atol=1e-7)
    once = attacked_points(model, x, y, Attack(epsilon, norm, steps=1, step_size=epsilon, random_start=False))[0]
    torch.testing.assert_close(once, x + epsilon * best, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_model_that_is_sure_of_itself_is_attacked_no_less(linear, norm):
    model, x, _ = linear
    with torch.no_grad():
        model.weight.mul_(200 / (model.weight[0] - model.weight[1]).norm())
        model.bias.zero_()
    y = model(x).argmax(dim=1)
    attack = Attack(10.0, norm, steps=1, step_size=10.0, random_start=False)
    points = attacked_points(model, x, y, attack)[0]
    margin = (model(x)[:, 0] - model(x)[:, 1]).abs()
    assert (margin > 50).any()  # where p of the other class is below 1e-21
    assert (model(points).argmax(dim=1) != y).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_in_a_range_the_optimum_of_a_linear_model_is_cut_there(linear, norm):
    model, x, y = linear
    points = attacked_points(model, x, y, Attack(10.0, norm, steps=40, pixels=(0.0, 1.0)))[0]
    away = (2 * y.double() - 1)[:, None] * (model.weight[0] - model.weight[1]).detach()
    torch.testing.assert_close(points, (away > 0).double(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_stack_is_attacked_as_its_modules_and_its_single_replicas_are(make, images, norm):
    network, attack = make(replicas=3, seed=5), Attack(0.3, norm, steps=5, pixels=(0.0, 1.0))
    x, y = images[0].x[:40].double(), images[0].y[:40]
    points = attacked_points(network, x, y, attack, seed=1)
    for r in range(3):
        torch.testing.assert_close(points[r], attacked_points(network.module(r), x, y, attack, seed=1)[0])
        assert torch.equal(points[r], attacked_points(make(replicas=1, seed=5 + r), x, y, attack, seed=1)[0])


def test_any_module_is_attacked_in_eval_mode_in_its_own_shape():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Dropout(0.9), nn.Linear(8, 3))
    x, y = torch.rand(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    points = attacked_points(module, x, y, Attack(0.1))
    assert points.shape == (1, 5, 1, 4, 4)
    assert torch.equal(points, attacked_points(module, x, y, Attack(0.1)))
    assert module.training
    assert module[2].training
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("random_start", [True, False])
def test_points_and_classes_may_come_from_inference_mode(linear, norm, random_start):
    attack = Attack(0.3, norm, steps=3, random_start=random_start)
    for network in (linear[0], FCN(8, 2, 7, 2, replicas=2, dtype=torch.float64)):
        expected = attacked_points(network, *linear[1:], attack)
        slopes = divergence_slope(network, linear[1], attack)
        with torch.inference_mode():
            x, y = linear[1] * 1, linear[2] * 1
            inside = attacked_points(network, x, y, attack)
        assert torch.equal(attacked_points(network, x, y, attack), expected)
        assert torch.equal(inside, expected)
        assert torch.equal(divergence_slope(network, x, attack), slopes)
        assert torch.equal(robustness(network, x, y, attack).robust, robustness(network, *linear[1:], attack).robust)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epsilon": -0.1}, "epsilon must be positive and finite, got -0.1."),
        ({"epsilon": math.nan}, "epsilon must be positive and finite, got nan."),
        ({"epsilon": 0.1, "steps": 0}, "steps must be an integer of at least 1, got 0."),
        ({"epsilon": 0.1, "random_start": "no"}, "random_start must be one of True, False, got 'no'."),
        ({"epsilon": 0.1, "random_start": None}, "random_start must be one of True, False, got None."),
        ({"epsilon": 0.1, "random_start": 1}, "random_start must be one of True, False, got 1."),
        ({"epsilon": 0.1, "step_size": 0.0}, "step_size must be positive and finite, got 0.0."),
        ({"epsilon": 0.1, "norm": "l1"}, "norm must be one of linf, l2, got 'l1'."),
        ({"epsilon": 0.1, "pixels": (1.0, 0.0)}, "pixels must be (low, high) with low < high, got (1.0, 0.0)."),
        ({"epsilon": 0.1, "pixels": 1}, "pixels must be (low, high) with low < high, got 1."),
        ({"epsilon": 0.1, "pixels": (0, None)}, "pixels must be (low, high) with low < high, got (0, None)."),
        ({"epsilon": 0.1, "pixels": ("0", "1")}, "pixels must be (low, high) with low < high, got ('0', '1')."),
        ({"epsilon": 0.1, "pixels": (0, math.nan)}, "pixels must be (low, high) with low < high, got (0, nan)."),
    ],
)
def test_what_is_no_attack_is_refused(options, sentence):
    with pytest.raises(ValueError) as refused:
        Attack(**options)
    assert str(refused.value) == sentence


class Masked(nn.Module):
    """Append classes that cannot be: their logits are −inf."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        f = self.module(x)
        return torch.cat([f, torch.full((len(x), 2), -torch.inf, dtype=f.dtype)], dim=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_classes_that_cannot_be_change_no_attack(linear, norm):
    model, x, y = linear
    attack = Attack(0.3, norm, steps=5)
    expected = attacked_points(model, x, y, attack)
    assert (expected - x).abs().max() > 0.1
    torch.testing.assert_close(attacked_points(Masked(model), x, y, attack), expected)
    torch.testing.assert_close(divergence_slope(Masked(model), x, attack), divergence_slope(model, x, attack))


def test_where_outputs_are_nan_the_attack_has_won_and_where_a_slope_is_it_stays():
    class Broken(nn.Module):
        """Have no outputs beyond 0.6, and no derivative beyond 0.55."""

        def forward(self, x):
            f = torch.stack([x.sum(dim=1), 1 - x.sum(dim=1)], dim=1)
            return torch.where((x.amax(dim=1) > 0.6)[:, None], torch.nan, f)

    x, y = torch.tensor([[0.5, 0.5], [0.2, 0.2]]), [0, 1]
    for norm in ("linf", "l2"):
        attack = Attack(0.3, norm, steps=10, random_start=False)
        points = attacked_points(Broken(), x, [1, 1], attack)[0]
        assert points.isfinite().all()
        assert ((points - x).norm(dim=1) <= 0.3 * 2**0.5 + 1e-6).all()
        assert Broken()(points)[0].isnan().all()
        found = robustness(Broken(), x, y, attack)
        assert not found.robust[0, 1] or Broken()(points)[1].isfinite().all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_steps_that_a_short_type_would_lose_add_up(norm):
    """A step of ε/32 lies below the rounding of the points, eighty of them do not."""
    exact, short = FCN(16, 2, 9, 3, "he", seed=2), FCN(16, 2, 9, 3, "he", seed=2).bfloat16()
    with torch.no_grad():
        for weight, rounded in zip(exact.weights, short.weights, strict=True):
            weight.copy_(rounded)
    x = (0.5 + torch.rand(20, 9, generator=torch.Generator().manual_seed(0))).bfloat16()
    y = exact(x.float())[0].argmax(dim=-1)
    epsilon = 0.06 if norm == "linf" else 0.2
    attack = Attack(epsilon, norm, steps=80, random_start=False)
    expected = (attacked_points(exact, x.float(), y, attack)[0] - x.float()).norm(dim=1)
    for network in (short, short.module()):
        points = attacked_points(network, x, y, attack)
        assert points.dtype == torch.bfloat16
        moved = (points[0].float() - x.float()).norm(dim=1)
        # Rounding into the ball may take a tenth, which is what `check_shift` lets pass.
        torch.testing.assert_close(moved.mean(), expected.mean(), rtol=0.1, atol=0)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("pixels", [None, (0.0, 0.999), (0.1, 0.9)])
def test_rounding_to_a_short_type_leaves_neither_the_ball_nor_the_range(kind, norm, pixels):
    low, high = pixels or (0.0, 1.0)
    stream = torch.Generator().manual_seed(0)
    x = (low + 0.01 + (high - low - 0.02) * torch.rand(60, 8, generator=stream)).to(kind)
    y = torch.randint(0, 4, (60,), generator=stream)
    network = FCN(16, 2, 8, 4, replicas=2).to(kind)
    points = attacked_points(network, x, y, Attack(0.1, norm, pixels=pixels)).double()
    shift = points - x.double()
    size = shift.abs().amax(dim=2) if norm == "linf" else shift.norm(dim=2)
    assert size.max() <= 0.1 * (1 + 1e-6)
    assert size.mean() > 0.08
    if pixels is not None:
        assert low <= points.min() and points.max() <= high


def test_a_start_is_drawn_in_float32_on_the_processor_whatever_the_defaults_are(linear):
    attack, shape = Attack(0.5), torch.Size([3, 4])
    expected = attack.starts(shape, generator(0, "attack"))
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        found = attack.starts(shape, generator(0, "attack"))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("features", [3, 17, 64])
def test_a_start_is_given_by_its_place_alone(norm, features):
    attack = Attack(0.5, norm)
    all_of_them = attack.starts(torch.Size([40, features]), generator(0, "attack"))
    for points in (1, 2, 39):
        some = attack.starts(torch.Size([points, features]), generator(0, "attack"))
        assert torch.equal(some, all_of_them[:points])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epsilon": 1e-9}, "epsilon must be large enough to move x in its type, torch.float32, got 1e-09"),
        ({"epsilon": 0.1, "step_size": 1e-10}, "step_size must be large enough to move x in its type"),
        ({"epsilon": 0.1, "steps": 10**9}, "2.5·epsilon/steps must be large enough to move x in its type"),
        ({"epsilon": 1e60}, r"epsilon must leave x \+ δ within the numbers of its type, torch.float32, got 1e\+60"),
    ],
)
def test_an_attack_that_rounding_swallows_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        attacked_points(FCN(4, 2, 6, 3), torch.rand(2, 6) + 1, [0, 1], Attack(**options))


def test_points_out_of_range_and_networks_without_gradients_are_refused(linear):
    model, x, y = linear
    with pytest.raises(ValueError, match=r"x must lie in pixels = \(0.0, 1.0\), got values from .* to 3"):
        attacked_points(model, 3 * x / x.max(), y, Attack(0.1, pixels=(0.0, 1.0)))

    class Detached(nn.Module):
        def forward(self, x):
            return model(x).detach()

    with pytest.raises(ValueError, match="network must have outputs that autograd can differentiate"):
        attacked_points(Detached(), x, y, Attack(0.1))
