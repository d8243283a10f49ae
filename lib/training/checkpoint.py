"""A training interrupted at any moment goes on from its last checkpoint, to the same result."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch


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
    """
    if not path.exists():
        return None
    try:
        # The file holds the observer's own objects besides tensors; it was written by this program for itself.
        saved = torch.load(path, map_location="cpu", weights_only=False)
        theirs, state = saved["settings"], saved["state"]
    except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError, zipfile.BadZipFile):
        raise ValueError(f"checkpoint {path} cannot be read; delete it to start this training again.") from None
    differing = sorted(name for name in settings.keys() | theirs.keys() if settings.get(name) != theirs.get(name))
    if differing:
        raise ValueError(
            f"checkpoint {path} belongs to a training with another {', '.join(differing)}; "
            "delete it or give this training a path of its own."
        )
    return state
