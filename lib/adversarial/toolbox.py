"""The same question to another library: points attacked by IBM's Adversarial Robustness Toolbox, if installed."""

from __future__ import annotations

import copy
import math
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lib import checks
from lib.adversarial.ascent import Attack, check_attack
from lib.adversarial.resolution import check_shift
from lib.estimators.calls import check_points, check_weights, outputs_of
from lib.labels import check_classes, class_labels
from lib.stack import Stack

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.labels import Labels

# Its PGD, and of AutoAttack what needs neither hours nor targets: two losses of AutoPGD, and Square, which asks for
# values alone.
METHODS = ("pgd", "apgd-ce", "apgd-dlr", "square")
_LOSSES = {"apgd-ce": "cross_entropy", "apgd-dlr": "difference_logits_ratio"}
_STEPS, _QUERIES, _CHUNK = 50, 300, 500
# The share of an image that the first square of Square covers, and the l2 form's tiles along a side.
_COVERED, _TILES = 0.8, 5
# Points that get a CLEVER score, which takes a tenth of a second to seconds each: so many batches of so many gradients.
SCORED, _DRAWS, _CHUNK_OF_DRAWS = 3, 10, 32


def toolbox_points(
    network: nn.Module,
    x: Float[Tensor, "n ..."],
    y: Labels,
    attack: Attack,
    method: str = "pgd",
    image: tuple[int, int, int] | None = None,
    seed: int = 0,
) -> Float[Tensor, "R n ..."]:
    """Return, for every replica, the points that an attack of the toolbox ends at, in float32 on the processor.

    Args:
        network: a stack, or any module; it is copied.
        x: n points.
        y: their classes.
        attack: ball, norm and range of pixels, and for "pgd" its steps and start.
        method: "pgd", "apgd-ce" or "apgd-dlr" (AutoPGD on the cross-entropy, or on the ratio of differences of logits,
            which takes three classes), or "square" (no gradient is asked for).
        image: channels, height and width of a point; "square" takes images alone.
        seed: of the global generators, which the toolbox draws from and which are put back; below 2^32.

    Raises:
        ValueError: the method is unknown, the attack cannot be made on x (see `attacked_points`), y is not one class a
            point, the image is none of a point, "square" lacks an image or a range or has too small or too long an
            image, "apgd-dlr" has two classes, or the seed is none.
        ImportError: adversarial-robustness-toolbox is not installed.

    Source: Nicolae et al. 2018; Croce and Hein 2020 (AutoAttack); Andriushchenko et al. 2020 (Square).
    """
    checks.one_of(METHODS, method=method)
    check_attack(attack, x)
    shape = _image_shape(x, image)
    if method == "square" and (len(shape) != 3 or attack.pixels is None):
        raise ValueError(f"image and pixels must be given for square, got points of shape {shape} in {attack.pixels}.")
    if method == "square":
        _check_square(shape, attack.norm)
    copies = [network.module(r) for r in range(network.replicas)] if isinstance(network, Stack) else [network]
    points, found = x.detach().float().cpu().reshape(len(x), *shape).numpy(), []
    for module in copies:
        with _seeded(seed):
            classifier = toolbox_classifier(module, x, shape, attack.pixels)
            if method == "apgd-dlr" and classifier.nb_classes < 3:  # its ratio compares three logits
                raise ValueError(
                    f"network must have at least 3 outputs, one a class, for apgd-dlr, got {classifier.nb_classes}."
                )
            labels = class_labels(y, len(x), classifier.nb_classes).numpy()
            found.append(torch.from_numpy(_attack(method, classifier, attack).generate(points, labels)))
    return torch.stack(found).view(-1, *x.shape)


def toolbox_classifier(
    network: nn.Module,
    x: Float[Tensor, "n ..."],
    image: tuple[int, ...] | None = None,
    pixels: tuple[float, float] | None = None,
) -> Any:
    """Return a copy of a network as the toolbox takes one: in float32 and eval mode, on the processor.

    Args:
        network: any module that maps points like x to logits.
        x: points.
        image: the shape in which the toolbox gives points; that of x when None.
        pixels: the range that they have.

    Raises:
        ValueError: the image is none of a point, or the network does not map (n, ...) to (n, o) with o ≥ 2.
        ImportError: adversarial-robustness-toolbox is not installed.
    """
    check_points(x)
    check_weights(network)
    shape = _image_shape(x, image)
    try:
        from art.estimators.classification import PyTorchClassifier
    except ImportError as error:
        raise ImportError(
            "adversarial-robustness-toolbox is not installed; run `pip install adversarial-robustness-toolbox`."
        ) from error

    taken = _OnImages(copy.deepcopy(network).float().cpu(), tuple(x.shape[1:]))
    taken.eval()
    with torch.no_grad():
        classes = outputs_of(taken, x[:1].detach().float().cpu()).shape[1]
    check_classes(classes)
    # A mean over the batch would divide every point's gradient by the number of points.
    loss = nn.CrossEntropyLoss(reduction="sum")
    return PyTorchClassifier(taken, loss, shape, classes, clip_values=pixels, device_type="cpu")


