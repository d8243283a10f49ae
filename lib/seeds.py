"""Randomness: one CPU generator for each (seed, purpose), the same on every device."""

from __future__ import annotations

import zlib

import numpy as np
import torch

from lib import checks


def check_seed(seed: int) -> None:
    """Refuse what is no seed.

    Raises:
        ValueError: it is not an integer from 0 to 2^63 − 1.
    """
    checks.integers(least=0, most=2**63 - 1, seed=seed)


def generator(seed: int, purpose: str) -> torch.Generator:
    """Return the CPU generator that belongs to a seed and a purpose.

    Different purposes ("weights", "batches", ...) of one seed get independent streams, so that drawing more weights
    never changes the order of the batches. The generator lives on the CPU whatever the device of the network: the
    numbers, and with them the results, are those of the seed and not of the hardware.

    Raises:
        ValueError: the seed is not an integer from 0 to 2^63 − 1.
    """
    check_seed(seed)
    entropy = np.random.SeedSequence([int(seed), zlib.crc32(purpose.encode())])
    return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
