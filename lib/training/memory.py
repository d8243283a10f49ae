"""How much memory a training will take, asked before it starts."""

from __future__ import annotations

import torch

from lib.stack import Stack


def required_bytes(network: Stack, points: int, batch_size: int, momentum: float, precision: str = "fp32") -> int:
    """Return the bytes that `train` allocates: velocities, the points on the device, batches and activations."""
    element = network.weights[0].element_size()
    weights = sum(weight.numel() for weight in network.weights) * element
    points_in, *hidden, outputs = network.layer_sizes
    # Every layer's numbers, two gradients that pass between layers, the targets and the losses.
    per_point = points_in + sum(hidden) + 2 * max(hidden, default=0) + 3 * outputs
    last = points % batch_size if batch_size else 0  # the smaller last batch has buffers of its own
    buffers = network.replicas * (batch_size + last) * per_point * element
    data = points * ((points_in + outputs) * element + 8 * (1 + network.replicas))
    # In bf16 the weights have a copy, and their gradients a place: together as much as the weights once more.
    return (weights if momentum else 0) + (weights if precision == "bf16" else 0) + buffers + data


def available_bytes(device: torch.device) -> int | None:
    """Return the bytes that can still be allocated on a device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def refuse_what_does_not_fit(
    network: Stack, points: int, batch_size: int, momentum: float, precision: str = "fp32"
) -> None:
    """Raise MemoryError, before anything is allocated, where a training needs more than its device has left.

    Raises:
        MemoryError: with what is asked, what is available, and how many replicas or which batch would fit.
    """
    device = network.weights[0].device
    available = available_bytes(device)
    required = required_bytes(network, points, batch_size, momentum, precision)
    if available is None or required <= available:
        return
    without_batch = required_bytes(network, points, 0, momentum, precision)
    # The last batch of an epoch is smaller: room for two of a size is enough for both.
    each = 2 * (required - without_batch) / (batch_size + points % batch_size)
    fits = int((available - without_batch) / each) if available > without_batch else 0
    remedy = f"a batch_size of at most {fits} fits" if fits else "train fewer replicas at once or a narrower network"
    raise MemoryError(
        f"training needs {_gib(required)} on {device} beside the network, {_gib(available)} are available; {remedy}."
    )


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
