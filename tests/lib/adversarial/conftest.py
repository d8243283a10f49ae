import pytest
import torch
from torch import nn

from lib.convolutional import CNN
from lib.data import Dataset, load
from lib.networks import FCN


@pytest.fixture(scope="session")
def images():
    """Digits with pixels in [0, 1], and 297 of their training images held out."""
    data = load("digits", scaling="raw")
    return Dataset(data.x[297:], data.y[297:], data.x_test, data.y_test, data.classes), (data.x[:297], data.y[:297])


@pytest.fixture(params=["fcn", "cnn"])
def make(request):
    """Build a small stack of either architecture for digits."""

    def build(replicas=2, seed=0, dtype=torch.float64, width=4):
        options = {"replicas": replicas, "seed": seed, "dtype": dtype}
        if request.param == "fcn":
            return FCN(3 * width, 3, 64, 10, **options)
        return CNN(width, 3, (1, 8, 8), 10, **options)

    return build


@pytest.fixture
def linear():
    """A linear model of two classes, whose best attack is known: its margin falls fastest along one direction."""
    stream = torch.Generator().manual_seed(2)
    model = nn.Linear(7, 2, dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream, dtype=torch.float64))
    x, y = torch.rand(40, 7, generator=stream, dtype=torch.float64), torch.randint(0, 2, (40,), generator=stream)
    return model, x, y
