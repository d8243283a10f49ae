"""The same question to another library: points attacked by IBM's Adversarial Robustness Toolbox, if installed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lib import checks
from lib.adversarial.ascent import Attack
from lib.stack import Stack

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

# Its PGD, and of AutoAttack what needs neither hours nor targets: two losses of AutoPGD, and Square, which asks for
# values alone.
METHODS = ("pgd", "apgd-ce", "apgd-dlr", "square")
_LOSSES = {"apgd-ce": "cross_entropy", "apgd-dlr": "difference_logits_ratio"}
_STEPS, _QUERIES, _CHUNK = 50, 300, 500
# Points that get a CLEVER score, which takes a tenth of a second to seconds each: so many batches of so many gradients.
SCORED, _DRAWS, _CHUNK_OF_DRAWS = 3, 10, 32


def toolbox_points(
    network: nn.Module,
    x: Float[Tensor, "n ..."],
    y: Int[Tensor, " n"],
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
        method: "pgd", "apgd-ce" or "apgd-dlr" (AutoPGD on the cross-entropy, or on the ratio of differences of logits),
            or "square" (no gradient is asked for).
        image: channels, height and width of a point; "square" takes images alone.
        seed: of NumPy's global generator, which the toolbox draws from and which is put back.

    Raises:
        ValueError: the method is unknown, x leaves the range of pixels, or "square" lacks an image or a range.
        ImportError: adversarial-robustness-toolbox is not installed.

    Source: Nicolae et al. 2018; Croce and Hein 2020 (AutoAttack); Andriushchenko et al. 2020 (Square).
    """
    checks.one_of(METHODS, method=method)
    attack.check(x)
    shape = tuple(x.shape[1:]) if image is None else tuple(image)
    if method == "square" and (len(shape) != 3 or attack.pixels is None):
        raise ValueError(f"image and pixels must be given for square, got points of shape {shape} in {attack.pixels}.")
    copies = [network.module(r) for r in range(network.replicas)] if isinstance(network, Stack) else [network]
    points, labels, found = x.detach().float().cpu().reshape(len(x), *shape).numpy(), y.cpu().numpy(), []
    for module in copies:
        classifier = toolbox_classifier(module, x, shape, attack.pixels)
        with _seeded(seed):
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
        ImportError: adversarial-robustness-toolbox is not installed.
    """
    try:
        from art.estimators.classification import PyTorchClassifier
    except ImportError as error:
        raise ImportError(
            "adversarial-robustness-toolbox is not installed; run `pip install adversarial-robustness-toolbox`."
        ) from error

    shape = tuple(x.shape[1:])
    taken = _OnImages(copy.deepcopy(network).float().cpu(), shape)
    taken.eval()
    with torch.no_grad():
        classes = taken(x[:1].detach().float().cpu()).shape[1]
    # A mean over the batch would divide every point's gradient by the number of points.
    loss = nn.CrossEntropyLoss(reduction="sum")
    return PyTorchClassifier(taken, loss, image or shape, classes, clip_values=pixels, device_type="cpu")


def toolbox_scores(
    network: nn.Module, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], radius: float, seed: int = 0
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
        ImportError: adversarial-robustness-toolbox is not installed.

    Source: Nicolae et al. 2018; Arpit et al. 2017 (loss sensitivity); Weng et al. 2018 (CLEVER).
    """
    classifier = toolbox_classifier(network, x)
    from art.metrics import clever_u, loss_sensitivity

    points, ball = x.detach().float().cpu().numpy(), {"radius": radius, "norm": 2, "verbose": False}
    labels = nn.functional.one_hot(y.cpu(), classifier.nb_classes).numpy()
    with _seeded(seed), warnings.catch_warnings():
        # Where a network is linear its gradients are alike, and the fit of their extremes complains of that.
        warnings.simplefilter("ignore", RuntimeWarning)
        scores = [clever_u(classifier, point, _DRAWS, _CHUNK_OF_DRAWS, **ball) for point in points[:SCORED]]
    return float(loss_sensitivity(classifier, points, labels)), float(np.mean(scores))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which the toolbox draws from, and put it back."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


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
        return evasion.SquareAttack(classifier, max_iter=_QUERIES, p_init=0.8, nb_restarts=1, **ball)
    if method == "pgd":
        steps = {"eps_step": attack.step, "max_iter": attack.steps, "num_random_init": int(attack.random_start)}
        return evasion.ProjectedGradientDescentPyTorch(classifier, **steps, **ball)
    steps = {"eps_step": 2 * attack.epsilon, "max_iter": _STEPS, "nb_random_init": 1}
    return evasion.AutoProjectedGradientDescent(classifier, loss_type=_LOSSES[method], **steps, **ball)
