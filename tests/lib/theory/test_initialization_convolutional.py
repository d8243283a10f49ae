"""The second moment at initialization of a convolutional network: by hand, by Monte Carlo, and its limits."""

import math

import numpy as np
import pytest
import torch

from lib.convolutional import CNN
from lib.theory import initialization
from lib.theory.initialization_convolutional import mean_square_gain, rms_stability

DRAWS = 1500


def test_by_hand_with_one_convolution():
    # 2×2 pixels, stride 1: each of the 4 patches holds all 4 pixels. (m β_1²/2) · 4 patches · |u|² · o β_2².
    m, o = 6, 3
    first, last = 2 / 9, 2 / (4 * m)
    exact = mean_square_gain(m, 2, (1, 2, 2), o, "he", direction=np.array([0.0, 2.0, 0.0, 0.0]))
    assert exact == pytest.approx(m * first / 2 * 4 * 4 * o * last)
    # 6×6 pixels, stride 2: patches at rows 0, 2, 4; the corner (0, 0) lies in one, (1, 1) in four, (5, 5) in one.
    for pixel, patches in (((0, 0), 1), ((1, 1), 4), ((0, 1), 2), ((5, 5), 1), ((4, 4), 1)):
        u = np.zeros((6, 6))
        u[pixel] = 1
        exact = mean_square_gain(m, 2, (1, 6, 6), o, "he", direction=u.ravel())
        assert exact == pytest.approx(m * first / 2 * patches * o * 2 / (9 * m))


@pytest.mark.parametrize(
    ("image", "depth", "width", "name"),
    [((2, 7, 5), 3, 4, "lecun"), ((1, 8, 8), 4, 6, "he"), ((1, 8, 8), 3, 6, "ntk")],
)
def test_monte_carlo(image, depth, width, name):
    network = CNN(width, depth, image, 3, name, replicas=DRAWS, seed=1, dtype=torch.float64)
    x = torch.randn(1, network.in_features, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    black = x.clone()
    black[:, : network.in_features // 2] = 0  # some patches are all zero
    with torch.no_grad():
        for point in (x, black):
            squares = network.jacobian_gram(point).diagonal(dim1=-2, dim2=-1).sum(dim=(1, 2)) / network.in_features
            agree(squares, mean_square_gain(width, depth, image, 3, name, x=point[0].numpy()))
            outputs = network(point).square().sum(dim=(1, 2))
            agree(outputs, mean_square_gain(width, depth, image, 3, name, point[0].numpy(), point[0].numpy()))


def agree(values, exact):
    """Four standard errors, which are themselves small enough to see a patch too many."""
    error = float(values.std()) / DRAWS**0.5
    assert abs(float(values.mean()) - exact) < 4 * error
    assert error < 0.06 * exact


def test_under_he_width_changes_nothing_and_only_the_border_tells_depths_apart():
    value = {(m, L): rms_stability(m, L, (1, 28, 28), 10, "he") for m in (4, 64) for L in (2, 4, 6)}
    connected = initialization.rms_stability(16, 2, 784, 10, "he")
    for depth in (2, 4, 6):
        assert value[4, depth] == pytest.approx(value[64, depth])
    assert connected > value[4, 2] > value[4, 4] > value[4, 6] > connected / 2
    # A border is a smaller part of a larger image.
    assert rms_stability(4, 2, (1, 512, 512), 10, "he") == pytest.approx(
        initialization.rms_stability(16, 2, 512**2, 10, "he"), rel=3e-3
    )


def test_lecun_falls_by_root_two_a_layer_beside_the_border():
    def ratio(depth):
        image = (1, 28, 28)
        return rms_stability(8, depth, image, 10, "lecun") / rms_stability(8, depth, image, 10, "he")

    assert ratio(5) / ratio(4) == pytest.approx(math.sqrt(0.5))


def test_a_direction_that_is_no_image_is_refused():
    with pytest.raises(ValueError, match=r"direction must be an image of \(1, 8, 8\) flattened, got the shape \(3,\)"):
        mean_square_gain(4, 2, (1, 8, 8), 10, "he", direction=np.ones(3))
