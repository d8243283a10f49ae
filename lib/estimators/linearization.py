"""How far a network has left its linearisation in the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.estimators.laziness import Initial
from lib.estimators.measuring import measured
from lib.estimators.weights import Weights, copies

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def linearization_error(network: nn.Module, initial: Initial, x: Float[Tensor, "n ..."]) -> Float[Tensor, " R"]:
    """Return ‖f_t − f_lin‖ / ‖f_t − f_0‖ over the points: the part of the learned change that is not linear.

    f_lin(x) = f_0(x) + ∂f_0/∂W (x) · (W_t − W_0) is the first-order expansion at the initial weights, evaluated at
    the present ones; each norm is the root of the sum of squares over the n points and o outputs. 0 is perfectly lazy
    training, and the ratio is of order 1 where the linearisation says nothing about the network. It is computed in
    float64, because a lazy network's error is a small difference of large outputs, and it is NaN where no output
    changed.

    Args:
        network: the network at time t, a `Stack` (R replicas) or any module that maps (n, ...) to (n, o) (R = 1);
            measured in eval mode and left as it was.
        initial: a copy of its `state_dict()` at time 0, or of all its parameters in their order (a stack's
            `weights`). Buffers, such as running statistics, count at time 0 with the values that a `state_dict` holds.
        x: n points.

    Raises:
        ValueError: x is empty or has no derivatives, or the network does not map (n, ...) to (n, o), does not run in
            float64, lets the points of a batch interact, has no parameters, or autograd cannot follow them to the
            outputs; or the initial weights do not fit it or share its memory.

    Source: Chizat, Oyallon and Bach 2019, §1 (the tangent model).
    """
    before = copies(network)
    with measured(network, x, moved=True) as subject:
        weights = Weights(subject, x.detach())
        start = weights.initial(initial, before)
        if not weights.exact:
            raise ValueError("network must run in float64 for its linearisation; let it compute in the type of x.")
        direction = {name: weights.present[name] - start[name] for name in before}
        x, missed, changed = x.detach().double(), 0.0, 0.0
        if subject.lead == 1:
            weights.place(start)
            weights.check(x, direction)
        for part in x.split(subject.points_at_once()):
            weights.place(start)
            f_0, slope = weights.along(part, direction)
            weights.place(weights.present)
            change = subject.values(part) - f_0
            missed = missed + _squares(change - slope)
            changed = changed + _squares(change)
    return torch.sqrt(missed / changed)


def _squares(values: Float[Tensor, "R n o"]) -> Float[Tensor, " R"]:
    return values.detach().square().sum(dim=(1, 2))
