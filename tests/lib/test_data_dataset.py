"""lib.data.Dataset: shapes, kinds of target and one sentence for everything that does not fit."""

import dataclasses
import math

import pytest
import torch

from lib.data import Dataset

X, Y = torch.zeros(4, 3), torch.tensor([0, 2, 1, 0])


def test_labels_give_the_number_of_classes():
    data = Dataset(X, Y)
    assert (data.n, data.in_features, data.out_features) == (4, 3, 3)
    assert Dataset(X, Y, X[:1], torch.tensor([4])).out_features == 5
    assert Dataset(X, Y, classes=10).out_features == 10


@pytest.mark.parametrize(("y", "out"), [(torch.zeros(4), 1), (torch.zeros(4, 2), 2)])
def test_regression_targets_give_their_length(y, out):
    data = Dataset(X, y)
    assert data.out_features == out
    assert data.classes is None


def test_to_moves_floats_and_keeps_labels():
    data = Dataset(X, Y, X, Y, classes=7).to("cpu", torch.float64)
    assert data.x.dtype == data.x_test.dtype == torch.float64
    assert data.y.dtype == data.y_test.dtype == torch.int64
    assert data.classes == 7
    assert Dataset(X, X).to(dtype=torch.float64).y.dtype == torch.float64


def test_is_frozen_and_prints_sizes_instead_of_tensors():
    data = Dataset(X, Y, X[:2], Y[:2])
    assert repr(data) == "Dataset(n=4, in_features=3, out_features=3, n_test=2)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.x = X


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[0.0]], Y), TypeError, "x must be a torch.Tensor, got list"),
        ((X, [0, 1, 2, 0]), TypeError, "y must be a torch.Tensor, got list"),
        ((X.long(), Y), TypeError, "x must be floating point"),
        ((X.view(4, 1, 3), Y), ValueError, r"x must have shape \(n, d\).*flatten"),
        ((X[:0], Y[:0]), ValueError, "n, d ≥ 1"),
        ((X, Y[:3]), ValueError, r"y must have shape \(4,\), one label"),
        ((X, Y.int()), TypeError, "int64 class labels"),
        ((X, Y - 1), ValueError, "got the label -1"),
        ((X, torch.zeros(3, 2)), ValueError, r"\(4,\) or \(4, o\)"),
        ((X, torch.zeros(4, 1, 1)), ValueError, r"\(4,\) or \(4, o\)"),
        ((X.index_fill(0, torch.tensor(2), math.nan), Y), ValueError, "x must be finite, but row 2"),
        ((X, torch.full((4,), math.inf)), ValueError, "y must be finite, but row 0"),
        ((X, Y, X), ValueError, "belong together"),
        ((X, Y, X[:, :2], Y), ValueError, "x_test must match x"),
        ((X, Y, X.double(), Y), ValueError, "x_test must match x"),
        ((X, Y, X, X), ValueError, "y_test must match y"),
        ((X, Y, X, Y[:2]), ValueError, "y_test must have shape.*of x_test"),
        ((X, Y, None, None, 2), ValueError, "classes must be an integer above the largest label, 2, got 2"),
        ((X, X, None, None, 2), ValueError, "classes belongs to integer labels"),
    ],
)
def test_refuses_with_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message) as raised:
        Dataset(*arguments)
    assert "\n" not in str(raised.value)


def test_points_whose_sum_leaves_the_range_of_their_type_are_finite():
    Dataset(torch.full((4, 3), 3e38), Y)
    assert not torch.full((4, 3), 3e38).sum().isfinite()
