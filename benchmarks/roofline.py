"""What a CUDA device can do at most, and what share of it a step of ours reaches; the effect of TF32 on speed and P."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from benchmarks import descents
from benchmarks.timing import clock, interleave, ratio, summary
from lib.data import Dataset, load
from lib.estimators import perturbation_stability
from lib.networks import FCN
from lib.training import train

TF32_CELLS = [{"width": m, "depth": L, "replicas": 5} for m in (256, 1024, 4096) for L in (2, 6)]
TF32_PROTOCOL = {
    "data": "mnist, raw",
    "batch": descents.BATCH,
    "unit": "seconds of one step of one replica",
    "P": "after one epoch at learning rate 1e-3, over 10,000 test points: relative change, seed by seed",
}


class Roof(NamedTuple):
    """Measured limits: operations a second of a large product, bytes a second of a large copy."""

    flops: float
    bytes: float


class Limit(NamedTuple):
    """The least seconds of a step for one replica, and what sets them."""

    seconds: float
    limit: str


def measure(device: str, size: int = 8192, copied: int = 2**28) -> Roof:
    """Measure both limits in float32 as it is set (TF32 or not), as the best of ten."""
    a, b = torch.randn(2, size, size, device=device)
    product, source = torch.empty_like(a), torch.empty(copied, device=device)
    target = torch.empty_like(source)
    multiply, copy = [], []
    for _ in range(12):
        start = clock(device)
        torch.mm(a, b, out=product)
        middle = clock(device)
        target.copy_(source)
        multiply.append(middle - start)
        copy.append(clock(device) - middle)
    return Roof(2 * size**3 / min(multiply[2:]), 2 * source.nbytes / min(copy[2:]))


def operations(width: int, depth: int, batch: int) -> int:
    """Return the floating-point operations of a step's products: forward, down except to the pixels, and the update."""
    return 2 * batch * (2 * 784 * width + 3 * width**2 * (depth - 2) + 3 * width * 10)


def seconds_of_a_step(roof: Roof, width: int, depth: int, replicas: int, batch: int) -> Limit:
    """Return the least seconds of a step of one replica: its multiplications, or the bytes that it must move.

    Weights are read forward, read backward, and read and written by the update; a batch's activations and their
    gradients are written once and read twice.
    """
    hidden = width**2 * (depth - 2)
    weights = 784 * width + hidden + 10 * width
    moved = 4 * (4 * weights + batch * (2 * 784 + 6 * width * (depth - 1)))
    compute, memory = operations(width, depth, batch) / roof.flops, moved / roof.bytes
    return Limit(max(compute, memory), "compute" if compute > memory else "memory")


@contextmanager
def tf32() -> Iterator[None]:
    """Let float32 products on CUDA use TF32's ten bits of mantissa."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision = before


class TF32:
    """Compare trainings with and without TF32: seconds of a step, and P after an epoch from equal seeds."""

    def __init__(self, device: str) -> None:
        if torch.device(device).type != "cuda":
            raise ValueError(f"the benchmark tf32 needs a CUDA device, got --device {device}.")
        self.device, self.data = device, load("mnist", scaling="raw").to(device)

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return the seconds and the relative change of P, one a seed."""
        exact, fast = (self._network(cell) for _ in range(2))
        plain, rounded = descents.ours(exact, self.data), descents.ours(fast, self.data)

        def with_tf32(steps: int) -> float:
            with tf32():
                return rounded(steps)

        contenders = {"float32": plain, "tf32": with_tf32}
        seconds = interleave(contenders, repeats, block, dict.fromkeys(contenders, cell["replicas"]))
        before = self._stability(cell)
        with tf32():
            after = self._stability(cell)
        return {
            "settings": cell,
            "contenders": seconds,
            "ratios": {"float32/tf32": ratio(seconds["float32"], seconds["tf32"])},
            "change of P": summary((after / before - 1).tolist()),
        }

    def _network(self, cell: dict[str, Any]) -> FCN:
        m, L, R = cell["width"], cell["depth"], cell["replicas"]
        return FCN(m, L, 784, 10, replicas=R, dtype=torch.float32, device=self.device)

    def _stability(self, cell: dict[str, Any]) -> torch.Tensor:
        """Train an epoch as the settings of the moment say; measure P in full float32."""
        network = self._network(cell)
        train(network, Dataset(self.data.x, self.data.y), epochs=1, lr=descents.LR)
        matmul = torch.backends.cuda.matmul
        mode, matmul.fp32_precision = matmul.fp32_precision, "ieee"
        try:
            return perturbation_stability(network, self.data.x_test).mean(dim=1).cpu()
        finally:
            matmul.fp32_precision = mode
