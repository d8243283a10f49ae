"""The benchmarks as integer pixels and labels, read from verified bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.data.fetching import ensure
from lib.data.files import CIFAR10, CIFAR10_BINARY, FASHION_MNIST, MNIST, Files, read_verified
from lib.data.subset import stratified
from lib.torchvision_compat import import_torchvision

_DIGITS_MD5 = "5d8bc8ede2b0aee84f53c9369fc789d2"
_DIGITS_TEST = 360
_CIFAR10_RECORD = 1 + 3 * 32 * 32


class Pixels(NamedTuple):
    """A benchmark before scaling: pixels 0..maximum in uint8, (n, d), and labels (n,); no test set is (0, d)."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    maximum: int


def digits(root: Path, download: bool) -> Pixels:
    """Return scikit-learn's 1,797 digits of 8×8 pixels; 360 of them, a fixed stratified choice, are the test set.

    The data come with scikit-learn, so the root is not looked at. They have no official split. The writers are not
    known, so one writer's digits may lie on both sides.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels, labels = bunch.data.astype(np.uint8), bunch.target.astype(np.int64)
    found = hashlib.md5(pixels.tobytes() + labels.astype("<i8").tobytes(), usedforsecurity=False).hexdigest()
    if found != _DIGITS_MD5:
        raise ValueError(
            f"scikit-learn's digits are not the expected ones (MD5 {found} instead of {_DIGITS_MD5}); install the "
            "version that constraints.txt names."
        )
    test = np.zeros(len(labels), dtype=bool)
    test[stratified(labels, _DIGITS_TEST, seed=0)] = True
    return Pixels(pixels[~test], labels[~test], pixels[test], labels[test], maximum=16)


def mnist(root: Path, download: bool) -> Pixels:
    """Return MNIST: 60,000 training and 10,000 test images of 28×28 pixels."""
    return _idx(MNIST, root, download)


def fashion_mnist(root: Path, download: bool) -> Pixels:
    """Return Fashion-MNIST: 60,000 training and 10,000 test images of 28×28 pixels."""
    return _idx(FASHION_MNIST, root, download)


def cifar10(root: Path, download: bool) -> Pixels:
    """Return CIFAR-10, channels first (3×32×32), from torchvision's Python version or the official binary version.

    The Python version is used where its folder or archive is in the root, else the binary version. The binary version
    may have only some of its batches. All training batches that are there are training data, and without
    test_batch.bin there is no test set: what is held out of the training data then is a validation split.
    """
    binary = root / CIFAR10_BINARY.folder
    python = (root / CIFAR10.folder).is_dir() or any((root / archive).is_file() for archive in CIFAR10.archives)
    return _cifar10_binary(binary) if binary.is_dir() and not python else _cifar10_python(root, download)


def _idx(files: Files, root: Path, download: bool) -> Pixels:
    ensure(files, root, download)
    parts = []
    for split in ("train", "t10k"):
        # Verified bytes have the published headers: 16 bytes before the pixels, 8 before the labels.
        images, labels = (
            np.frombuffer(
                read_verified(root / files.folder / file, files.extracted[file], files.remedy), np.uint8, offset=offset
            )
            for file, offset in ((f"{split}-images-idx3-ubyte", 16), (f"{split}-labels-idx1-ubyte", 8))
        )
        parts += [images.reshape(len(labels), -1), labels.astype(np.int64)]
    return Pixels(*parts, maximum=255)


def _cifar10_python(root: Path, download: bool) -> Pixels:
    ensure(CIFAR10, root, download)
    for file, md5 in CIFAR10.extracted.items():
        read_verified(root / CIFAR10.folder / file, md5, CIFAR10.remedy)
    parts = []
    for train in (True, False):
        images = import_torchvision().datasets.CIFAR10(str(root), train=train)
        parts += [images.data.transpose(0, 3, 1, 2).reshape(len(images.data), -1), np.array(images.targets, np.int64)]
    return Pixels(*parts, maximum=255)


def _cifar10_binary(folder: Path) -> Pixels:
    remedy = f"copy it again from the official binary version, or delete {folder} and {CIFAR10.remedy}"
    present = [file for file in CIFAR10_BINARY.extracted if (folder / file).is_file()]
    if present in ([], ["test_batch.bin"]):
        raise FileNotFoundError(f"{folder} has no training batch (data_batch_1.bin, ...); {remedy}.")
    records = {
        file: np.frombuffer(read_verified(folder / file, CIFAR10_BINARY.extracted[file], remedy), np.uint8).reshape(
            -1, _CIFAR10_RECORD
        )
        for file in present
    }
    test = records.pop("test_batch.bin", np.zeros((0, _CIFAR10_RECORD), np.uint8))
    train = np.concatenate(list(records.values()))
    # One byte of label, then the red, green and blue planes.
    return Pixels(train[:, 1:], train[:, 0].astype(np.int64), test[:, 1:], test[:, 0].astype(np.int64), maximum=255)
