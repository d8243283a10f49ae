"""How far a network has left its linearisation in the weights, and how far its tangent kernel has moved."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.laziness import Initial, at_start
from lib.estimators.spectrum import evaluating, outputs
from lib.networks import FCN

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Parameters = dict[str, "Tensor"]

# Numbers of one chunk: 2^24 float64 numbers are 128 MiB.
_CHUNK_NUMBERS = 2**24


def linearization_error(network: nn.Module, initial: Initial, x: Float[Tensor, "n ..."]) -> Float[Tensor, " R"]:
    """Return ‖f_t − f_lin‖ / ‖f_t − f_0‖ over the points: the part of the learned change that is not linear.

    f_lin(x) = f_0(x) + ∂f_0/∂W (x) · (W_t − W_0) is the first-order expansion at the initial weights, evaluated at
    the present ones; each norm is the root of the sum of squares over the n points and o outputs. 0 is perfectly lazy
    training, and the ratio is of order 1 where the linearisation says nothing about the network. It is computed in
    float64, because a lazy network's error is a small difference of large outputs, and it is NaN where no output
    changed.

    Args:
        network: the network at time t, an `FCN` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1);
            measured in eval mode.
        initial: a copy of its `state_dict()` at time 0, or of all its parameters in their order (an `FCN`'s
            `weights`). Buffers, such as running statistics, count at time 0 with the values that a `state_dict` holds.
        x: n points.

    Raises:
        ValueError: x is empty, the network does not map (n, ...) to (n, o), or the initial weights do not fit it or
            share its memory.

    Source: Chizat, Oyallon and Bach 2019, §1 (the tangent model). Used by: chapter 06.
    """
    outputs(network, x[:1])  # refuses what is no network of this shape, before anything expensive
    present = _double(network.named_parameters())
    start = _start(network, initial)
    buffers, then = _double(network.named_buffers()), _buffers_at_start(network, initial)
    direction = {name: present[name] - start[name] for name in start}
    missed, changed = 0.0, 0.0
    with torch.no_grad(), evaluating(network):
        for part in x.double().split(_points_at_once(network, x)):
            f_0, slope = _along(_function(network, then, part), start, direction)
            change = _function(network, buffers, part)(present) - f_0
            missed = missed + _squares(change - slope)
            changed = changed + _squares(change)
    return torch.sqrt(missed / changed)


def tangent_kernel(network: nn.Module, x: Float[Tensor, "n ..."]) -> Float[Tensor, "R no no"]:
    """Return the empirical tangent kernel Θ = (∂f/∂W)(∂f/∂W)ᵀ over all parameters; row i·o + k is f_k(x_i).

    For an `FCN`, with h_l the activations and s_l = ∂f/∂(W_l h_{l-1}) the backward signals of every output, it is

        Θ[(i,k), (j,k')] = Σ_l ⟨h_{l-1,i}, h_{l-1,j}⟩ ⟨s_{l,ik}, s_{l,jk'}⟩,

    so no derivative of one example in all the weights is ever formed. For other modules column (j,k') is the
    derivative of f along the gradient of f_k'(x_j). The weights count as they are (the kernel that plain gradient
    descent follows); a parametrisation with explicit factors 1/√m has another kernel. In float64.

    Args:
        network: an `FCN` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1); measured in eval mode.
        x: n points. The result holds R (n·o)² numbers.

    Raises:
        ValueError: x is empty or the network does not map (n, ...) to (n, o).

    Source: Jacot, Gabriel and Hongler 2018, §4. Used by: chapter 06.
    """
    return _kernel(network, _double(network.named_parameters()), _double(network.named_buffers()), x)


def kernel_drift(network: nn.Module, initial: Initial, x: Float[Tensor, "n ..."]) -> Float[Tensor, " R"]:
    """Return ‖Θ_t − Θ_0‖_F / ‖Θ_0‖_F, the relative change of the tangent kernel on the points since time 0.

    Lazy training keeps the kernel: for a wide network that learns a fixed change lazily the drift falls with the width,
    as m^{-1/2} or faster. It is NaN where Θ_0 is zero. Arguments and errors are those of `linearization_error`.

    Source: Jacot, Gabriel and Hongler 2018, Theorem 2 (no drift as m → ∞). Used by: chapter 06.
    """
    start = _kernel(network, _start(network, initial), _buffers_at_start(network, initial), x)
    drift = torch.linalg.vector_norm(tangent_kernel(network, x) - start, dim=(1, 2))
    return drift / torch.linalg.vector_norm(start, dim=(1, 2))


def _kernel(network: nn.Module, parameters: Parameters, buffers: Parameters, x: Tensor) -> Tensor:
    out_features = outputs(network, x[:1]).shape[-1]  # refuses what is no network of this shape
    if isinstance(network, FCN):
        return _layerwise_kernel(list(parameters.values()), network.alpha, x.double())
    function = _function(network, buffers, x.double())
    with evaluating(network):
        _, pull_back = torch.func.vjp(function, parameters)

        def column(cotangent: Tensor) -> Tensor:
            return _along(function, parameters, *pull_back(cotangent))[1]

        rows = len(x) * out_features
        basis = torch.eye(rows, dtype=torch.float64, device=x.device).view(rows, 1, len(x), out_features)
        chunk = max(1, _CHUNK_NUMBERS // sum(p.numel() for p in parameters.values()))
        columns = torch.func.vmap(column, chunk_size=chunk)(basis)
    return columns.detach().view(1, rows, rows).mT


def _layerwise_kernel(weights: Sequence[Tensor], alpha: float, x: Float[Tensor, "n d"]) -> Tensor:
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


def _function(network: nn.Module, buffers: Parameters, x: Tensor) -> Callable[[Parameters], Float[Tensor, "R n o"]]:
    """Return the map from parameters to f(x), with a leading axis of replicas."""

    def function(parameters: Parameters) -> Tensor:
        y = torch.func.functional_call(network, (parameters, buffers), (x,))
        return y if isinstance(network, FCN) else y.unsqueeze(0)

    return function


def _along(function: Callable, parameters: Parameters, direction: Parameters) -> tuple[Tensor, Tensor]:
    """Return f and its derivative along a direction of the parameters, in forward mode."""
    with warnings.catch_warnings():
        # At its first use torch compiles some rules by a function of its own that it calls deprecated.
        warnings.filterwarnings("ignore", message=r".torch\.jit\.script", category=DeprecationWarning)
        return torch.func.jvp(function, (parameters,), (direction,))


def _start(network: nn.Module, initial: Initial) -> Parameters:
    named = [(name, parameter.detach()) for name, parameter in network.named_parameters()]
    return _double(zip([name for name, _ in named], at_start(initial, named), strict=True))


def _buffers_at_start(network: nn.Module, initial: Initial) -> Parameters:
    known = initial if isinstance(initial, Mapping) else {}
    return _double((name, known.get(name, buffer).to(buffer)) for name, buffer in network.named_buffers())


def _double(named: Iterable[tuple[str, Tensor]]) -> Parameters:
    """Return tensors by name, detached; floating ones in float64, counters as they are."""
    return {name: t.detach().double() if t.is_floating_point() else t.detach() for name, t in named}


def _squares(values: Float[Tensor, "R n o"]) -> Float[Tensor, " R"]:
    return values.square().sum(dim=(1, 2))


def _points_at_once(network: nn.Module, x: Tensor) -> int:
    """Return how many points keep an `FCN`'s activations within a chunk; other modules take them all at once."""
    return max(1, _CHUNK_NUMBERS // (network.replicas * network.width)) if isinstance(network, FCN) else len(x)
