"""Gradient flow of the squared loss, by steps that are as long as the network stays linear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from lib import checks
from lib.data import Dataset
from lib.networks import FCN
from lib.training.losses import prepare

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

# A step may grow or shrink by this much from one to the next; a refused one is at least halved.
_GROW, _SHRINK = 4.0, 0.1
# The step aims a little below what would be refused.
_SAFETY = 0.8
# What the prediction of the residual may miss, as a share of the residual.
_MISMATCH = 0.05


class FlowState(NamedTuple):
    """The replicas that still train, after one of their steps (chapter 06 draws trajectories from it).

    Attributes:
        replicas: their numbers in the stack, A of them.
        weights: their weights, L tensors (A, fan_in, fan_out); copy what is kept.
        time, loss: (A,) the time t of dW/dt = −∂loss/∂W, and the loss at it.
        kernel: (A, n, n) the tangent kernel on the training points.
    """

    replicas: tuple[int, ...]
    weights: list[Float[Tensor, "A fan_in fan_out"]]
    time: Float[Tensor, " A"]
    loss: Float[Tensor, " A"]
    kernel: Float[Tensor, "A n n"]


@dataclass(frozen=True)
class Flow:
    """How far every replica came, (R,) each.

    Attributes:
        time, loss, steps: at its end.
        reached: whether the loss reached `stop_at`.
    """

    time: Float[Tensor, " R"]
    loss: Float[Tensor, " R"]
    steps: Float[Tensor, " R"]
    reached: Bool[Tensor, " R"]


def gradient_flow(
    network: FCN,
    data: Dataset,
    stop_at: float = 1e-6,
    max_steps: int = 5000,
    tolerance: float = 0.05,
    observe: Callable[[FlowState], None] | None = None,
) -> Flow:
    """Train every replica in place along dW_l/dt = −∂/∂W_l (1/2n) Σ_i (f(x_i) − y_i)², one output.

    While the network stays linear in its weights, the residuals r obey dr/dt = −K r/n with the tangent kernel K, a
    linear equation in n numbers that is solved exactly. A step of length h is a midpoint rule around that: with the
    derivatives J of half a step, W ← W − Jᵀ c with c = (1/n) ∫_0^h e^{−Ks/n} r ds. Nothing in it is stiff, so h is
    limited only by how far the network is from linear: half a step's change of J may change the step by no more than
    `tolerance` times the norm of a layer, and r may miss its prediction by 5 % of itself. A step that breaks this is
    refused and done again with a shorter h. Every replica has its own h, so its result does not depend on the others.

    Args:
        network: the stack, with one output; float64 is advised.
        data: training points and float targets.
        stop_at: a replica stops at the first step whose loss is at or below this.
        max_steps: a replica that has not stopped after so many accepted steps is left as it is.
        tolerance: error that a step may add to a layer, as a share of the layer's norm, in (0, 1).
        observe: called with the replicas that took a step, before the first one and after each.

    Raises:
        ValueError: an option is out of range, the network has several outputs, or the data do not fit it.

    Source: the gradient flow of Luo et al. 2021 and Zhu et al. 2022; an exponential midpoint rule in the space of the
    outputs.
    """
    checks.positive(stop_at=stop_at)
    checks.within("(0, 1)", tolerance=tolerance)
    checks.integers(max_steps=max_steps)
    if network.out_features != 1:
        raise ValueError(f"network must have one output for gradient_flow, got {network.out_features}.")
    x, y = prepare(network, data, "squared")
    with torch.no_grad():
        return _Stack(network, x, y[:, 0], tolerance).run(stop_at, max_steps, observe)


class _Linear(NamedTuple):
    """A stack linearised at its weights: residuals, each layer's inputs and pulled-back signals, kernels a layer."""

    residual: Tensor  # (A, n)
    inputs: list[Tensor]  # L of (A, n, fan_in)
    signals: list[Tensor]  # L of (A, n, fan_out)
    kernels: Tensor  # (A, L, n, n)

    @property
    def kernel(self) -> Tensor:
        return self.kernels.sum(dim=1)

    @property
    def loss(self) -> Tensor:
        return self.residual.square().mean(dim=1) / 2

    def pull(self, c: Tensor) -> list[Tensor]:
        """Return Jᵀc, layer by layer."""
        return [h.mT @ (c.unsqueeze(-1) * s) for h, s in zip(self.inputs, self.signals, strict=True)]


