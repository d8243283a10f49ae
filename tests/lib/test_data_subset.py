"""Subsets of the training set: seeded, uniform or with every class's share."""

import numpy as np
import pytest

from lib.data import subset

LABELS = np.repeat([0, 1, 2], [50, 30, 20])[np.random.default_rng(1).permutation(100)]


@pytest.mark.parametrize("choose", [subset.uniform, subset.stratified])
def test_is_a_set_of_indices_that_the_seed_determines(choose):
    first = choose(LABELS, 40, seed=3)
    assert len(set(first)) == 40 and first.min() >= 0 and first.max() < 100
    assert (np.diff(first) > 0).all()
    assert (first == choose(LABELS, 40, seed=3)).all()
    assert (first != choose(LABELS, 40, seed=4)).any()


@pytest.mark.parametrize("choose", [subset.uniform, subset.stratified])
def test_all_samples_are_all_indices(choose):
    assert (choose(LABELS, 100, seed=9) == np.arange(100)).all()


@pytest.mark.parametrize(
    ("samples", "counts"),
    # Shares .5 .3 .2. For 7: 3.5 2.1 1.4, one point left, largest remainder .5; for 5: 2.5 1.5 1, a tie.
    [(10, [5, 3, 2]), (7, [4, 2, 1]), (5, [3, 1, 1]), (99, [49, 30, 20])],
)
def test_stratified_keeps_each_share(samples, counts):
    assert np.bincount(LABELS[subset.stratified(LABELS, samples, seed=0)]).tolist() == counts


def test_uniform_reaches_every_index_equally():
    hits = np.zeros(100)
    for seed in range(400):
        hits[subset.uniform(LABELS, 25, seed)] += 1
    # Binomial(400, 1/4): mean 100, standard deviation 8.66.
    assert abs(hits - 100).max() < 4.5 * 8.66


def test_uniform_subsets_of_one_seed_are_nested():
    assert set(subset.uniform(LABELS, 10, seed=0)) <= set(subset.uniform(LABELS, 20, seed=0))
