"""A training interrupted at any moment goes on from its last checkpoint, to the same result."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib.networks import FCN

if TYPE_CHECKING:
    from torch import Tensor


def identity(network: FCN, x: Tensor, targets: Tensor) -> dict[str, Any]:
    """Return what tells a training from one with equal options: α, and checksums of initialization and data."""
    return {
        "alpha": network.alpha,
        "initialization": [_checksum(weight) for weight in network.weights],
        "data": [_checksum(x), _checksum(targets)],
    }


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.detach().cpu().contiguous().numpy())


def save(path: Path, settings: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a checkpoint beside its place and move it there: a kill leaves the old one or the new one."""
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "wb") as file:
        torch.save({"settings": settings, "state": state}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def load(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the state of a checkpoint, None where there is none.

    Raises:
        ValueError: the file is no checkpoint, or one of a training with other settings.
        FileNotFoundError: its folder does not exist: said before the first epoch, not after it.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"checkpoint {path} has no folder; create {path.parent} first.")
    if not path.exists():
        return None
    content = io.BytesIO(path.read_bytes())
    try:
        # The file holds the observer's own objects besides tensors; it was written by this program for itself.
        saved = torch.load(content, map_location="cpu", weights_only=False)
        theirs, state = dict(saved["settings"]), saved["state"]
    except Exception:  # what a damaged pickle raises depends on the damage
        raise ValueError(f"checkpoint {path} cannot be read; delete it to start this training again.") from None
    # A checkpoint of an earlier version says less about its training; what it says must agree.
    differing = sorted(name for name in theirs if settings.get(name) != theirs[name])
    if differing:
        raise ValueError(
            f"checkpoint {path} belongs to a training with another {', '.join(differing)}; "
            "delete it or give this training a path of its own."
        )
    return state