class _Stack:
    """The replicas that still train, and what the next step needs of them."""

    def __init__(self, network: FCN, x: Tensor, y: Tensor, tolerance: float) -> None:
        self.network, self.x, self.y, self.alpha, self.tolerance = network, x, y, network.alpha, tolerance
        self.active = torch.arange(network.replicas)
        self.weights = [weight.detach().clone() for weight in network.weights]
        self.now = self._linearise(self.weights)
        zeros = torch.zeros(network.replicas, dtype=torch.float64)
        self.time, self.count, self.length = zeros.clone(), zeros.clone(), self._first_length()
        self.result = Flow(zeros.clone(), zeros.clone(), zeros.clone(), torch.zeros_like(zeros, dtype=torch.bool))

    def run(self, stop_at: float, max_steps: int, observe: Callable[[FlowState], None] | None) -> Flow:
        self._tell(observe, torch.ones(len(self.active), dtype=torch.bool))
        self._retire(stop_at, max_steps)
        refusals = 0
        while len(self.active):
            accepted = self._step()
            refusals = 0 if bool(accepted.any()) else refusals + 1
            self._tell(observe, accepted)
            # A replica whose step cannot shrink any further (not finite, or at a kink) is left as it is.
            self._retire(stop_at, max_steps, stuck=refusals > 60)
        return self.result

    def _step(self) -> Tensor:
        """Try one step of every active replica; return which of them took it."""
        start, h = self.now, self.length
        half = self._linearise(self._less(start.pull(self._impulse(start, h / 2))))
        impulse = self._impulse(half, h, start.residual)
        change = half.pull(impulse)
        weights = self._less(change)
        after = self._linearise(weights)
        predicted = start.residual - torch.einsum("aij,aj->ai", half.kernel, impulse)
        miss = torch.linalg.vector_norm(after.residual - predicted, dim=1)
        miss = miss / torch.linalg.vector_norm(start.residual, dim=1)
        # What the derivatives of half a step change in the step, as a share of the weights. At a kink of a ReLU it is
        # of first order in h and so goes to 0 as well; a change of the derivatives themselves would not.
        straight = start.pull(impulse)
        bend = torch.stack([_norm(c - s) / _norm(w) for c, s, w in zip(change, straight, self.weights, strict=True)])
        excess = torch.maximum((bend.amax(dim=0) / self.tolerance).sqrt(), (miss / _MISMATCH).pow(1 / 3))
        excess = excess.nan_to_num(nan=torch.inf)
        accepted = excess <= 1
        self.time = torch.where(accepted, self.time + h, self.time)
        self.count += accepted
        self.length = h * (_SAFETY / excess).clamp(_SHRINK, _GROW).double()
        if bool(accepted.all()):
            self.weights, self.now = weights, after
        elif bool(accepted.any()):
            for old, new in zip(self._state(self.weights, start), self._state(weights, after), strict=True):
                old[accepted] = new[accepted]
        return accepted

    def _linearise(self, weights: list[Tensor]) -> _Linear:
        h = self.x.expand(len(weights[0]), -1, -1)
        inputs, gates = [h], []
        for weight in weights[:-1]:
            h = (h @ weight).clamp_(min=0)
            inputs.append(h)
            gates.append(h > 0)
        residual = (h @ weights[-1])[..., 0] / self.alpha - self.y
        signals = [torch.full_like(residual.unsqueeze(-1), 1 / self.alpha)]
        for weight, gate in zip(reversed(weights[1:]), reversed(gates), strict=True):
            signals.insert(0, (signals[0] @ weight.mT) * gate)
        pairs = zip(inputs, signals, strict=True)
        kernels = torch.stack([(h @ h.mT) * (s @ s.mT) for h, s in pairs], dim=1)
        return _Linear(residual, inputs, signals, kernels)

    def _impulse(self, at: _Linear, h: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return c = (1/n) ∫_0^h e^{−Ks/n} r ds, with K at a point and r there or given."""
        residual = at.residual if residual is None else residual
        values, vectors = torch.linalg.eigh(at.kernel)
        values, n = values.clamp_min(0), len(self.y)
        exponent = values * (h.to(values) / n).unsqueeze(1)
        # (1 − e^{−z})/z, which is 1 at z = 0
        share = torch.where(exponent > 1e-8, -torch.expm1(-exponent) / exponent.clamp_min(1e-300), 1.0)
        weight = share * (h.to(values) / n).unsqueeze(1)
        return (vectors @ (weight * (vectors.mT @ residual.unsqueeze(-1))[..., 0]).unsqueeze(-1))[..., 0]

    def _less(self, change: list[Tensor]) -> list[Tensor]:
        return [weight - part for weight, part in zip(self.weights, change, strict=True)]

    def _first_length(self) -> Tensor:
        """Return the time in which, at the initial speed, a layer would move by `tolerance` of its norm."""
        velocity = self.now.pull(self.now.residual / len(self.y))
        ratios = [_norm(w) / _norm(v).clamp_min(1e-300) for w, v in zip(self.weights, velocity, strict=True)]
        return self.tolerance * torch.stack(ratios).amin(dim=0).double().clamp(1e-300, 1e300)

    def _tell(self, observe: Callable[[FlowState], None] | None, moved: Tensor) -> None:
        if observe is None or not bool(moved.any()):
            return
        pick = slice(None) if bool(moved.all()) else moved
        state = (self.time[pick], self.now.loss[pick].double(), self.now.kernel[pick])
        observe(FlowState(tuple(self.active[pick].tolist()), [w[pick] for w in self.weights], *state))

    def _retire(self, stop_at: float, max_steps: int, stuck: bool = False) -> None:
        """Put replicas that are done back into the network and go on without them."""
        reached = self.now.loss.double() <= stop_at
        done = reached | (self.count >= max_steps) | stuck
        if not bool(done.any()):
            return
        rows = self.active[done]
        for layer, weight in zip(self.network.weights, self.weights, strict=True):
            layer[rows] = weight[done]
        ends = (self.time, self.now.loss.double(), self.count, reached)
        result = (self.result.time, self.result.loss, self.result.steps, self.result.reached)
        for whole, part in zip(result, ends, strict=True):
            whole[rows] = part[done]
        left = ~done
        self.active, self.time, self.count, self.length = (
            t[left] for t in (self.active, self.time, self.count, self.length)
        )
        self.weights = [weight[left] for weight in self.weights]
        self.now = _Linear(
            self.now.residual[left],
            [h[left] for h in self.now.inputs],
            [s[left] for s in self.now.signals],
            self.now.kernels[left],
        )

    @staticmethod
    def _state(weights: list[Tensor], at: _Linear) -> list[Tensor]:
        """Return all tensors of a state, to overwrite some replicas of them; the points themselves never change."""
        return [*weights, at.residual, *at.inputs[1:], *at.signals[:-1], at.kernels]


def _norm(tensor: Tensor) -> Tensor:
    """Return the Frobenius norm of each replica's matrix."""
    return tensor.flatten(1).norm(dim=1)
