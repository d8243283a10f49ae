"""The empirical tangent kernel, and how far it has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.laziness import Initial
from lib.estimators.measuring import alpha_of, measured
from lib.estimators.weights import Tensors, Weights, copies

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# Numbers of one block of derivatives in the weights: 2^25 float64 numbers are 256 MiB.
_BLOCK_NUMBERS = 2**25


def tangent_kernel(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R no no"]:
    """Return the empirical tangent kernel Θ = (∂f/∂W)(∂f/∂W)ᵀ over all parameters; row i·o + k is f_k(x_i).

    For an `FCN`, with h_l the activations and s_l = ∂f/∂(W_l h_{l-1}) the backward signals of every output, it is

        Θ[(i,k), (j,k')] = Σ_l ⟨h_{l-1,i}, h_{l-1,j}⟩ ⟨s_{l,ik}, s_{l,jk'}⟩,

    so no derivative of one example in all the weights is ever formed. For other networks the derivatives are taken one
    after another, and as many are kept as fit into memory. The weights count as they are, frozen ones too (the kernel
    that plain gradient descent follows); a parametrisation with explicit factors 1/√m has another kernel. In float64.

    Args:
        network: a `Stack` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1); measured in eval mode, in
            float64 if it runs like that, and left as it was.
        x: n points. The result holds R (n·o)² numbers.

    Raises:
        ValueError: x is empty or has no derivatives, or the network does not map (n, ...) to (n, o), lets the points
            of a batch interact, has no parameters, or autograd cannot follow them to the outputs.

    Source: Jacot, Gabriel and Hongler 2018, §4.
    """
    with measured(network, x, moved=True) as subject:
        weights = Weights(subject, x.detach())
        return _kernel(weights, weights.present, x.detach())


def kernel_drift(network: nn.Module, initial: Initial, x: Float[Tensor, "n ..."]) -> Float[Tensor, " R"]:
    """Return ‖Θ_t − Θ_0‖_F / ‖Θ_0‖_F, the relative change of the tangent kernel on the points since time 0.

    Lazy training keeps the kernel: for a wide network that learns a fixed change lazily the drift falls with the width,
    as m^{-1/2} or faster. It is NaN where Θ_0 is zero. Arguments are those of `linearization_error`.

    Raises:
        ValueError: as `tangent_kernel`, or the initial weights do not fit the network or share its memory.

    Source: Jacot, Gabriel and Hongler 2018, Theorem 2 (no drift as m → ∞).
    """
    before = copies(network)
    with measured(network, x, moved=True) as subject:
        weights = Weights(subject, x.detach())
        start = _kernel(weights, weights.initial(initial, before), x.detach())
        drift = torch.linalg.vector_norm(_kernel(weights, weights.present, x.detach()) - start, dim=(1, 2))
    return drift / torch.linalg.vector_norm(start, dim=(1, 2))


def _kernel(weights: Weights, values: Tensors, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R no no"]:
    subject, x = weights.subject, x.double() if weights.exact else x
    weights.place(values)
    alpha = alpha_of(subject.network)
    if alpha is not None:
        return _layerwise([weight.detach() for weight in subject.network.weights], alpha, x)
    numbers = sum(tensor.numel() for tensor in subject.network.parameters())
    if subject.lead == 1:
        stream = torch.Generator().manual_seed(0)
        named = list(subject.network.named_parameters())
        factors = {name: 0.5 + torch.rand(p.shape, generator=stream, device="cpu") for name, p in named}
        weights.check(x, {name: factor.to(values[name]) * values[name] for name, factor in factors.items()})
    count = subject.values(x[:1]).shape[-1]
    size, block = len(x) * count, max(1, _BLOCK_NUMBERS // numbers)
    kernel = x.new_empty(subject.replicas, size, size, dtype=torch.float64)
    for low in range(0, size, block):
        here = slice(low, low + block)
        rows = _rows(weights, x, range(size)[here], count)
        kernel[:, here, here] = rows @ rows.mT
        for other in range(low + block, size, block):
            there = slice(other, other + block)
            kernel[:, here, there] = rows @ _rows(weights, x, range(size)[there], count).mT
            kernel[:, there, here] = kernel[:, here, there].mT
    return kernel


def _rows(weights: Weights, x: Tensor, which: range, count: int) -> Float[Tensor, "R b P"]:
    """Return the derivatives of f_k(x_i) in all weights for some i·o + k in a row, in float64."""
    rows, at = [], which.start
    while at < which.stop:
        i, k = divmod(at, count)
        last = min(count, k + which.stop - at)
        rows.append(weights.rows(x[i : i + 1], range(k, last)).double())
        at += last - k
    return torch.cat(rows, dim=1)


def _layerwise(weights: Sequence[Tensor], alpha: float, x: Float[Tensor, "n d"]) -> Float[Tensor, "R no no"]:
    """Return Σ_l (h_{l-1} h_{l-1}ᵀ) ⊙ (s_l s_lᵀ), every entry of the first a block of o × o."""
    activations, signs = [x.expand(len(weights[0]), *x.shape)], []
    for weight in weights[:-1]:
        h = activations[-1] @ weight
        signs.append(h >= 0)
        activations.append(torch.relu(h))
    replicas, points, out_features = len(weights[0]), len(x), weights[-1].shape[-1]
    signal = torch.eye(out_features, dtype=x.dtype, device=x.device).expand(replicas, points, -1, -1) / alpha
    kernel = 0.0
    for layer in reversed(range(len(weights))):
        h, s = activations[layer], signal.flatten(1, 2)
        blocks = (s @ s.mT).view(replicas, points, out_features, points, out_features)
        kernel = kernel + (h @ h.mT).view(replicas, points, 1, points, 1) * blocks
        if layer:
            signal = (s @ weights[layer].mT).view(replicas, points, out_features, -1) * signs[layer - 1].unsqueeze(2)
    return kernel.flatten(3, 4).flatten(1, 2)
