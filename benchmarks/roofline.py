"""What a CUDA device can do at most, and what share of it a step of ours reaches."""

from __future__ import annotations

from typing import NamedTuple

import torch

from benchmarks.timing import clock


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
