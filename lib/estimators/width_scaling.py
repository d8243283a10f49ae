"""How output and derivative of a freshly initialized stack grow with its width: a check of any parameterization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from lib import checks
from lib.estimators.spectrum import jacobian_spectrum, outputs
from lib.stack import Stack

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class WidthScaling(NamedTuple):
    """Exponents of the width, (2,) each: of the mean of ‖f(x)‖² and of the mean of ‖J(x)‖_F².

    Attributes:
        exponent: the least-squares slope of the mean's logarithm on the logarithm of the width.
        standard_error: from the spread over replicas.
    """

    exponent: Float[Tensor, " 2"]
    standard_error: Float[Tensor, " 2"]


def width_scaling(build: Callable[[int], Stack], widths: Sequence[int], x: Float[Tensor, "n ..."]) -> WidthScaling:
    """Return with which power of the width a network's output and derivative grow at initialization.

    A parameterization that keeps signals of order 1 has exponents 0. Means are over replicas, which are independent,
    and over points; what theory predicts exactly are these second moments.

    Args:
        build: makes a stack of a width, of at least two replicas.
        widths: two or more.
        x: points.

    Raises:
        ValueError: there are fewer than two widths or replicas.

    Source: the coordinate check of Yang et al. 2022 (arXiv:2203.03466), App. D.1, at time 0.
    """
    if len(set(widths)) < 2:
        raise ValueError(f"widths must be two or more different ones, got {list(widths)!r}.")
    logs, variances = [], []
    for width in widths:
        network = build(width)
        checks.integers(least=2, replicas=network.replicas)
        squares = torch.stack(
            [
                outputs(network, x).double().square().sum(dim=-1).mean(dim=1),
                jacobian_spectrum(network, x).sum(dim=-1).mean(dim=1),
            ]
        )
        mean = squares.mean(dim=1)
        logs.append(mean.log())
        variances.append(squares.var(dim=1) / network.replicas / mean.square())
    axis = torch.tensor(widths, dtype=torch.float64).log()
    weights = (axis - axis.mean()) / (axis - axis.mean()).square().sum()
    return WidthScaling(weights @ torch.stack(logs).cpu(), (weights.square() @ torch.stack(variances).cpu()).sqrt())
