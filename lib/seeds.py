"""Randomness: one CPU generator for each (seed, purpose), the same on every device."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def generator(seed: int, purpose: str) -> torch.Generator:
    """Return the CPU generator that belongs to a seed and a purpose.

    Different purposes ("weights", "batches", ...) of one seed get independent streams, so that drawing more weights
    never changes the order of the batches. The generator lives on the CPU whatever the device of the network: the
    numbers, and with them the results, are those of the seed and not of the hardware.

    Raises:
        ValueError: the seed is not an integer in 0..2^63-1.

    Used by: every chapter that draws weights, batches or perturbations.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer from 0 to 2^63-1, got {seed!r}.")
    entropy = np.random.SeedSequence([int(seed), zlib.crc32(purpose.encode())])
    return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
