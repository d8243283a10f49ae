"""Random labels: balanced, reproducible, of the stated law, and told apart by nothing."""

import pytest
import torch

from lib.data import random_labels


def test_points_have_length_about_one_and_labels_are_balanced():
    data = random_labels(2000, 50, seed=0, test_samples=501)
    assert (data.n, data.in_features, data.out_features) == (2000, 50, 1)
    squared = data.x.square().sum(dim=1)
    # ‖x‖² has mean 1 and variance 2/d; the mean of 2,000 of them is within 4 standard errors.
    assert abs(float(squared.mean()) - 1) < 4 * (2 / 50 / 2000) ** 0.5
    assert float(squared.var()) == pytest.approx(2 / 50, rel=0.2)
    assert set(data.y.tolist()) == {-1.0, 1.0}
    assert float(data.y.sum()) == 0 and abs(float(data.y_test.sum())) == 1


def test_labels_know_nothing_of_the_points():
    data = random_labels(4000, 3, seed=1)
    # Σ y x is Gaussian with variance n/d in each coordinate.
    assert float((data.y @ data.x).abs().max()) < 4 * (4000 / 3) ** 0.5


def test_seed_and_dtype():
    one, same, other = (random_labels(20, 4, seed=seed, dtype=torch.float64) for seed in (5, 5, 6))
    assert torch.equal(one.x, same.x) and torch.equal(one.y, same.y) and torch.equal(one.x_test, same.x_test)
    assert not torch.equal(one.x, other.x) and not torch.equal(one.y, other.y)
    assert not torch.equal(one.x, one.x_test[:20])
    assert torch.equal(random_labels(20, 4, seed=5, dtype=torch.float32).x, one.x.float())


@pytest.mark.parametrize("name", ["samples", "in_features", "test_samples"])
@pytest.mark.parametrize("value", [0, 2.0, True])
def test_bad_sizes_are_named(name, value):
    sizes = {"samples": 4, "in_features": 4, "test_samples": 4, name: value}
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        random_labels(**sizes, seed=0)
