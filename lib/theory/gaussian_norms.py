"""Closed forms of E√Q, the mean of √(Σ λ_i z_i²) over Gaussian z, for two kinds of eigenvalues."""

from __future__ import annotations

import math

import numpy as np

from lib import checks


def mean_chi(degrees: np.ndarray | int) -> np.ndarray:
    """Return E[χ_k] = √2 Γ((k+1)/2)/Γ(k/2), the mean length of k standard Gaussians; 0 for k = 0."""
    from scipy import special  # takes a quarter of a second to import; plans of experiments need none of it

    degrees = np.asarray(degrees, dtype=float)
    return np.sqrt(2) * np.exp(special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2))


def equal_eigenvalues(count: int) -> tuple[np.ndarray, float]:
    """Return k equal eigenvalues of sum 1 and their E√Q = E[χ_k]/√k.

    Raises:
        ValueError: the count is no positive integer.
    """
    checks.integers(count=count)
    return np.full(count, 1 / count), float(mean_chi(count)) / math.sqrt(count)


def two_eigenvalues(small: float) -> tuple[np.ndarray, float]:
    """Return the eigenvalues 1 and `small` and their E√Q = √(2/π) E(1 − small), an elliptic integral.

    Raises:
        ValueError: `small` is not in [0, 1].
    """
    from scipy import special

    checks.within("[0, 1]", small=small)
    return np.array([1.0, small]), math.sqrt(2 / math.pi) * float(special.ellipe(1 - small))
