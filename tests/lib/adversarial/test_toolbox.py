"""Another library's attacks leave what ours leave: by the same PGD the same, by stronger ones a little less."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from lib.adversarial import Attack, attacked_points, robustness, toolbox
from lib.adversarial.robustness import at_points
from lib.adversarial.toolbox import METHODS, toolbox_points, toolbox_scores
from lib.adversarial.training import train_adversarially
from lib.convolutional import CNN
from lib.experiments.adversarial import DEPTHS, MEASURED, AdversarialTraining, build, split
from lib.networks import FCN
from lib.rows import Conditions

IMAGE = (1, 8, 8)


@pytest.fixture(scope="module")
def hardened(images):
    """Build each architecture once, trained under attack."""
    attack = Attack(0.1, steps=7, step_size=0.025, pixels=(0.0, 1.0))
    options = {"replicas": 2, "seed": 1, "dtype": torch.float32}
    networks = {"fcn": FCN(32, 3, 64, 10, **options), "cnn": CNN(8, 3, IMAGE, 10, **options)}
    for network in networks.values():
        train_adversarially(network, images[0], attack, "trades", 3.0, epochs=4, lr=0.1)
    return networks


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("architecture", ["fcn", "cnn"])
def test_the_same_attack_by_another_library_leaves_the_same_points(hardened, images, architecture, norm):
    network, (x, y) = hardened[architecture], (images[0].x_test, images[0].y_test)
    epsilon = 0.1 if norm == "linf" else 0.5
    attack = Attack(epsilon, norm, steps=20, step_size=epsilon / 8, random_start=False, pixels=(0.0, 1.0))
    ours = at_points(network, x, y, attacked_points(network, x, y, attack))
    theirs = at_points(network, x, y, toolbox_points(network, x, y, attack))
    assert 0.2 < ours.robust.double().mean() < ours.correct.double().mean() - 0.05
    assert torch.equal(ours.correct, theirs.correct)
    assert (ours.robust != theirs.robust).sum() <= 2  # of 720


@pytest.mark.parametrize("architecture", ["fcn", "cnn"])
def test_from_its_own_random_starts_it_leaves_as_many(hardened, images, architecture):
    network, (x, y) = hardened[architecture], (images[0].x_test, images[0].y_test)
    attack = Attack(0.1, steps=20, step_size=0.1 / 8, pixels=(0.0, 1.0))
    points = {
        find: [find(network, x, y, attack, seed=seed) for seed in range(3)]
        for find in (attacked_points, toolbox_points)
    }
    ours, theirs = (
        torch.stack([at_points(network, x, y, one).robust for one in found]).double().mean()
        for found in points.values()
    )
    assert abs(ours - theirs) <= 0.005


def test_stronger_attacks_leave_a_little_less_and_one_without_gradients_more(hardened, images):
    network, (x, y) = hardened["cnn"], (images[0].x_test, images[0].y_test)
    attack = Attack(0.1, steps=20, step_size=0.1 / 8, pixels=(0.0, 1.0))
    ours = at_points(network, x, y, attacked_points(network, x, y, attack)).robust.double().mean()
    left = {m: at_points(network, x, y, toolbox_points(network, x, y, attack, m, IMAGE)).robust for m in METHODS}
    assert left["square"].double().mean() > ours
    every = torch.stack(list(left.values())).all(dim=0).double().mean()
    assert ours - 0.06 < every < ours


@pytest.mark.nightly
@pytest.mark.parametrize(("architecture", "width", "epsilon"), [("fcn", 64, 0.05), ("cnn", 8, 0.1)])
def test_networks_of_mnist_are_as_robust_by_another_library(mnist_root, architecture, width, epsilon):
    task = AdversarialTraining("mnist", architecture, width, DEPTHS[architecture], epsilon, 6.0, 0, samples=6_000)
    data, _ = split(task, Conditions(root=mnist_root))
    network = build(task, data, 2, "cpu")
    train_adversarially(network, data, task.attack, "trades", 6.0, epochs=3, lr=task.lr)
    x, y = data.x_test[:MEASURED], data.y_test[:MEASURED]
    ours = robustness(network, x, y, task.final_attack).robust.double().mean()
    theirs = at_points(network, x, y, toolbox_points(network, x, y, task.final_attack)).robust.double().mean()
    assert 0.3 < ours < 0.98
    assert abs(ours - theirs) <= 0.005


@pytest.mark.parametrize("method", METHODS)
def test_its_points_lie_in_the_ball_and_the_range_and_leave_no_trace(hardened, images, method):
    network = hardened["cnn"]
    x, y = images[0].x_test[:60], images[0].y_test[:60]
    state, weights = np.random.get_state()[1].copy(), [weight.clone() for weight in network.weights]
    attack = Attack(0.2, steps=3, pixels=(0.0, 1.0))
    points = toolbox_points(network, x, y, attack, method, IMAGE)
    assert points.shape == (2, 60, 64)
    assert (points - x).abs().max() <= 0.2 * (1 + 1e-5)
    assert points.min() >= 0 and points.max() <= 1
    assert (np.random.get_state()[1] == state).all()
    assert all(torch.equal(before, after) for before, after in zip(weights, network.weights, strict=True))
    assert torch.equal(points, toolbox_points(network, x, y, attack, method, IMAGE))
    alone = toolbox_points(network.module(1), x, y, attack, method, IMAGE)
    torch.testing.assert_close(alone[0], points[1])


def test_any_module_keeps_its_mode_and_its_type(linear):
    model, x, y = linear
    network = nn.Sequential(model, nn.Dropout(0.5)).train()
    points = toolbox_points(network, x, y, Attack(0.3, "l2", steps=40, step_size=0.3))
    assert network.training and model.weight.dtype == torch.float64
    away = (2 * y.double() - 1)[:, None] * (model.weight[0] - model.weight[1]).detach()
    best = 0.3 * nn.functional.normalize(away, dim=1)
    torch.testing.assert_close(points[0].double(), x + best, rtol=0, atol=1e-3)


def test_scores_are_what_a_linear_model_has_and_leave_no_trace(linear):
    model, x, y = linear
    state = np.random.get_state()[1].copy()
    sensitivity, distance = toolbox_scores(model, x, y, radius=50.0)
    away = (model.weight[0] - model.weight[1]).detach().norm()
    p = model(x).detach().softmax(dim=1)[torch.arange(len(y)), y]
    assert sensitivity == pytest.approx(float(((1 - p) * away).mean()), rel=1e-4)
    margins = (model(x)[:3, 0] - model(x)[:3, 1]).detach().abs()
    assert distance == pytest.approx(float((margins / away).mean()), rel=0.02)
    assert toolbox_scores(model, x, y, radius=1e-3)[1] == pytest.approx(1e-3)
    assert toolbox_scores(model, x, y, radius=50.0) == (sensitivity, distance)
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    ("method", "pixels", "image", "sentence"),
    [
        ("pgd", None, (1, 2, 4), r"^image must be the shape of 7 numbers, those of a point \(7,\), got \(1, 2, 4\)\.$"),
        ("pgd", None, 5, "^image must be the shape of 7 numbers"),
        ("fgsm", None, None, "method must be one of pgd, apgd-ce, apgd-dlr, square, got 'fgsm'"),
        ("square", (0.0, 1.0), None, r"image and pixels must be given for square, got points of shape \(7,\)"),
        ("square", None, (1, 1, 7), "image and pixels must be given for square"),
        ("pgd", (0.0, 0.5), None, "x must lie in pixels"),
    ],
)
def test_what_does_not_fit_is_refused(linear, method, pixels, image, sentence):
    model, x, y = linear
    with pytest.raises(ValueError, match=sentence):
        toolbox_points(model, x, y, Attack(0.3, pixels=pixels), method, image)


@pytest.mark.parametrize(
    ("image", "norm", "sentence"),
    [
        ((1, 4, 4), "linf", "above round(√(0.8·height·width)) = 4 for square, got (1, 4, 4)."),
        ((1, 10, 20), "linf", "above round(√(0.8·height·width)) = 13 for square, got (1, 10, 20)."),
        (
            (1, 7, 7),
            "l2",
            "above 7, the first odd number from round(√(0.8·height·width)) and 3 on, and a width of at least ",
        ),
        ((1, 20, 18), "l2", "a width of at least 5·⌊height/5⌋ = 20 for square in l2, got (1, 20, 18)."),
    ],
)
def test_images_in_which_no_square_fits_are_refused(image, norm, sentence):
    network, x = nn.Linear(image[1] * image[2], 3), torch.rand(2, image[1] * image[2])
    with pytest.raises(ValueError, match=r"^image must have height and width above ") as refused:
        toolbox_points(network, x, [0, 1], Attack(0.1, norm, pixels=(0.0, 1.0)), "square", image)
    assert sentence in str(refused.value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # its ℓ2 Square divides by 0 where a tile has one pixel
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_takes_every_image_that_is_not_refused(norm, monkeypatch):
    monkeypatch.setattr(toolbox, "_QUERIES", 2)
    attack, taken = Attack(1e-3, norm, pixels=(0.0, 1.0)), 0
    for height, width in ((5, 5), (5, 6), (6, 5), (6, 6), (8, 8), (9, 8), (10, 11), (12, 11), (20, 18), (20, 21)):
        network, x = nn.Linear(height * width, 3), torch.rand(4, height * width)
        image = 1, height, width
        try:
            toolbox._check_square(image, norm)
        except ValueError:
            with pytest.raises(ValueError):
                toolbox._attack("square", toolbox.toolbox_classifier(network, x, image, (0.0, 1.0)), attack).generate(
                    x.view(-1, *image).numpy(), network(x).argmax(dim=1).numpy()
                )
        else:
            assert toolbox_points(network, x, network(x).argmax(dim=1), attack, "square", image).isfinite().all()
            taken += 1
    assert taken >= 4


def test_the_ratio_of_differences_of_logits_takes_three_classes(linear):
    model, x, y = linear
    with pytest.raises(ValueError) as refused:
        toolbox_points(model, x, y, Attack(0.3), "apgd-dlr")
    assert str(refused.value) == "network must have at least 3 outputs, one a class, for apgd-dlr, got 2."
    three = nn.Linear(7, 3)
    assert toolbox_points(three, x, y, Attack(0.3), "apgd-dlr").isfinite().all()


class Pair(nn.Module):
    def forward(self, x):
        return x, None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"y": [5] * 40}, "^y must be 40 integers from 0 to 1, the classes of the points, got integers from 5 to 5"),
        ({"y": [0, 1]}, "^y must be 40 integers from 0 to 1"),
        ({"x": np.ones((40, 7))}, "^x must be a tensor of points, got ndarray"),
        ({"network": Pair()}, r"^network must map \(n, ...\) to \(n, o\); for n = 1 it returned tuple"),
        ({"network": nn.Linear(7, 1)}, "^network must have at least 2 outputs"),
        ({"seed": 1.5}, "^seed must be an integer from 0 to 4294967295, got 1.5"),
    ],
)
def test_both_questions_look_at_what_they_are_given(linear, given, sentence):
    given = dict(zip(("network", "x", "y"), linear, strict=True)) | given
    with pytest.raises(ValueError, match=sentence):
        toolbox_points(**given, attack=Attack(0.3))
    with pytest.raises(ValueError, match=sentence):
        toolbox_scores(**given, radius=0.3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # its ℓ2 Square divides by 0 where it has not moved
def test_no_global_generator_is_moved_on_and_none_decides():
    class Drawing(nn.Linear):
        def forward(self, x):
            random.random(), np.random.rand(), torch.rand(1)
            return super().forward(x)

    network, x = Drawing(400, 3), torch.rand(6, 400, generator=torch.Generator().manual_seed(0))
    ball, found = Attack(0.05, "l2", pixels=(0.0, 1.0)), []
    for seed in range(2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        with torch.device(("cpu", "meta")[seed]):  # as set_default_device
            found.append(toolbox_points(network, x, [0, 1, 2] * 2, ball, "square", (1, 20, 20)))
            toolbox_scores(network, x, [0, 1, 2] * 2, 0.3)
        assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert torch.equal(*found)


def test_without_the_library_the_sentence_says_what_to_install(linear, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "art.estimators.classification", None)
    with pytest.raises(ImportError, match="run `pip install adversarial-robustness-toolbox`"):
        toolbox_points(*linear, Attack(0.3))
