"""Closed forms of E√Q against draws and against each other."""

import math

import numpy as np
import pytest

from lib.theory.gaussian_norms import equal_eigenvalues, mean_chi, two_eigenvalues


def test_one_eigenvalue_is_the_mean_of_a_half_normal():
    spectrum, mean = equal_eigenvalues(1)
    assert spectrum.tolist() == [1.0] and mean == pytest.approx(math.sqrt(2 / math.pi))
    assert two_eigenvalues(0.0)[1] == pytest.approx(mean)


def test_two_equal_ones_agree():
    assert (
        two_eigenvalues(1.0)[1] == pytest.approx(mean_chi(2)) == pytest.approx(math.sqrt(2) * equal_eigenvalues(2)[1])
    )


def test_no_gaussians_have_no_length():
    assert mean_chi([0, 1, 2]) == pytest.approx([0, math.sqrt(2 / math.pi), math.sqrt(math.pi / 2)])


def test_two_eigenvalues_against_draws():
    spectrum, mean = two_eigenvalues(0.3)
    z = np.random.default_rng(0).standard_normal((200_000, 2))
    lengths = np.sqrt((z**2) @ spectrum)
    assert abs(lengths.mean() - mean) < 4 * lengths.std() / math.sqrt(len(z))


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="count must be an integer of at least 1"):
        equal_eigenvalues(0)
    with pytest.raises(ValueError, match=r"small must be in \[0, 1\]"):
        two_eigenvalues(1.5)
