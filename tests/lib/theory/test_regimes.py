"""Luo et al.'s plane against hand values, and Theorem 2's condition against its own limits."""

from __future__ import annotations

import math

import pytest
import torch

from lib.estimators import relative_change
from lib.experiments.regimes import points
from lib.initializers import Initializer, get
from lib.networks import FCN
from lib.theory.regimes import (
    boundary,
    layer_change_bound,
    regime,
    scaled_initializer,
    scales,
    theorem2_ratio,
    theorem2_width,
    width_slope,
)
from lib.training import gradient_flow


@pytest.mark.parametrize(
    ("name", "alpha_power", "expected"),
    [
        ("lecun", 0, (0.5, 0.5)),
        ("he", 0, (0.5, 0.5)),
        ("ntk", 0, (0.5, -0.5)),  # in Zhu et al.'s form; in Luo et al.'s it is α = √m with β of order one
        ("power-1", 0.5, (2.5, 0)),
        ("power-2", 0, (4, 0)),
    ],
)
def test_known_initializations_lie_where_luo_et_al_put_them(name, alpha_power, expected) -> None:
    assert scales(name, 7, alpha_power) == pytest.approx(expected, abs=1e-12)


def test_mean_field_lies_on_the_boundary() -> None:
    ones = Initializer("ones", lambda m, d, o: (1.0, 1.0, 1.0))
    assert scales(ones, 3, alpha_power=1) == pytest.approx((1, 0), abs=1e-12)
    assert scales(ones, 3, alpha_power=0.5) == pytest.approx((0.5, 0), abs=1e-12)
    assert regime(*scales(ones, 3, alpha_power=1)) == "critical"


@pytest.mark.parametrize("gamma", [0.5, 1.3, 4.0])
@pytest.mark.parametrize("gamma_prime", [-0.4, 0.0, 0.7])
def test_the_representative_lies_where_it_is_asked_to(gamma, gamma_prime) -> None:
    law = scaled_initializer(gamma, gamma_prime)
    assert scales(law, 5) == pytest.approx((gamma, gamma_prime), abs=1e-12)
    inward, outward = law.betas(100, 2, 5, 1)
    assert inward * outward == pytest.approx(100**-gamma)
    assert outward / inward == pytest.approx(100**-gamma_prime)


def test_without_gamma_prime_it_is_a_power_of_m() -> None:
    assert scaled_initializer(4, 0).betas(64, 4, 5, 1) == pytest.approx(get("power-2").betas(64, 4, 5, 1))


@pytest.mark.parametrize(
    ("gamma", "gamma_prime", "expected"),
    [
        (0.5, 0, "linear"),
        (1.75, 0, "condensed"),
        (1, 0, "critical"),
        (1, -0.4, "critical"),
        (1.2, 0.2, "critical"),
        (1.2, 0.4, "linear"),
        (1.4, 0.2, "condensed"),
        (0.9, -2, "linear"),
    ],
)
def test_regimes_are_the_theorems(gamma, gamma_prime, expected) -> None:
    assert regime(gamma, gamma_prime) == expected


def test_the_predicted_slope_vanishes_on_the_boundary_and_has_its_regimes_sign() -> None:
    for j in range(-10, 11):
        prime = j / 10
        edge = boundary(prime)
        assert width_slope(edge, prime) == pytest.approx(0 if prime >= 0 else width_slope(edge, prime))
        for step in (0.01, 0.3, 1.0):
            assert width_slope(edge + step, prime) > 0
            if edge > step:
                assert width_slope(edge - step, prime) < 0


def test_the_predicted_slope_at_hand_values_and_across_its_pieces() -> None:
    assert width_slope(0.5, 0) == -0.5
    assert width_slope(1, 0) == 0
    assert width_slope(1.75, 0) == 0.375
    assert width_slope(0.5, -0.5) == -0.5  # NTK
    assert width_slope(0.5, 0.5) == -1.5  # He and LeCun: the output layer does the work
    for gamma, prime in [(1.0, 0.3), (1.0, -0.3), (1.3, 0.3), (1.3, -0.3), (1.0, 0.0), (0.8, 0.0)]:
        around = [
            width_slope(gamma + a * 1e-7, prime + b * 1e-7) - width_slope(gamma, prime)
            for a in (-1, 1)
            for b in (-1, 1)
        ]
        assert max(map(abs, around)) < 1e-5


