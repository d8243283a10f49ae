"""What a film of neurons shows: the network that trained, at half its loss, and what stood still in between."""

import pytest
import torch

from lib.experiments.film import film
from lib.experiments.regimes import WidthScan, build, points


@pytest.fixture(scope="module")
def condensed():
    return film(2.0, 20, 3)


def loss(network):
    data = points("line")
    with torch.no_grad():
        return float(((network(data.x)[0, :, 0] - data.y) ** 2).sum()) / (2 * len(data.x))


def test_frames_are_the_start_half_the_loss_and_the_end(condensed):
    start, half, end = condensed.frames
    drawn = build(WidthScan("line", 2, 2.0, 0.0, (20,), 3), 20)
    assert all(torch.equal(kept, weight) for kept, weight in zip(start.weights, drawn.weights, strict=True))
    assert loss(start) == pytest.approx(condensed.losses[0])
    assert loss(half) in [pytest.approx(value) for value in condensed.losses if value <= condensed.losses[0] / 2]
    assert loss(end) <= 1e-6


def test_small_weights_condense_before_the_loss_has_halved(condensed):
    half = next(k for k, value in enumerate(condensed.losses) if value <= condensed.losses[0] / 2)
    assert len(condensed.directions) == len(condensed.losses)
    assert condensed.directions[half] < condensed.directions[0] / 2


def test_an_odd_width_cannot_start_at_zero():
    with pytest.raises(ValueError, match="widths must be even"):
        film(0.5, 21, 0)
