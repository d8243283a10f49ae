"""A data set without a test set gets one that is held out, always the same; one that has its own keeps it."""

import torch

from lib.data import Dataset
from lib.data.images import with_test_set


def test_training_points_stand_in_for_a_test_set_that_is_not_there():
    x = torch.arange(5_000.0)[:, None]
    data = Dataset(x, torch.arange(5_000) % 10, classes=10)
    found = with_test_set(data)
    assert (found.n, len(found.x_test)) == (3_000, 2_000)
    assert torch.equal(torch.cat([found.x, found.x_test]).sort(dim=0).values, x)
    assert torch.equal(found.y_test, found.x_test[:, 0].long() % 10)
    assert torch.equal(found.x_test, with_test_set(data).x_test)
    assert with_test_set(found) is found