def test_theorem_2_by_hand_and_its_threshold() -> None:
    assert theorem2_ratio(100, 2, 5, "power-2") == pytest.approx((1000 * 2e-4) ** 2)
    assert theorem2_ratio(100, 3, 5, "power-2", alpha=2.0) == pytest.approx((1000 * 3e-4) ** 3 / 2)
    betas = (math.sqrt(2 / 5), math.sqrt(2 / 64), math.sqrt(2 / 64))
    assert theorem2_ratio(64, 3, 5, "he") == pytest.approx((512 * sum(betas)) ** 3)
    # At c = 3/2 it is L^L for every width; above it vanishes with m, below it grows.
    for depth in (2, 3, 4):
        for width in (2**4, 2**14, 2**40):
            assert theorem2_ratio(width, depth, 5, "power-1.5") == pytest.approx(depth**depth)
        assert theorem2_ratio(2**40, depth, 5, "power-1.6") < theorem2_ratio(2**20, depth, 5, "power-1.6")
        assert theorem2_ratio(2**40, depth, 5, "power-1.4") > theorem2_ratio(2**20, depth, 5, "power-1.4")


def test_the_width_of_theorem_2_solves_its_equation() -> None:
    width = theorem2_width(3, 2.0, ratio=1e-3)
    assert width == pytest.approx((3 / 0.1) ** 2)
    assert theorem2_ratio(round(width), 3, 5, "power-2") == pytest.approx(1e-3, rel=1e-2)
    assert theorem2_width(2, 1.5) == math.inf
    assert theorem2_width(2, 1.500001) == math.inf  # beyond the largest float


def test_the_bound_on_every_layer_by_hand_and_on_a_trained_network() -> None:
    assert layer_change_bound([0.1, 0.1], 1.0) == pytest.approx([9, 9])
    assert layer_change_bound([0.3, 0.1], 1.0) == pytest.approx([1 / 0.3 - 1, math.sqrt(1 - 0.08) / 0.1 - 1])
    assert layer_change_bound([2.0, 3.0, 1.0], 1.0) == [0, 0, 0]
    assert layer_change_bound([0.1] * 3, 1.0, alpha=8.0) == pytest.approx([19] * 3)
    for depth in (2, 3):
        network = FCN(12, depth, 8, 1, "power-1.5", seed=1, dtype=torch.float64)
        start = [weight.detach().clone() for weight in network.weights]
        data = points("teacher")
        gradient_flow(network, data, stop_at=1e-2)
        with torch.no_grad():
            reached = float(network(data.x).abs().max())
        bounds = layer_change_bound([float(weight.norm()) for weight in start], reached)
        moved = relative_change(network, start)[0].tolist()
        assert all(b < m for b, m in zip(bounds, moved, strict=True)) and min(bounds) > 1


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: regime(0, 0), "gamma must be positive"),
        (lambda: regime(math.nan, 0), "gamma must be positive"),
        (lambda: regime(1, math.inf), "gamma_prime must be a finite number"),
        (lambda: width_slope(-1, 0), "gamma must be positive"),
        (lambda: boundary(math.nan), "gamma_prime must be a finite"),
        (lambda: scaled_initializer(1, math.nan), "gamma_prime must be a finite"),
        (lambda: scales("hee", 3), "initializer must be one of"),
        (lambda: scales("he", 0), "in_features must be an integer of at least 1"),
        (lambda: scales("he", 3, math.inf), "alpha_power must be a finite"),
        (lambda: theorem2_ratio(0, 2, 3, "he"), "width must be an integer of at least 1"),
        (lambda: theorem2_ratio(8, 1, 3, "he"), "depth must be an integer of at least 2"),
        (lambda: theorem2_ratio(8, 2, 3, "he", alpha=0), "alpha must be positive"),
        (lambda: layer_change_bound([1.0], 1), "norms must be at least two"),
        (lambda: layer_change_bound([1.0, 0.0], 1), "norms must be at least two, positive"),
        (lambda: layer_change_bound([1.0, 1.0], math.nan), "output must be at least 0 and finite"),
        (lambda: layer_change_bound([1.0, 1.0], 1, alpha=0), "alpha must be positive"),
        (lambda: theorem2_width(1, 2), "depth must be an integer of at least 2"),
        (lambda: theorem2_width(2, 0), "c must be positive"),
        (lambda: theorem2_width(2, 2, 1), r"ratio must be in \(0, 1\)"),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_argument(call, name) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        call()
    assert "\n" not in str(caught.value)
