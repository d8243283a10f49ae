"""Gaussian points with random labels: pure noise, of which nothing can be learned and everything can be fitted."""

from __future__ import annotations

import math

import torch

from lib import checks
from lib.data.dataset import Dataset
from lib.seeds import generator


def random_labels(
    samples: int, in_features: int, seed: int, test_samples: int = 1000, dtype: torch.dtype | None = None
) -> Dataset:
    """Draw points x ~ N(0, I/d), so that ‖x‖ ≈ 1, with labels ±1 in random order, as many of each sign as possible.

    Balanced labels have mean 0 (for even n), so that no constant has an error below the noise level, σ² = 1. The test
    points have labels of their own.

    Args:
        samples: n ≥ 1.
        in_features: d ≥ 1.
        seed: of points and labels; independent of the networks' with the same seed.
        test_samples: further points of the same law, at least 1.
        dtype: a floating-point dtype; None means torch's default. Numbers are drawn in float64 and rounded.

    Raises:
        ValueError: a size is not a positive integer, or the seed is none.

    Source: the setting of Bubeck and Sellke 2021 and of Bubeck, Li and Nagaraj 2021.
    """
    checks.integers(samples=samples, in_features=in_features, test_samples=test_samples)
    drawn = []
    for part, count in (("training", samples), ("test", test_samples)):
        points = torch.randn(
            count, in_features, generator=generator(seed, f"random {part} points"), device="cpu", dtype=torch.float64
        )
        signs = 1.0 - 2.0 * (torch.arange(count, dtype=torch.float64) % 2)
        order = torch.randperm(count, generator=generator(seed, f"random {part} labels"), device="cpu")
        dtype = dtype or torch.get_default_dtype()
        drawn += [(points / math.sqrt(in_features)).to(dtype), signs[order].to(dtype)]
    return Dataset(*drawn)
