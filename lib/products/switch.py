"""torch's switch between the libraries that compute float32 products on a processor, held around our own alone."""

from __future__ import annotations

import threading

import torch

# What the switch may say where each library computes; the first of them is what is set. "none" leaves it to MKL.
_BY_MKL = ("ieee", "none", "tf32")
_SAYS = {"mkl": _BY_MKL, "transposed": _BY_MKL, "onednn": ("bf16",)}


class _Switch:
    """Send products by a route (`to`) inside a with statement, at whose end the switch is as it was.

    The switch belongs to the whole process. Threads that compute by it take turns, so that no product of ours goes by
    another thread's route; it is put back after every step, before anything that is not ours can see it.
    """

    def __init__(self) -> None:
        self._lock, self._depth, self._before, self._now = threading.RLock(), 0, "none", "none"

    def __enter__(self) -> _Switch:
        self._lock.acquire()
        if not self._depth:
            self._before = self._now = _read()
        self._depth += 1
        return self

    def to(self, route: str) -> None:
        """Send the products that follow by a route (see `lib.products.Routes.of`).

        Raises:
            RuntimeError: torch has no such switch, or does not keep what is set.
        """
        if self._now in _SAYS[route]:
            return
        wanted = _SAYS[route][0]
        try:
            torch.backends.mkldnn.matmul.fp32_precision = wanted
        except (AttributeError, RuntimeError) as error:
            raise RuntimeError(f"this torch does not let float32 products be sent to oneDNN ({error})") from None
        self._now = wanted

    def __exit__(self, *_: object) -> None:
        try:
            self._depth -= 1
            if not self._depth and self._now != self._before:
                torch.backends.mkldnn.matmul.fp32_precision = self._before
        finally:
            self._lock.release()


def _read() -> str:
    """Return what the switch says; "none", which is MKL, where this torch has no switch."""
    try:
        return torch.backends.mkldnn.matmul.fp32_precision
    except AttributeError:
        return "none"


switch = _Switch()
