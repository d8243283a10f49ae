"""The exact second moment of a convolutional network's derivative at initialization.

The step of `lib.theory.initialization` holds at every position of every convolution: given the layer below, the pair
(w·h, w·g) of a patch h and its derivative g is a centred Gaussian pair, w -> −w swaps the gate, and so
E[1{w·h > 0} (w·g)²] = ½β²‖g‖². Positions share weights, but a second moment adds squares: with e_l(p) the
energy E Σ_k g_{l,p,k}² at position p,

    e_l(p) = (m β_l²/2) Σ_{q in the patch of p} e_{l-1}(q),      E‖J(x)u‖² = o β_L² Σ_p e_{L-1}(p),    e_0 = u²,

where the sum runs over the taps that lie inside the image. A pixel near the border is in fewer patches, and a stride
of 2 takes some pixels into one patch and some into four: they are counted, not approximated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.columns import KERNEL
from lib.convolutional import betas, image_sides, stride_of
from lib.initializers import Initializer
from lib.theory.logspace import exp, log

if TYPE_CHECKING:
    from jaxtyping import Float


def mean_square_gain(
    width: int,
    depth: int,
    image: tuple[int, int, int],
    out_features: int,
    initializer: str | Initializer,
    direction: Float[np.ndarray, " d"] | None = None,
    x: Float[np.ndarray, " d"] | None = None,
) -> float:
    """Return E‖J(x)u‖² over the weights of a `lib.convolutional.CNN` with α = 1.

    Args:
        width: m channels, as in `CNN`.
        depth: L ≥ 2.
        image: (channels, height, width) of a point.
        out_features: o.
        initializer: a name or an `Initializer`.
        direction: u of any length; None takes the mean over the unit sphere, E‖J‖_F²/d.
        x: the point; only which of its patches are all zero matters, since their gates are closed. None: no such patch.
            With u = x this is E‖f(x)‖².

    Returns:
        The second moment, exact for every m and L; dead layers are part of the expectation.

    Raises:
        ValueError: a size is out of range, the initializer is unknown, or a point or direction is no image.

    Source: ours, by the symmetry of Hanin and Nica 2018 (arXiv:1812.05994).
    """
    layers = betas(width, depth, image, out_features, initializer)
    height, across = image[1:]
    if direction is None:
        energy = np.full((height, across), 1 / (height * across))
    else:
        energy = np.square(_as_image("direction", direction, image)).sum(axis=0)
    seen = np.ones((height, across)) if x is None else np.square(_as_image("x", x, image)).sum(axis=0)
    scale = 0.0
    for layer, sides in enumerate(image_sides(image, depth)[:-1]):
        energy, stride = _patch_sums(energy, stride_of(sides)), stride_of(sides)
        if layer == 0:
            energy = np.where(_patch_sums(seen, stride) > 0, energy, 0)
        scale += 2 * log(layers[layer]) + math.log(width / 2)
    return exp(scale + 2 * log(layers[-1]) + math.log(out_features) + log(float(energy.sum())))


def rms_stability(
    width: int,
    depth: int,
    image: tuple[int, int, int],
    out_features: int,
    initializer: str | Initializer,
    x: Float[np.ndarray, " d"] | None = None,
) -> float:
    """Return the exact root-mean-square perturbation stability P_rms/ε at initialization.

    P_rms/ε = √(d/(d+2) · E‖J(x)u‖²), u uniform on the unit sphere. Under He it is √(2o/(d+2)), the value of a fully
    connected network, times a factor below 1 that the border alone makes: free of m, and falling with L.

    Arguments and errors are those of `mean_square_gain`.
    """
    features = math.prod(image)
    gain = mean_square_gain(width, depth, image, out_features, initializer, x=x)
    return math.sqrt(features / (features + 2) * gain)


def _patch_sums(energy: Float[np.ndarray, "h w"], stride: int) -> Float[np.ndarray, "a b"]:
    """Return the sum of a map over the patch of every output position."""
    padded = np.pad(energy, 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL))
    return windows[::stride, ::stride].sum(axis=(2, 3))


def _as_image(name: str, values: Sequence[float], image: tuple[int, int, int]) -> Float[np.ndarray, "c h w"]:
    array = np.asarray(values, dtype=float)
    if array.shape != (math.prod(image),):
        raise ValueError(f"{name} must be an image of {image} flattened, got the shape {array.shape}.")
    return array.reshape(image)