def toolbox_scores(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Labels, radius: float, seed: int = 0
) -> tuple[float, float]:
    """Return two numbers of the toolbox that need no attack: the loss sensitivity, and the mean CLEVER score.

    Loss sensitivity is the mean of ‖∇_x ℓ‖₂ over all points. CLEVER estimates the ℓ2 distance to the nearest other
    class, at most the radius, from gradients drawn around each of the first `SCORED` points.

    Args:
        network: any module that maps points like x to logits.
        x: points.
        y: their classes.
        radius: of the balls in which CLEVER draws.
        seed: as in `toolbox_points`.

    Raises:
        ValueError: the radius is not positive, or x, y, the network or the seed is refused by `toolbox_points`.
        ImportError: adversarial-robustness-toolbox is not installed.

    Source: Nicolae et al. 2018; Arpit et al. 2017 (loss sensitivity); Weng et al. 2018 (CLEVER).
    """
    radius = checks.positive(radius=radius)
    check_points(x)
    check_shift(x, "radius", radius)
    with _seeded(seed), warnings.catch_warnings():
        classifier = toolbox_classifier(network, x)
        from art.metrics import clever_u, loss_sensitivity

        points, ball = x.detach().float().cpu().numpy(), {"radius": radius, "norm": 2, "verbose": False}
        labels = nn.functional.one_hot(class_labels(y, len(x), classifier.nb_classes), classifier.nb_classes).numpy()
        # Where a network is linear its gradients are alike, and the fit of their extremes complains of that.
        warnings.simplefilter("ignore", RuntimeWarning)
        scores = [clever_u(classifier, point, _DRAWS, _CHUNK_OF_DRAWS, **ball) for point in points[:SCORED]]
        return float(loss_sensitivity(classifier, points, labels)), float(np.mean(scores))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which the toolbox and a network may draw from, and put them back."""
    checks.integers(least=0, most=2**32 - 1, seed=seed)  # as many as NumPy takes
    before, arrays = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(int(seed))
            random.seed(int(seed))
            np.random.seed(seed)
            yield
    finally:
        random.setstate(before)
        np.random.set_state(arrays)


def _image_shape(x: Float[Tensor, "n ..."], image: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape in which the toolbox gets a point."""
    given, numbers = tuple(x.shape[1:]), x[0].numel()
    if image is None:
        return given
    sizes = image if isinstance(image, (tuple, list)) else ()
    if not all(isinstance(size, Integral) and size > 0 for size in sizes) or math.prod(sizes) != numbers or not sizes:
        raise ValueError(f"image must be the shape of {numbers} numbers, those of a point {given}, got {image!r}.")
    return tuple(sizes)


def _check_square(image: tuple[int, ...], norm: str) -> None:
    """Raise ValueError unless the squares that the toolbox's Square draws, whose first is the largest, fit an image."""
    _, height, width = image
    side = max(round(math.sqrt(_COVERED * height * width)), 1 if norm == "linf" else 3)
    root = f"round(√({_COVERED}·height·width))"
    if norm == "linf" and side >= min(height, width):
        raise ValueError(f"image must have height and width above {root} = {side} for square, got {image}.")
    side |= 1
    least = height // _TILES * _TILES
    if norm == "l2" and (side >= min(height, width) or width < least):
        raise ValueError(
            f"image must have height and width above {side}, the first odd number from {root} and 3 on, and a width of "
            f"at least {_TILES}·⌊height/{_TILES}⌋ = {least} for square in l2, got {image}."
        )


class _OnImages(nn.Module):
    """A network that takes points in another shape than the toolbox gives them."""

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.shape = network, shape

    def forward(self, points: Tensor) -> Tensor:
        return self.network(points.reshape(len(points), *self.shape))


def _attack(method: str, classifier: Any, attack: Attack) -> Any:
    from art.attacks import evasion

    norm = np.inf if attack.norm == "linf" else 2
    ball = {"norm": norm, "eps": attack.epsilon, "batch_size": _CHUNK, "verbose": False}
    if method == "square":
        return evasion.SquareAttack(classifier, max_iter=_QUERIES, p_init=_COVERED, nb_restarts=1, **ball)
    if method == "pgd":
        steps = {"eps_step": attack.step, "max_iter": attack.steps, "num_random_init": int(attack.random_start)}
        return evasion.ProjectedGradientDescentPyTorch(classifier, **steps, **ball)
    steps = {"eps_step": 2 * attack.epsilon, "max_iter": _STEPS, "nb_random_init": 1}
    return evasion.AutoProjectedGradientDescent(classifier, loss_type=_LOSSES[method], **steps, **ball)
