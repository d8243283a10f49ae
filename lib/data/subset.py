"""Choose some of the training points, by seed."""

from __future__ import annotations

import numpy as np
import torch

from lib.seeds import generator


def uniform(labels: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return `samples` of the indices, each set of them equally likely, in ascending order."""
    return np.sort(_permutation(len(labels), generator(seed, "subset"))[:samples])


def stratified(labels: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return `samples` indices, in ascending order, with each class's share kept to within one point.

    A class with share p gets ⌊p·samples⌋ points, and the points that are left go to the largest remainders, the
    smaller label first among equals.
    """
    classes, counts = np.unique(labels, return_counts=True)
    # Integers, so that equal remainders are equal: p·samples = counts·samples/n.
    take, remainder = np.divmod(counts * samples, len(labels))
    take[np.argsort(-remainder, kind="stable")[: samples - take.sum()]] += 1
    stream = generator(seed, "subset")
    chosen = [
        np.flatnonzero(labels == label)[_permutation(count, stream)[:taken]]
        for label, count, taken in zip(classes, counts, take, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _permutation(size: int, stream: torch.Generator) -> np.ndarray:
    return torch.randperm(int(size), generator=stream, device="cpu").numpy()
