"""Load a benchmark by name: verified files, a subset of the training set, scaled images."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
import torch

from lib.data import benchmarks, subset
from lib.data.dataset import Dataset
from lib.data.files import data_root

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_READERS = {
    "digits": benchmarks.digits,
    "mnist": benchmarks.mnist,
    "fashion-mnist": benchmarks.fashion_mnist,
    "cifar10": benchmarks.cifar10,
}
NAMES = tuple(_READERS)
SCALINGS = ("unit", "raw", "standard")


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    scaling: str = "unit",
    *,
    samples: int | None = None,
    seed: int = 0,
    stratified: bool = True,
    dtype: torch.dtype | None = None,
    download: bool = False,
) -> Dataset:
    """Load a benchmark as flattened images x (n, d) with labels y (n,) and the whole test set.

    Pixels p are in [0, 1]. Scaling "raw" is x = p; "standard" is x = (p − mean)/std with the scalar mean and standard
    deviation of the whole training set, whatever the subset; "unit" is x = p/‖p‖₂ for each image, Assumption 1.

    Args:
        name: "digits" (scikit-learn's, d = 64, 1,437 + 360 images, no download), "mnist" or "fashion-mnist" (d = 784,
            60,000 + 10,000), "cifar10" (d = 3,072, channels first, 50,000 + 10,000). Of CIFAR-10's binary version the
            batches that are in the root are used; without test_batch.bin there is no test set, and a split held out of
            the training data is then a validation split.
        root: the data root, in torchvision's layout; None means $BOOK_DATA, else ./data.
        scaling: "unit", "raw" or "standard".
        samples: number of training images, from 1 to all of them; None means all. The test set stays whole.
        seed: which subset; without effect where all images are used.
        stratified: keep the share of each class to within one image (needs as many samples as classes).
        dtype: a floating-point dtype; None means torch's default.
        download: fetch what is missing or altered over the network. Archives that lie in the root are extracted
            without it.

    Raises:
        ValueError: an unknown name or scaling, samples or seed out of range, an all-zero image under "unit", or a
            file whose checksum is wrong.
        TypeError: dtype is no floating-point dtype.
        FileNotFoundError, ConnectionError, OSError: files are missing, cannot be downloaded, read or written.
        ImportError: scikit-learn or torchvision is needed and not installed.

    Source: Zhu et al. 2022, §5.1 and Assumption 1; the paper does not state its scaling.
    """
    _check_choice("name", name, NAMES)
    _check_choice("scaling", scaling, SCALINGS)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point torch.dtype, got {dtype!r}.")
    pixels = _READERS[name](data_root(root), download)
    classes = int(pixels.train_labels.max()) + 1
    chosen = _choose(name, pixels.train_labels, classes, samples, seed, stratified)
    x = _scale(pixels, pixels.train[chosen], scaling, dtype)
    _check_unit(scaling, x, f"training image {{}} of {name}", chosen)
    y = torch.from_numpy(pixels.train_labels[chosen])
    if len(pixels.test) == 0:
        return Dataset(x, y, classes=classes)
    x_test = _scale(pixels, pixels.test, scaling, dtype)
    _check_unit(scaling, x_test, f"test image {{}} of {name}", np.arange(len(x_test)))
    return Dataset(x, y, x_test, torch.from_numpy(pixels.test_labels), classes=classes)


def _choose(
    name: str, labels: np.ndarray, classes: int, samples: int | None, seed: int, stratified: bool
) -> np.ndarray:
    """Return the indices of the training images to use, in ascending order."""
    n = len(labels)
    if samples is None:
        samples = n
    least = classes if stratified else 1
    if isinstance(samples, bool) or not isinstance(samples, (int, np.integer)) or not least <= samples <= n:
        hint = "; with stratified=False it may be as small as 1" if stratified else ""
        raise ValueError(f"samples must be an integer from {least} to {n} for {name}{hint}, got {samples!r}.")
    return (subset.stratified if stratified else subset.uniform)(labels, int(samples), seed)


def _scale(pixels: benchmarks.Pixels, images: np.ndarray, scaling: str, dtype: torch.dtype) -> Float[Tensor, "n d"]:
    raw = torch.tensor(images).to(dtype).div_(pixels.maximum)
    if scaling == "raw":
        return raw
    if scaling == "unit":
        return raw.div_(raw.norm(dim=1, keepdim=True))
    # Moments from the counts of the pixel values: exact, and without a float copy of the whole training set.
    counts = np.bincount(pixels.train.ravel(), minlength=pixels.maximum + 1)
    values = np.arange(pixels.maximum + 1) / pixels.maximum
    mean = np.average(values, weights=counts)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    return raw.sub_(mean).div_(deviation)


def _check_unit(scaling: str, x: Float[Tensor, "n d"], where: str, indices: np.ndarray) -> None:
    # 0/0 is the only way in which scaled pixels fail to be finite.
    if scaling == "unit" and x[:, 0].isnan().any():
        index = indices[int(x[:, 0].isnan().nonzero()[0, 0])]
        raise ValueError(
            f'{where.format(index)} is all zeros and has no direction; use scaling="raw" or scaling="standard".'
        )


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        near = get_close_matches(str(value), allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.{hint}")
