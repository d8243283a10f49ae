"""A convolutional ReLU network without biases, as a stack of independent replicas. The architecture is this book's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib import checks, initializers
from lib.columns import KERNEL, TAPS, columns, output_side, write_fold
from lib.convolutional_passes import ConvolutionalPasses
from lib.grouped_passes import GroupedPasses
from lib.networks import Scale
from lib.products import current, routed
from lib.seeds import check_seed, generator
from lib.stack import Passes, Stack

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

# A convolution halves the image as long as a side is longer than this.
SMALLEST_HALVED = 4
# Numbers a replica of the largest intermediate result of one pass: 2^20 float32 numbers, 4 MiB, are still memory that
# is used again; four times as many take up to twice as long, and a sixteenth too many calls.
_NUMBERS_AT_ONCE = 2**20


def stride_of(sides: Sequence[int]) -> int:
    """Return the stride of a convolution on an image of that height and width: 2 where both exceed 4, else 1."""
    return 2 if min(sides) > SMALLEST_HALVED else 1


def image_sides(image: tuple[int, int, int], depth: int) -> list[tuple[int, int]]:
    """Return height and width of the image and of what each of the L−1 convolutions makes of it."""
    sides = [image[1:]]
    for _ in range(depth - 1):
        stride = stride_of(sides[-1])
        sides.append((output_side(sides[-1][0], stride), output_side(sides[-1][1], stride)))
    return sides


def fans(width: int, depth: int, image: tuple[int, int, int], out_features: int) -> list[tuple[int, int]]:
    """Return (fan_in, fan_out) of each layer: 9·channels → m for a convolution, m·positions → o for the last one.

    Raises:
        ValueError: a size is out of range.
    """
    initializers.check_sizes(width, depth, 1, out_features)
    if len(image) != 3:
        raise ValueError(f"image must be (channels, height, width), got {image!r}.")
    checks.integers(channels=image[0], height=image[1], width=image[2])
    height, across = image_sides(image, depth)[-1]
    channels = [image[0], *[width] * (depth - 2)]
    return [*((TAPS * c, width) for c in channels), (width * height * across, out_features)]


def betas(
    width: int,
    depth: int,
    image: tuple[int, int, int],
    out_features: int,
    initializer: str | initializers.Initializer,
) -> tuple[float, ...]:
    """Return β_1..β_L: every layer has the standard deviation of a fully connected layer with as many inputs.

    The width in an initializer's β_1 is m, in its β 9m and in its β_L m times the positions of the last image.

    Raises:
        ValueError: a size is out of range, or the initializer is unknown.
    """
    law, layers = initializers.get(initializer), fans(width, depth, image, out_features)
    first = law.betas(width, 2, layers[0][0], out_features)[0]
    hidden = [law.betas(fan_in, 3, layers[0][0], out_features)[1] for fan_in, _ in layers[1:-1]]
    return (first, *hidden, law.betas(layers[-1][0], 2, layers[0][0], out_features)[-1])


class CNN(Stack):
    """Stack R replicas of L−1 bias-free 3×3 convolutions with ReLU and a linear layer on all that is left of the image.

    h_l = relu(W_l * h_{l-1}), f(x) = W_L vec(h_{L-1}) / α. Every convolution has m channels, one pixel of padding and
    stride 2 as long as the image's sides are longer than 4 (28 → 14 → 7 → 4 → 4 → 4): the width m is the number of
    channels. Points are images flattened with the channels first, as in `lib.data`. Seeds are those of `FCN`: replica r
    has the weights and the batch order of seed + r, whatever R is.

    Layer l is stored as `weights[l-1]` of shape (R, fan_in, fan_out); the rows of a convolution are (row, column,
    channel) of its kernel. relu'(0) = 0: where a patch is all zero (the black border of raw MNIST), f is not
    differentiable, and J is what autograd returns.

    Args:
        width: m, channels of each convolution.
        depth: L ≥ 2, layers of weights.
        image: (channels, height, width) of a point.
        out_features: o.
        initializer: a name or an `Initializer`; `betas` says what it means here.
        replicas, alpha, seed, dtype, device: as in `FCN`.

    Raises:
        ValueError: a size, α or the initializer is out of range.

    Source: ours; the network of Zhu et al. 2022, Appendix E, has not been seen.
    """

    settings = ("width", "depth", "image", "out_features", "alpha", "initializer")

    def __init__(
        self,
        width: int,
        depth: int,
        image: tuple[int, int, int],
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
        deviations = betas(width, depth, tuple(image), out_features, law)
        checks.integers(replicas=replicas)
        checks.positive(alpha=alpha)
        check_seed(seed)
        self.width, self.depth, self.image, self.out_features = width, depth, tuple(image), out_features
        self.replicas, self.alpha, self.initializer = replicas, float(alpha), law.name
        self.seeds = tuple(range(seed, seed + replicas))
        streams = [generator(s, "weights") for s in self.seeds]
        dtype = dtype or torch.get_default_dtype()
        self.weights = nn.ParameterList()
        for beta, shape in zip(deviations, fans(width, depth, self.image, out_features), strict=True):
            layer = torch.empty(replicas, *shape, dtype=dtype, device="cpu")
            for replica, stream in zip(layer, streams, strict=True):
                replica.copy_(beta * torch.randn(shape, generator=stream, dtype=torch.float64, device="cpu"))
            self.weights.append(nn.Parameter(layer.to(device or torch.get_default_device())))

    def extra_repr(self) -> str:
        return (
            f"width={self.width}, depth={self.depth}, image={self.image}, out_features={self.out_features}, "
            f"initializer={self.initializer!r}, replicas={self.replicas}, alpha={self.alpha}, seed={self.seeds[0]}"
        )

    def forward(self, x: Float[Tensor, "n d"] | Float[Tensor, "R n d"]) -> Float[Tensor, "R n o"]:
        """Return f(x) of every replica, on shared points or on points of its own."""
        # Unpacked: a slice of a ParameterList holds new parameters, and torch.func would see a network of constants.
        *_, last = self.weights

        def outputs(points: Tensor) -> Tensor:
            h = self._hidden(points)[-1]
            return (last.mT @ h.flatten(1, 3)).mT / self.alpha

        return self._in_parts(outputs, x, at_once=1)

    def signs(self, x: Float[Tensor, "n d"]) -> list[Bool[Tensor, "R n m h w"]]:
        """Return where each convolution's output is positive: the diagonals of D_1..D_{L-1}."""
        return [(h > 0).movedim(-1, 1) for h in self._hidden(self._points(x))]

    def jacobian(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "R n o d"]:
        """Return J(x), the derivative of f at each point."""
        with torch.no_grad():
            return self._in_parts(self._jacobian, x, at_once=self.out_features)

    def jacobian_gram(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "R n o o"]:
        """Return J(x) J(x)ᵀ in float64: the square of a deep non-lazy network's derivative leaves float32's range."""

        def gram(points: Tensor) -> Tensor:
            rows = self._jacobian(points)
            size = rows.abs().amax(dim=(1, 2, 3), keepdim=True)
            size = torch.where(size > 0, size, 1)
            return ((rows / size) @ rows.mT).double() * size.double()

        with torch.no_grad():
            return self._in_parts(gram, x, at_once=self.out_features)

    def _jacobian(self, points: Tensor) -> Tensor:
        *convolutions, last = self.weights
        activations = self._hidden(points)
        replicas, channels, height, width, n = activations[-1].shape
        # One row an output and point: (R, m, h, w, o, n), whose last two axes are the points of the way down.
        rows = (last / self.alpha).view(replicas, channels, height, width, self.out_features, 1)
        shapes = [(self.image[0], *self.image[1:]), *(h.shape[1:4] for h in activations[:-1])]
        for weight, h, shape in zip(reversed(convolutions), reversed(activations), reversed(shapes), strict=True):
            rows = (rows * (h > 0).unsqueeze(-2)).flatten(4).flatten(2)
            below = rows.new_empty(replicas, *shape, self.out_features * n)
            write_fold(weight @ rows, stride_of(shape[1:]), below)
            rows = below.unflatten(4, (self.out_features, n))
        return rows.flatten(1, 3).permute(0, 3, 2, 1)

    def _hidden(self, points: Float[Tensor, "R n d"]) -> list[Float[Tensor, "R m h w n"]]:
        """Return the activations of every convolution, points last."""
        *convolutions, _ = self.weights
        h = points.mT.unflatten(1, self.image)
        activations = []
        for weight in convolutions:
            sides = h.shape[2:4]
            stride = stride_of(sides)
            z = weight.mT @ columns(h, stride)
            h = torch.relu(z).unflatten(2, (*(output_side(side, stride) for side in sides), points.shape[1]))
            activations.append(h)
        return activations

    def _in_parts(self, compute: Callable[[Tensor], Tensor], x: Tensor, at_once: int) -> Tensor:
        """Compute on parts of the points, each small beside a cache; their sizes do not depend on the replicas."""
        largest = max(fan_in * h * w for (fan_in, _), (h, w) in zip(self._fans()[:-1], self._sides()[1:], strict=True))
        count = max(1, _NUMBERS_AT_ONCE // (at_once * largest))
        parts = [compute(part) for part in self._points(x).split(count, dim=1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _points(self, x: Tensor) -> Float[Tensor, "R n d"]:
        if x.ndim == 2 and x.shape[1] == self.in_features:
            return x.expand(self.replicas, *x.shape)
        if x.ndim == 3 and x.shape[::2] == (self.replicas, self.in_features):
            return x
        raise ValueError(
            f"x must have shape (n, {self.in_features}), images of {self.image} flattened, or ({self.replicas}, n, "
            f"{self.in_features}) with points of each replica's own, got {tuple(x.shape)}."
        )

    def _fans(self) -> list[tuple[int, int]]:
        return fans(self.width, self.depth, self.image, self.out_features)

    def _sides(self) -> list[tuple[int, int]]:
        return image_sides(self.image, self.depth)

    @property
    def in_features(self) -> int:
        """Return d, the numbers of an image."""
        return math.prod(self.image)

    @property
    def point_shape(self) -> tuple[int, ...]:
        """Return (d,)."""
        return (self.in_features,)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Return d, what a convolution keeps of a point (its patches, padded image and output), and o."""
        kept = []
        for (fan_in, fan_out), (before, after) in zip(self._fans()[:-1], pairwise(self._sides()), strict=True):
            padded = fan_in // TAPS * (before[0] + 2) * (before[1] + 2)
            kept.append((fan_in + fan_out) * math.prod(after) + padded)
        return (self.in_features, *kept, self.out_features)

    def passes(self, size: int, precision: str = "fp32") -> Passes:
        """Return what passes batches of so many points a replica forward and back through these weights.

        Raises:
            ValueError: the precision is not fp32.
        """
        checks.one_of(("fp32",), precision=precision)
        sides = self._sides()
        strides = [stride_of(before) for before in sides[:-1]]
        weights = [weight.detach() for weight in self.weights]
        direct = routed(weights[0]) and current().of_convolutions(self.width, self.depth) == "grouped"
        passes = GroupedPasses if direct else ConvolutionalPasses
        return passes(weights, self.alpha, self.image, sides, strides, size)

    def module(self, r: int = 0) -> nn.Sequential:
        """Return replica r as a plain `nn.Sequential` of copies of its weights, with equal outputs (n, d) -> (n, o)."""
        layers: list[nn.Module] = [nn.Unflatten(1, self.image)]
        *convolutions, last = (weight[r].detach() for weight in self.weights)
        for weight, sides in zip(convolutions, self._sides(), strict=False):
            kernel = weight.mT.unflatten(1, (KERNEL, KERNEL, -1)).permute(0, 3, 1, 2)
            made = {"bias": False, "dtype": weight.dtype, "device": weight.device}
            layer = nn.Conv2d(kernel.shape[1], self.width, KERNEL, stride=stride_of(sides), padding=1, **made)
            layer.weight = nn.Parameter(kernel.clone(memory_format=torch.contiguous_format))
            layers += [layer, nn.ReLU()]
        linear = nn.Linear(*last.shape, bias=False, dtype=last.dtype, device=last.device)
        linear.weight = nn.Parameter(last.mT.clone(memory_format=torch.contiguous_format))
        layers += [nn.Flatten(), linear, *([] if self.alpha == 1 else [Scale(1 / self.alpha)])]
        return nn.Sequential(*layers)
