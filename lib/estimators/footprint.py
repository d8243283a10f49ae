"""The memory that one call takes at its peak: how many examples fit at once is measured, not assumed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the bytes of all tensors that a call makes, at the moment when most of them are alive.

    Activations that are kept for a derivative count, passing ones, and those that checkpointing computes again. What
    kernels allocate inside themselves does not.
    """
    with _Peak() as memory:
        call()
    return memory.peak


class _Peak(TorchDispatchMode):
    """Count the bytes of tensors that operators return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._alive = 0
        self._storages: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {self._storage(tensor)._cdata for tensor in tree_iter((args, kwargs)) if _dense(tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if _dense(tensor):
                storage = self._storage(tensor)
                if storage._cdata not in given and storage._cdata not in self._storages:
                    self._add(storage)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._storages.add(key)
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(storage, self._free, key, size).atexit = False

    def _free(self, key: int, size: int) -> None:
        self._storages.discard(key)
        self._alive -= size

    @staticmethod
    def _storage(tensor: torch.Tensor) -> torch.UntypedStorage:
        return tensor.untyped_storage()


def _dense(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_quantized
