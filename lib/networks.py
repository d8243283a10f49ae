"""The fully connected ReLU network of Eq. (2), as a stack of independent replicas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib import checks, initializers
from lib.passes import FullyConnectedPasses
from lib.products import product, refuse_precision
from lib.reduced_passes import ReducedPasses
from lib.seeds import check_seed, generator
from lib.stack import Passes, Stack

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor


class Scale(nn.Module):
    """Multiply by a constant: the factor 1/α of Eq. (2) in a plain `nn.Sequential`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class FCN(Stack):
    """Stack R replicas of the bias-free ReLU network h_l = relu(W_l h_{l-1}), f(x) = W_L h_{L-1} / α.

    Replica r has the weights and the batch order of seed + r, whatever R is. Row vectors are used throughout, so
    layer l is stored as `weights[l-1]` of shape (R, fan_in, fan_out), the transpose of the paper's W_l.

    Args:
        width: m, neurons of each hidden layer.
        depth: L ≥ 2, layers of weights.
        in_features: d.
        out_features: o.
        initializer: a name or an `Initializer` (see `lib.initializers.get`).
        replicas: R.
        alpha: α > 0, the scaling factor of Eq. (2).
        seed: seed of the first replica.
        dtype: floating type; torch's default when None. Weights are drawn in float64 and rounded.
        device: where the weights live; the numbers do not depend on it.

    Raises:
        ValueError: a size, α or the initializer is out of range.

    Source: Zhu et al. 2022, §3.1, Eq. (2).
    """

    settings = ("width", "depth", "in_features", "out_features", "alpha", "initializer")

    def __init__(
        self,
        width: int,
        depth: int,
        in_features: int,
        out_features: int,
        initializer: str | initializers.Initializer = "he",
        replicas: int = 1,
        alpha: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        law = initializers.get(initializer)
        betas = law.betas(width, depth, in_features, out_features)
        checks.integers(replicas=replicas)
        checks.positive(alpha=alpha)
        self.width, self.depth = width, depth
        self.in_features, self.out_features = in_features, out_features
        self.replicas, self.alpha, self.initializer = replicas, float(alpha), law.name
        check_seed(seed)
        self.seeds = tuple(range(seed, seed + replicas))
        streams = [generator(s, "weights") for s in self.seeds]
        fans = [in_features, *[width] * (depth - 1), out_features]
        dtype = dtype or torch.get_default_dtype()
        self.weights = nn.ParameterList()
        for beta, fan_in, fan_out in zip(betas, fans[:-1], fans[1:], strict=True):
            layer = torch.empty(replicas, fan_in, fan_out, dtype=dtype, device="cpu")
            for replica, stream in zip(layer, streams, strict=True):
                replica.copy_(beta * torch.randn(fan_in, fan_out, generator=stream, dtype=torch.float64, device="cpu"))
            self.weights.append(nn.Parameter(layer.to(device or torch.get_default_device())))

    def extra_repr(self) -> str:
        return (
            f"width={self.width}, depth={self.depth}, in_features={self.in_features}, "
            f"out_features={self.out_features}, initializer={self.initializer!r}, replicas={self.replicas}, "
            f"alpha={self.alpha}, seed={self.seeds[0]}"
        )

    def forward(self, x: Float[Tensor, "n d"] | Float[Tensor, "R n d"]) -> Float[Tensor, "R n o"]:
        """Return f(x) of every replica, on shared points or on points of its own."""
        h = self._input(x)
        # Unpacked: a slice of a ParameterList holds new parameters, and torch.func would see a network of constants.
        *hidden, last = self.weights
        for weight in hidden:
            h = torch.relu(product("forward", h, weight))
        return product("forward", h, last) / self.alpha

    def signs(self, x: Float[Tensor, "n d"] | Float[Tensor, "R n d"]) -> list[Bool[Tensor, "R n m"]]:
        """Return the diagonals of D_{i,1}..D_{i,L-1}: 1 where (W_l h_{i,l-1})_k ≥ 0 (Definition 2; chapter 01)."""
        return self._gates(x)[0]

    def jacobian(self, x: Float[Tensor, "n d"] | Float[Tensor, "R n d"]) -> Float[Tensor, "R n o d"]:
        """Return J(x) = W_L D_{L-1} W_{L-1} ... D_1 W_1 / α, the derivative of f at each point (chapter 02)."""
        return _rows_times(self._pull_back(x), self.weights[0].mT)

    def jacobian_gram(self, x: Float[Tensor, "n d"] | Float[Tensor, "R n d"]) -> Float[Tensor, "R n o o"]:
        """Return J(x) J(x)ᵀ without forming J where that is cheaper.

        With J = A W_1 (A of shape (o, m)), J Jᵀ = A (W_1 W_1ᵀ) Aᵀ needs m² instead of m·d multiplications a row. The
        result is in float64: the square of a deep non-lazy network's derivative leaves float32's range.
        """
        pulled, first = self._pull_back(x), self.weights[0]
        size = pulled.abs().amax(dim=(1, 2, 3), keepdim=True)  # a twentieth of the time of the ∞-norm
        size = torch.where(size > 0, size, 1)
        if self.width >= self.in_features:
            jacobian = _rows_times(pulled, first.mT)
            gram = (jacobian / size) @ jacobian.mT
        else:
            gram = _rows_times(pulled, first.mT @ first / size.squeeze(1)) @ pulled.mT
        return gram.double() * size.double()

    def _gates(self, x: Tensor) -> tuple[list[Bool[Tensor, "R n m"]], Float[Tensor, "R n m"]]:
        """Return the signs of every layer, and the last hidden activations."""
        signs, h = [], self._input(x)
        *hidden, _ = self.weights
        for weight in hidden:
            h = product("forward", h, weight)
            signs.append(h >= 0)
            h = torch.relu(h)
        return signs, h

    def _pull_back(self, x: Tensor) -> Float[Tensor, "R n o m"]:
        """Return A with J = A W_1: the derivative of f in the first layer's pre-activations; NaN where h is."""
        signs, h = self._gates(x)
        _, *hidden, last = self.weights
        pulled = (last.mT.contiguous() / self.alpha).unsqueeze(1) * signs[-1].unsqueeze(2)
        for weight, sign in zip(reversed(hidden), reversed(signs[:-1]), strict=True):
            pulled = _rows_times(pulled, weight.mT).mul_(sign.unsqueeze(2))
        # What left the range of the type (∞ − ∞) has no gates, where comparing says that they are closed.
        lost = h.isnan().any(dim=2)
        return pulled.masked_fill(lost[..., None, None], torch.nan) if bool(lost.any()) else pulled

    def _input(self, x: Tensor) -> Tensor:
        if x.ndim == 2 and x.shape[1] == self.in_features:
            return x.expand(self.replicas, *x.shape)
        if x.ndim == 3 and x.shape[::2] == (self.replicas, self.in_features):
            return x
        raise ValueError(
            f"x must have shape (n, {self.in_features}), or ({self.replicas}, n, {self.in_features}) with points of "
            f"each replica's own, got {tuple(x.shape)}."
        )

    @property
    def point_shape(self) -> tuple[int, ...]:
        """Return (d,)."""
        return (self.in_features,)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Return (d, m, ..., m, o)."""
        return (self.in_features, *[self.width] * (self.depth - 1), self.out_features)

    def passes(self, size: int, precision: str = "fp32") -> Passes:
        """Return what passes batches of so many points a replica forward and back through these weights.

        Raises:
            ValueError: the precision is unknown or refused (see `lib.products.refuse_precision`).
        """
        refuse_precision(precision, self.layer_sizes[1:-1], self.weights[0].device)
        weights = [weight.detach() for weight in self.weights]
        if precision == "fp32":
            return FullyConnectedPasses(weights, self.alpha, size)
        if weights[0].dtype is not torch.float32:
            raise ValueError(f"network must be in float32 to be trained in bf16, got {weights[0].dtype}.")
        return ReducedPasses(weights, self.alpha, size)

    def module(self, r: int = 0) -> nn.Sequential:
        """Return replica r as a plain `nn.Sequential` of copies of its weights, with equal outputs (n, d) -> (n, o)."""
        layers: list[nn.Module] = []
        for weight in self.weights:
            linear = nn.Linear(weight.shape[1], weight.shape[2], bias=False, dtype=weight.dtype, device=weight.device)
            linear.weight = nn.Parameter(weight[r].detach().mT.clone(memory_format=torch.contiguous_format))
            layers += [linear, nn.ReLU()]
        layers[-1:] = [] if self.alpha == 1 else [Scale(1 / self.alpha)]
        return nn.Sequential(*layers)

    @classmethod
    def from_modules(cls, modules: Sequence[nn.Sequential], seed: int = 0) -> FCN:
        """Stack plain networks of equal shape, the inverse of `module`; seed gives the batch order.

        Raises:
            ValueError: a module is not Linear (bias-free), ReLU, ..., Linear[, Scale] with one width, or shapes differ.
        """
        if not modules:
            raise ValueError("modules must hold at least one nn.Sequential, got none.")
        parsed = [_parse(module) for module in modules]
        shapes = {(tuple(w.shape for w in weights), alpha) for weights, alpha in parsed}
        if len(shapes) > 1:
            raise ValueError(f"modules must all have the same shapes and scale, got {len(shapes)} different ones.")
        weights, alpha = parsed[0]
        hidden = {w.shape[0] for w in weights[:-1]}
        if len(hidden) != 1:
            raise ValueError(f"modules must have one hidden width, got {sorted(hidden)}.")
        network = cls(
            hidden.pop(),
            len(weights),
            weights[0].shape[1],
            weights[-1].shape[0],
            replicas=len(modules),
            alpha=alpha,
            seed=seed,
            dtype=weights[0].dtype,
            device=weights[0].device,
        )
        network.initializer = "given"
        with torch.no_grad():
            for layer, stack in enumerate(network.weights):
                stack.copy_(torch.stack([weights[layer].mT for weights, _ in parsed]))
        return network


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode and give every submodule its own mode back afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _rows_times(rows: Float[Tensor, "R n o a"], matrix: Float[Tensor, "R a b"]) -> Float[Tensor, "R n o b"]:
    """Multiply every point's rows by its replica's matrix, as one product a replica.

    Broadcasting the matrix over the points instead would copy it once a point where R > 1.
    """
    return product("down", rows.flatten(1, 2), matrix).unflatten(1, rows.shape[1:3])


def _parse(module: nn.Sequential) -> tuple[list[Tensor], float]:
    """Return the weights (fan_out, fan_in) and α of a plain bias-free ReLU network."""
    layers = list(module)
    alpha = 1 / layers.pop().factor if layers and isinstance(layers[-1], Scale) else 1.0
    linear = layers[::2]
    fits = len(layers) >= 3 and len(layers) % 2 == 1
    fits = fits and all(isinstance(layer, nn.Linear) and layer.bias is None for layer in linear)
    if not (fits and all(isinstance(layer, nn.ReLU) for layer in layers[1::2])):
        raise ValueError(
            "modules must be nn.Sequential(Linear(bias=False), ReLU, ..., Linear(bias=False)[, Scale]); "
            f"got {[type(layer).__name__ for layer in module]}."
        )
    return [layer.weight.detach() for layer in linear], alpha
