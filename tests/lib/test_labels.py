"""Labels of every integer type are the same labels, anything else is named, and NaN is no class."""

import numpy as np
import pytest
import torch

from lib.labels import class_labels, predicted

KINDS = [torch.tensor, np.array, list, tuple, lambda y: [torch.tensor(label) for label in y]]
KINDS += [lambda y, kind=kind: torch.tensor(y).to(kind) for kind in (torch.int32, torch.int16, torch.uint8)]
KINDS += [lambda y, kind=kind: np.array(y, kind)[::-1][::-1] for kind in ("i1", "u1", "u2", "u4", "u8", ">i4")]


@pytest.mark.parametrize("kind", KINDS)
def test_integers_of_any_type_are_labels(kind):
    found = class_labels(kind([2, 0, 1, 2]), points=4, outputs=3)
    assert found.dtype == torch.int64
    assert found.tolist() == [2, 0, 1, 2]


@pytest.mark.parametrize(
    ("y", "got"),
    [
        (torch.zeros(3, 1, dtype=torch.int64), "shape (3, 1)"),
        ([0, 1], "shape (2,)"),
        (1, "shape ()"),
        (torch.tensor([0, 1, 3]), "integers from 0 to 3"),
        (np.array([-1, 0, 1]), "integers from -1 to 1"),
        (torch.tensor([0.0, 1.0, 2.0]), "torch.float32 of shape (3,)"),
        (np.array([0, 1, 2], "f4"), "float32 of shape (3,)"),
        ([0.5, 1, 2], "torch.float64 of shape (3,)"),
        ([True, False, True], "torch.bool of shape (3,)"),
        (torch.eye(3, dtype=torch.int64).to_sparse(), "Tensor"),
        (["a", "b", "c"], "list"),
        ([[0], [1, 2], [0]], "list"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_label_is_named(y, got):
    with pytest.raises(ValueError) as refused:
        class_labels(y, points=3, outputs=3)
    assert str(refused.value) == f"y must be 3 integers from 0 to 2, the classes of the points, got {got}."


def test_one_output_has_no_two_classes():
    with pytest.raises(ValueError, match=r"^network must have at least 2 outputs, one a class, got 1;"):
        class_labels([0, 0], points=2, outputs=1)


def test_only_a_finite_largest_output_is_a_class():
    inf, nan = torch.inf, torch.nan
    f = torch.tensor([[1.0, 3, 2], [nan, 3, 2], [1, 3, nan], [-inf, 1, -inf], [inf, 1, 2], [-inf, -inf, -inf]])
    assert predicted(f).tolist() == [1, -1, -1, 1, -1, -1]
    assert predicted(f.expand(2, 6, 3)).shape == (2, 6)
