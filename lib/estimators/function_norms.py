"""The norms of two function spaces in which two-layer ReLU networks live: the path norm and the kernel norm.

Lazy networks move in the reproducing kernel Hilbert space of their random features, others in the larger space of
finite path norm (Zhu's talk; Bach 2017; E, Ma and Wu 2022). With m features drawn from a law, f = Σ_k a_k relu(w_k·x):

    kernel norm  √(m Σ_k a_k²)  (w_k fixed)        path norm  Σ_k |a_k| ‖w_k‖  (w_k free),

and by Cauchy and Schwarz the second is at most √d times the first where E‖w‖² = d. With a_k = b_k/m, as mean-field
texts write the network, these are √(mean b²) and mean |b| ‖w‖.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib import checks
from lib.estimators.calls import check_points
from lib.estimators.condensation import two_layers
from lib.estimators.laziness import Initial, at_start
from lib.estimators.measuring import weights_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def path_norm(network: nn.Module, order: int = 1) -> Float[Tensor, " R"]:
    """Return Σ_k ‖a_k‖_p ‖w_k‖_p / α of a two-layer network, p = order: how much function its neurons could make.

    With p = 1 it is the ℓ1 path norm, the sum of |weights multiplied along a path| over all paths from an input to an
    output, and bounds |f_k(x)| by its multiple of max_i |x_i|. With p = 2 it is the sum of the amplitudes of
    `neurons`, does not depend on the axes, and bounds ‖J(x)‖₂ at every x. It is unchanged when a neuron is rescaled
    (w → cw, a → a/c).

    The talk writes the sum in f without a factor and (1/m) Σ |a_k| ‖w_k‖_1 in the norm; both hold together only for
    f = (1/m) Σ_k b_k relu(w_k·x), whose norm (1/m) Σ |b_k| ‖w_k‖_1 is this one with a = b/m.

    Args:
        network: an `FCN` of depth 2, or its plain `nn.Sequential` (R = 1).
        order: 1 or 2.

    Raises:
        ValueError: the order is neither, or the network is no bias-free two-layer ReLU network.

    Source: Neyshabur, Tomioka and Srebro 2015 (p = 1); Bach 2017 (p = 2; his variation norm is the least one of all
    networks with the same function); Zhu's talk.
    """
    checks.integers(least=1, most=2, order=order)
    first, last, alpha = two_layers(network)
    sizes = torch.linalg.vector_norm(first, order, dim=1) * torch.linalg.vector_norm(last, order, dim=2)
    return sizes.sum(dim=1) / alpha


def random_feature_norm(network: nn.Module, initial: Initial) -> Float[Tensor, " R"]:
    """Return √m σ ‖a(t)‖_F / α, the kernel norm of the present output weights on the features of time 0.

    It belongs to f_RF(x) = (1/α) Σ_k a_k(t) relu(w_k(0)·x), the network with its features left where they were, in
    the space of `feature_kernel`; σ² = ‖W_1(0)‖_F²/(m d) is the variance of the initial weights, so that He's and
    LeCun's features span one space with one norm. It is the norm of the coefficients: f_RF itself has no larger one,
    and exactly this one if the features are linearly independent as functions. It says something about the network
    where W_1 hardly moves, that is in lazy training.

    Args:
        network: the two-layer network at time t, an `FCN` of depth 2 or its plain `nn.Sequential` (R = 1).
        initial: a copy of its `state_dict()` at time 0, or of its two weights.

    Raises:
        ValueError: the network is no bias-free two-layer ReLU network, or the initial weights do not fit it or share
            its memory.

    Source: Rahimi and Recht 2008 (the coefficients' norm); E, Ma and Wu 2022 (both spaces).
    """
    first, last, alpha = two_layers(network)
    named, _ = weights_of(network)
    start = at_start(initial, named)[0].double().reshape(len(first), -1)  # its entries, in whatever order they lie
    variance = start.square().mean(dim=1)
    return torch.sqrt(first.shape[2] * variance) * torch.linalg.vector_norm(last, dim=(1, 2)) / alpha


def feature_kernel(weights: Float[Tensor, "R d m"], x: Float[Tensor, "n d"]) -> Float[Tensor, "R n n"]:
    """Return (1/m) Σ_k relu(w_k·x_i) relu(w_k·x_j) / σ², with σ² the mean square of the entries of the weights.

    It is the kernel of m random features scaled to unit variance; as m → ∞ that of Gaussian weights becomes
    `arc_cosine_kernel`. In float64.

    Args:
        weights: first-layer weights as `FCN` stores them, for instance `FCN(...).weights[0]` at time 0.
        x: n points.

    Raises:
        ValueError: x is empty, or the weights are not (R, d, m) for its d.

    Source: Rahimi and Recht 2008.
    """
    check_points(x)
    if weights.ndim != 3 or weights.shape[1] != x.shape[-1]:
        raise ValueError(f"weights must have shape (R, {x.shape[-1]}, m), got {tuple(weights.shape)}.")
    weights = weights.detach().double()
    features = torch.relu(x.double() @ weights)
    variance = weights.square().mean(dim=(1, 2)).view(-1, 1, 1)
    return features @ features.mT / (weights.shape[2] * variance)


def arc_cosine_kernel(x: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Return E_w[relu(w·x_i) relu(w·x_j)] over w ~ N(0, I): ‖x_i‖ ‖x_j‖ (sin θ + (π − θ) cos θ) / 2π.

    θ is the angle between the two points. This is half of Cho and Saul's kernel of degree 1. In float64.

    Args:
        x: n points.

    Raises:
        ValueError: x is empty or no matrix.

    Source: Cho and Saul 2009 (degree 1).
    """
    check_points(x)
    if x.ndim != 2:
        raise ValueError(f"x must have shape (n, d), got {tuple(x.shape)}.")
    sizes = torch.linalg.vector_norm(x.double(), dim=1)
    units = x.double() / torch.where(sizes > 0, sizes, 1).unsqueeze(1)
    # The angle from chords: arccos of a cosine near 1 would lose half of the digits, and with them close points.
    apart, across = (torch.cdist(units, s * units, compute_mode="donot_use_mm_for_euclid_dist") for s in (1, -1))
    theta = 2 * torch.atan2(apart, across)
    return torch.outer(sizes, sizes) * (torch.sin(theta) + (math.pi - theta) * torch.cos(theta)) / (2 * math.pi)


def interpolant_norm(kernel: Float[Tensor, "... N N"], values: Float[Tensor, "R n o"]) -> Float[Tensor, " R"]:
    """Return √(vᵀ K⁻¹ v): the least kernel norm of all functions that take the values v at the points of K.

    It bounds the kernel norm of a network with these values from below, and rises with more points towards that
    norm, or without bound where the network's function is not in the space (a single ReLU neuron is not in that of
    `arc_cosine_kernel` for d > 1). Outputs count by the root of the sum of their squares. With the tangent kernel
    and v = f_t − f_0 it is the least ‖W_t − W_0‖_F with which the linearised network makes that change.

    Args:
        kernel: K on n points, (n, n) or one a replica, shared by the outputs (`arc_cosine_kernel`,
            `feature_kernel`), or (R, n·o, n·o) over points and outputs (`tangent_kernel`).
        values: v, one number a point and output, as an `FCN` returns them.

    Raises:
        ValueError: the kernel's size is neither n nor n·o, or it is singular to rounding: two points lie on one ray,
            too many opposite pairs are there, or more points than features. Take fewer points.

    Source: the representer theorem; Bach 2017 (a neuron has a finite path norm and no finite kernel norm).
    """
    if values.ndim != 3:
        raise ValueError(f"values must have shape (R, n, o), got {tuple(values.shape)}.")
    points, size = values.shape[1], kernel.shape[-1]
    if kernel.shape[-2] != size or size not in (points, values[0].numel()):
        raise ValueError(
            f"kernel must be square of size n = {points} or n·o = {values[0].numel()}, got {tuple(kernel.shape)}."
        )
    eigenvalues, axes = torch.linalg.eigh(kernel.double())
    floor = size * torch.finfo(torch.float64).eps * eigenvalues[..., -1]
    if bool((eigenvalues[..., 0] <= floor).any()):
        raise ValueError(
            "kernel must not be singular to rounding; take fewer points (no two on one ray, no more than "
            "features, few opposite pairs)."
        )
    columns = values.detach().double().reshape(len(values), size, -1)
    return torch.sqrt(((axes.mT @ columns).square() / eigenvalues.unsqueeze(-1)).sum(dim=(1, 2)))
