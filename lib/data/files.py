"""Which files a benchmark consists of, with the checksums that are compared before a byte is used."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """A benchmark on disk, in torchvision's layout.

    Attributes:
        name: what `lib.data.load` calls it.
        torchvision: the class of `torchvision.datasets` that downloads and extracts it.
        folder: where its files lie under the data root.
        extracted: file -> MD5 of the extracted file, which is what is read.
        archives: path under the data root -> MD5 of the published archive.
    """

    name: str
    torchvision: str
    folder: str
    extracted: dict[str, str]
    archives: dict[str, str] = field(default_factory=dict)

    @property
    def remedy(self) -> str:
        """Return the command that puts everything right."""
        return "run `make data`" if self.name != "cifar10" else "run `python -m lib.data cifar10`"


def _idx(name: str, torchvision: str, checksums: dict[str, tuple[str, str]]) -> Files:
    folder = f"{torchvision}/raw"
    return Files(
        name,
        torchvision,
        folder,
        extracted={file: extracted for file, (extracted, _) in checksums.items()},
        archives={f"{folder}/{file}.gz": archive for file, (_, archive) in checksums.items()},
    )


# Archives: as published and as listed by torchvision. Extracted files: computed from those archives.
MNIST = _idx(
    "mnist",
    "MNIST",
    {
        "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624", "d53e105ee54ea40749a09fcbcd1e9432"),
        "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea", "9fb629c4189551a2d022fa330f9573f3"),
        "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637", "ec29112dd5afa0611ce80d1b7f02629c"),
    },
)
FASHION_MNIST = _idx(
    "fashion-mnist",
    "FashionMNIST",
    {
        "train-images-idx3-ubyte": ("f4a8712d7a061bf5bd6d2ca38dc4d50a", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train-labels-idx1-ubyte": ("9018921c3c673c538a1fc5bad174d6f9", "25c81989df183df01b3e8a0aad5dffbe"),
        "t10k-images-idx3-ubyte": ("8181f5470baa50b63fa0f6fddb340f0a", "bef4ecab320f06d8554ea6380940ec79"),
        "t10k-labels-idx1-ubyte": ("15d484375f8d13e6eb1aabb0c3f46965", "bb300cfdad3c16e7a12a480ee83cd310"),
    },
)
CIFAR10 = Files(
    "cifar10",
    "CIFAR10",
    "cifar-10-batches-py",
    extracted={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    archives={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
)
# The official binary version. Batches 1 and 2 were recomputed from the files; the others are the values that several
# independent public build scripts agree on.
CIFAR10_BINARY = Files(
    "cifar10",
    "CIFAR10",
    "cifar-10-batches-bin",
    extracted={
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
)


def data_root(root: str | os.PathLike[str] | None) -> Path:
    """Return the data root: the given one, else $BOOK_DATA, else ./data."""
    return Path(root if root is not None else os.environ.get("BOOK_DATA") or "data").expanduser()


def read_verified(path: Path, md5: str, remedy: str) -> bytes:
    """Return a file's bytes after comparing the MD5 of exactly these bytes.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file cannot be read.
        ValueError: the checksum differs.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path} is missing; {remedy}.") from None
    except OSError as error:
        raise OSError(
            f"{path} cannot be read ({error.strerror or error}); correct its permissions or {remedy}."
        ) from error
    found = _md5(content)
    if found != md5:
        raise ValueError(
            f"{path} is truncated or altered ({len(content)} bytes with MD5 {found} instead of {md5}); {remedy}."
        )
    return content


def is_intact(path: Path, md5: str, remedy: str) -> bool:
    """Return whether a file is there with this checksum; raise OSError where it is there and cannot be read."""
    try:
        read_verified(path, md5, remedy)
    except (FileNotFoundError, ValueError):
        return False
    return True


def _md5(content: bytes) -> str:
    # A checksum against accidents, not against an adversary: machines that forbid MD5 for security still allow it.
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
