"""What a row was computed on."""

from __future__ import annotations

import platform

import torch


def describe(device: str) -> str:
    """Return the name of a torch device's hardware: the GPU's, or the processor's."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
