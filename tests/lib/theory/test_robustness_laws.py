"""The laws of robustness against hand values, their limits, and what they forbid on data that can be enumerated."""

import math

import pytest
import torch

from lib.data import random_labels
from lib.theory.robustness_laws import (
    bubeck_li_nagaraj,
    bubeck_sellke,
    counting_bound,
    samples_needed,
    smallest_lipschitz,
)


@pytest.mark.parametrize(
    ("n", "d", "p", "gap", "value"),
    [(100, 4, 100, 1.0, 2.0), (512, 64, 32768, 0.5, 0.5), (50, 8, 1600, 0.2, 0.1)],
)
def test_universal_law_by_hand(n, d, p, gap, value):
    assert bubeck_sellke(n, d, p, gap) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("n", "k", "value"), [(100, 25, 2.0), (512, 512, 1.0), (7, 63, 1 / 3)])
def test_two_layer_law_by_hand(n, k, value):
    assert bubeck_li_nagaraj(n, k) == pytest.approx(value, rel=1e-12)


def test_the_two_laws_agree_on_two_layers():
    n, d, k = 512, 32, 100
    ratio = bubeck_sellke(n, d, k * (d + 1)) / bubeck_li_nagaraj(n, k)
    assert ratio == pytest.approx(math.sqrt(d / (d + 1)), rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        # √(nd / (2(bp log 2 + log(1/δ)))) times 1 − √(1−ε) − |ȳ|, written out with numbers.
        (
            {"samples": 100, "in_features": 10, "parameters": 50, "bits": 1, "delta": 0.5},
            math.sqrt(1000 / 51 / 2 / math.log(2)),
        ),
        (
            {"samples": 512, "in_features": 64, "parameters": 1040, "gap": 0.75, "delta": math.exp(-1)},
            0.5 * math.sqrt(512 * 64 / (2 * (32 * 1040 * math.log(2) + 1))),
        ),
        (
            {"samples": 8, "in_features": 2, "parameters": 1, "bits": 8, "gap": 0.64, "delta": 0.5, "mean_label": -0.1},
            0.3 * math.sqrt(16 / (18 * math.log(2))),
        ),
    ],
)
def test_counting_bound_by_hand(arguments, value):
    assert counting_bound(**arguments) == pytest.approx(value, rel=1e-12)


def test_counting_bound_limits():
    sizes = {"samples": 512, "in_features": 64}
    # More parameters allow less steepness, a better fit and coarser parameters demand more.
    values = [counting_bound(**sizes, parameters=p) for p in (10, 100, 10**6, 10**12)]
    assert values == sorted(values, reverse=True) and values[-1] < 1e-3
    assert counting_bound(**sizes, parameters=100, bits=8) > counting_bound(**sizes, parameters=100, bits=32)
    gaps = [counting_bound(**sizes, parameters=100, gap=gap) for gap in (1e-6, 0.1, 0.9, 1)]
    assert gaps == sorted(gaps) and gaps[0] < 1e-4
    # A constant function fits what all labels have in common.
    assert counting_bound(**sizes, parameters=100, gap=0.5, mean_label=0.3) == 0
    # The universal law up to its factor, √(2 b log 2), where the failure probability does not matter.
    ratio = bubeck_sellke(512, 64, 10**6) / counting_bound(**sizes, parameters=10**6)
    assert ratio == pytest.approx(math.sqrt(2 * 32 * math.log(2)), rel=1e-5)


def test_no_function_of_a_small_class_beats_the_counting_bound():
    """2^bits linear functions of one direction each, as steep as the bound: in 500 data sets hardly one fits."""
    bits, n, d, delta, gap = 6, 8, 4, 0.2, 0.19
    steepness = counting_bound(n, d, parameters=1, gap=gap, bits=bits, delta=delta)
    stream = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(2**bits, d, generator=stream), dim=1)
    y = torch.tensor([1.0, -1.0]).repeat(n // 2)
    x = torch.randn(500, n, d, generator=stream) / math.sqrt(d)

    def share_that_fits(slope):
        errors = (slope * x @ directions.T - y[:, None]).square().mean(dim=1)
        return (errors <= 1 - gap).any(dim=1).double().mean()

    assert share_that_fits(steepness) <= delta
    # The same class does fit when it may be steeper: the test can fail.
    assert share_that_fits(2 * steepness) > delta


def test_samples_needed_by_hand():
    assert samples_needed(1.0, 0.5) == pytest.approx(4096 * math.log(16), rel=1e-12)
    assert samples_needed(0.1, 0.5) == pytest.approx(100 * samples_needed(1.0, 0.5), rel=1e-12)


def test_smallest_lipschitz_by_hand():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    assert smallest_lipschitz(x, torch.tensor([1.0, -1.0, 1.0])) == pytest.approx(2 / math.sqrt(18), rel=1e-12)
    assert smallest_lipschitz(x, torch.ones(3)) == 0
    assert smallest_lipschitz(x[[0, 0]], torch.tensor([1.0, -1.0])) == math.inf


def test_an_interpolant_is_exactly_as_steep_as_the_smallest_lipschitz():
    data = random_labels(60, 5, seed=3, dtype=torch.float64)
    slope = smallest_lipschitz(data.x, data.y)

    def extension(points):
        return (data.y + slope * torch.cdist(points, data.x)).amin(dim=1)

    assert torch.allclose(extension(data.x), data.y, atol=1e-12)
    points = torch.cat([data.x, data.x_test[:200]])
    assert smallest_lipschitz(points, extension(points)) == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: bubeck_sellke(0, 4, 4), "samples must be an integer of at least 1, got 0"),
        (lambda: bubeck_sellke(4, 4, True), "parameters must be an integer"),
        (lambda: bubeck_sellke(4, 4, 4, gap=0), r"gap must be in \(0, 1\]"),
        (lambda: bubeck_sellke(4, 4, 4, gap=math.nan), r"gap must be in \(0, 1\]"),
        (lambda: bubeck_li_nagaraj(4, 0.5), "width must be an integer of at least 1, got 0.5"),
        (lambda: counting_bound(4, 4, 4, bits=0), "bits must be an integer of at least 1"),
        (lambda: counting_bound(4, 4, 4, delta=1), r"delta must be in \(0, 1\)"),
        (lambda: counting_bound(4, 4, 4, mean_label=math.inf), r"mean_label must be in \[-1, 1\], got inf"),
        (lambda: samples_needed(2), r"gap must be in \(0, 1\]"),
        (lambda: samples_needed(1, delta=0), r"delta must be in \(0, 1\)"),
        (lambda: smallest_lipschitz(torch.ones(1, 2), torch.ones(1)), r"n ≥ 2, got \(1, 2\) and \(1,\)"),
        (lambda: smallest_lipschitz(torch.ones(3, 2), torch.ones(3, 1)), "x and y must have shapes"),
        (lambda: smallest_lipschitz(torch.tensor([[math.nan], [1.0]]), torch.ones(2)), "x and y must be finite"),
    ],
)
def test_bad_input_is_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
