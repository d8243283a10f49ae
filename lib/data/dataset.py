"""What a network is trained and measured on: points, targets and, if there is one, a test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Points x with class labels or regression targets y, and optionally a test set of the same kind.

    Attributes:
        x: (n, d), floating point, finite; flatten images first (`x.flatten(1)`).
        y: class labels 0, 1, ... as int64 (n,), or floating-point targets (n,) or (n, o).
        x_test, y_test: a test set of the same d, dtype and kind of target, or neither.
        classes: number of classes; by default the largest label of y and y_test plus 1. None for regression.

    Raises:
        TypeError: x or y is no tensor, or has a dtype of another kind.
        ValueError: a shape, a length, a label or a value does not fit.
    """

    x: Float[Tensor, "n d"]
    y: Shaped[Tensor, "n ..."]
    x_test: Float[Tensor, "n_test d"] | None = None
    y_test: Shaped[Tensor, "n_test ..."] | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        _check_points("x", self.x)
        _check_targets("y", self.y, len(self.x))
        if (self.x_test is None) != (self.y_test is None):
            raise ValueError("x_test and y_test belong together; pass both or neither.")
        if self.x_test is not None:
            _check_points("x_test", self.x_test)
            _check_targets("y_test", self.y_test, len(self.x_test))
            for test, train in (("x_test", "x"), ("y_test", "y")):
                given, wanted = getattr(self, test), getattr(self, train)
                if given.shape[1:] != wanted.shape[1:] or given.dtype != wanted.dtype:
                    raise ValueError(
                        f"{test} must match {train} in all but its length, got {_describe(given)} beside "
                        f"{_describe(wanted)}."
                    )
        self._check_classes()

    def _check_classes(self) -> None:
        if self.y.is_floating_point():
            if self.classes is not None:
                raise ValueError("classes belongs to integer labels; leave it out for floating-point targets.")
            return
        labels = self.y if self.y_test is None else torch.cat([self.y, self.y_test.to(self.y.device)])
        largest = int(labels.max())
        if self.classes is None:
            object.__setattr__(self, "classes", largest + 1)
        elif isinstance(self.classes, bool) or not isinstance(self.classes, int) or self.classes <= largest:
            raise ValueError(f"classes must be an integer above the largest label, {largest}, got {self.classes!r}.")

    @property
    def n(self) -> int:
        """Return the number of training points."""
        return len(self.x)

    @property
    def in_features(self) -> int:
        """Return d, the length of a point."""
        return self.x.shape[1]

    @property
    def out_features(self) -> int:
        """Return o, the number of classes or the length of a regression target."""
        if self.classes is not None:
            return self.classes
        return 1 if self.y.ndim == 1 else self.y.shape[1]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Dataset:
        """Return the same data on a device and in a floating-point dtype; integer labels stay integers."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, dtype if tensor.is_floating_point() else None)

        return Dataset(move(self.x), move(self.y), move(self.x_test), move(self.y_test), self.classes)

    def __repr__(self) -> str:
        test = 0 if self.x_test is None else len(self.x_test)
        return f"Dataset(n={self.n}, in_features={self.in_features}, out_features={self.out_features}, n_test={test})"


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _check_tensor(name: str, tensor: object) -> None:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(tensor).__name__}; convert it with torch.as_tensor.")


def _check_points(name: str, x: Tensor) -> None:
    _check_tensor(name, x)
    if not x.is_floating_point():
        raise TypeError(f"{name} must be floating point, got {_describe(x)}; convert it with .float().")
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{name} must have shape (n, d) with n, d ≥ 1, got {_describe(x)}; flatten with .flatten(1).")
    _check_finite(name, x)


def _check_targets(name: str, y: Tensor, n: int) -> None:
    _check_tensor(name, y)
    points = "x" + name[1:]
    if y.is_floating_point():
        if y.ndim not in (1, 2) or len(y) != n or 0 in y.shape:
            raise ValueError(f"{name} must have shape ({n},) or ({n}, o) like {points}, got {_describe(y)}.")
        _check_finite(name, y)
        return
    if y.dtype != torch.int64:
        raise TypeError(f"{name} must hold int64 class labels or floating-point targets, got {_describe(y)}.")
    if y.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one label for each point of {points}, got {_describe(y)}.")
    if int(y.min()) < 0:
        raise ValueError(f"{name} must hold class labels 0, 1, ..., got the label {int(y.min())}.")


def _check_finite(name: str, tensor: Tensor) -> None:
    if bool(tensor.sum().isfinite()):  # a tenth of the time of looking at each; it may overflow
        return
    bad = ~tensor.isfinite()
    if bad.any():
        raise ValueError(f"{name} must be finite, but row {int(bad.nonzero()[0, 0])} holds a NaN or an infinity.")
