"""A training interrupted at any moment goes on from its last checkpoint, to the same result."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib.rows.lines import sync_folder
from lib.stack import Stack

if TYPE_CHECKING:
    from torch import Tensor

_UNFINISHED = ".part"
_REMEDY = "delete it to start this training again, or give this training a path of its own"


class CheckpointError(OSError, ValueError):
    """A checkpoint that cannot be used: a fault of a file, never of what is trained."""


def identity(network: Stack, x: Tensor, targets: Tensor) -> dict[str, Any]:
    """Return what tells a training from one with equal options: α, and checksums of initialization and data."""
    return {
        "alpha": network.alpha,
        "initialization": [_checksum(weight) for weight in network.weights],
        "data": [_checksum(x), _checksum(targets)],
    }


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.detach().cpu().contiguous().numpy())


class Checkpoint:
    """Keep the state of one training in a file: plain values and tensors, with a digest of all of them.

    Reading runs no code from the file. A file that is not a checkpoint of this training, or in which a bit has changed,
    is refused and left as it is: what would be overwritten might be someone's.

    Args:
        path: the file, or None to keep nothing.
        settings: what tells this training from others: plain values.
    """

    def __init__(self, path: str | os.PathLike[str] | None, settings: dict[str, Any]) -> None:
        self.path, self.settings = None if path is None else Path(path), settings

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the file while its training runs. A training that finds it held by another one keeps no checkpoint.

        Two sweeps that share a folder train the same stack twice, as they would without checkpoints, and neither
        disturbs the other.

        Raises:
            FileNotFoundError: the folder does not exist: said before the first epoch, not after it.
        """
        if self.path is None:
            yield
            return
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint {self.path} has no folder; create {self.path.parent} first.")
        name = self.path.with_name(self.path.name + ".lock")
        lock = _locked(name)
        if lock is None:
            print(f"checkpoint {self.path} belongs to a training that runs; this one keeps none.", file=sys.stderr)
            self.path = None
            yield
            return
        try:
            for left in self.path.parent.glob(f"{self.path.name}.*{_UNFINISHED}"):  # by a kill
                left.unlink(missing_ok=True)
            yield
        finally:
            name.unlink(missing_ok=True)
            os.close(lock)

    def save(self, state: dict[str, Any]) -> None:
        """Write a state beside its place and move it there: a kill leaves the old one or the new one.

        Raises:
            ValueError: the state holds something else than plain values and tensors.
            OSError: it could not be written; the one before is as it was.
        """
        if self.path is None:
            return
        content = {"settings": self.settings, "state": state}
        content |= {"digest": digest(content)}
        unfinished = None
        try:
            handle, unfinished = tempfile.mkstemp(_UNFINISHED, self.path.name + ".", self.path.parent)
            with os.fdopen(handle, "wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, self.path)
            sync_folder(self.path)
        except (OSError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError
            if interruption := _interruption(error):
                raise interruption from None
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise CheckpointError(
                f"checkpoint {self.path} could not be written ({reason}); one that was there is intact: free some "
                "space or make its folder writable, and train again."
            ) from error
        finally:
            if unfinished is not None:
                Path(unfinished).unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, None where there is none.

        Raises:
            CheckpointError: the file is no checkpoint, is damaged, or belongs to a training with other settings.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            claimed, kept = content.pop("digest"), digest(content)
            theirs, state = dict(content["settings"]), dict(content["state"])
        except Exception:  # what a file that is none raises depends on what it is
            raise CheckpointError(f"checkpoint {self.path} cannot be read; {_REMEDY}.") from None
        if claimed != kept:
            raise CheckpointError(f"checkpoint {self.path} is damaged, its digest does not fit; {_REMEDY}.")
        names = theirs.keys() | self.settings.keys()
        differing = sorted(name for name in names if theirs.get(name) != self.settings.get(name))
        if differing:
            raise CheckpointError(
                f"checkpoint {self.path} belongs to a training with another {', '.join(differing)}; {_REMEDY}."
            )
        return state

    def remove(self) -> None:
        """Remove the file of a training that has ended."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _interruption(error: BaseException) -> BaseException | None:
    """Return what stopped this process before an error came up, such as Ctrl-C: torch fails to close half a file."""
    before = error.__context__
    while before is not None and isinstance(before, Exception):
        before = before.__context__
    return before


def digest(value: Any) -> str:
    """Return SHA-256 over plain values and tensors, nested as they may be, in order.

    Raises:
        ValueError: something is neither.
    """
    total = hashlib.sha256()
    _add(total, value)
    return total.hexdigest()


def _add(total: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        here = value.detach().cpu().contiguous()
        total.update(f"tensor {here.dtype} {tuple(here.shape)}".encode())
        total.update(here.flatten().view(torch.uint8).numpy())
    elif type(value) in (list, tuple, dict):
        total.update(f"{type(value).__name__} {len(value)}".encode())
        for entry in value.items() if type(value) is dict else value:
            _add(total, entry)
    elif type(value) is float:
        total.update(b"float" + struct.pack("d", value))
    elif value is None or type(value) in (bool, int, str):
        total.update(f"{type(value).__name__} {value!r};".encode())
    else:
        raise ValueError(
            f"a checkpoint keeps plain values and tensors, got the {type(value).__name__} {value!r}; let the observer "
            "return numbers, texts, lists, dicts and tensors."
        )


def _locked(name: Path) -> int | None:
    """Return a descriptor that holds a lock file; None where another process has it."""
    while True:
        lock = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        except OSError:
            return lock  # a file system without locks: names are unique all the same
        # Its holder may have removed the file between the two calls: then the name is another file's by now.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(name)):
                return lock
        os.close(lock)
