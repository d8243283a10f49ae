"""Table 1's standard deviations, written out by hand, and the names that lead to them."""

import math
import pickle

import pytest

from lib import initializers
from lib.initializers import Initializer

WIDTH, FEATURES, OUTPUTS = 64, 20, 10
TABLE = {
    "lecun": (1 / math.sqrt(20), 1 / 8, 1 / 8),
    "he": (math.sqrt(0.1), math.sqrt(1 / 32), math.sqrt(1 / 32)),
    "ntk": (math.sqrt(1 / 32), math.sqrt(1 / 32), math.sqrt(0.1)),
    "ntk-slides": (math.sqrt(1 / 32), math.sqrt(1 / 32), 1.0),
    "power-2": (1 / 4096, 1 / 4096, 1 / 4096),
    "power-1.5": (1 / 512, 1 / 512, 1 / 512),
    "gamma-1.2": (math.sqrt(0.1), 1.2 * math.sqrt(1 / 32), math.sqrt(1 / 32)),
}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("depth", [2, 3, 6])
def test_betas_are_those_of_table_1(name, depth):
    first, hidden, last = TABLE[name]
    betas = initializers.get(name).betas(WIDTH, depth, FEATURES, OUTPUTS)
    assert betas == pytest.approx((first, *[hidden] * (depth - 2), last), rel=1e-14)


def test_gamma_1_is_he():
    one, he = (initializers.get(name).betas(WIDTH, 5, FEATURES, OUTPUTS) for name in ("gamma-1", "he"))
    assert one == he


def test_an_initializer_of_ones_own_is_taken_as_it_is():
    own = Initializer("constant", lambda m, d, o: (1.0, 2.0, 3.0))
    assert initializers.get(own) is own
    assert own.betas(4, 4, 2, 1) == (1.0, 2.0, 2.0, 3.0)


@pytest.mark.parametrize("name", ["kaiming", "power-0", "power--1", "gamma-", "power-2x", "", None, 3])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"initializer must be one of lecun, he, .*power-<c>.*got"):
        initializers.get(name)


def test_a_mistyped_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'lecun'"):
        initializers.get("lecunn")


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ((0, 2, 1, 1), "width must be an integer of at least 1, got 0"),
        ((4, 1, 1, 1), "depth must be an integer of at least 2, got 1"),
        ((4, 2, 0, 1), "in_features must be an integer of at least 1, got 0"),
        ((4, 2, 1, -3), "out_features must be an integer of at least 1, got -3"),
        ((4.0, 2, 1, 1), "width must be an integer of at least 1, got 4.0"),
        ((True, 2, 1, 1), "width must be an integer of at least 1, got True"),
    ],
)
def test_sizes_that_are_no_network_are_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        initializers.get("he").betas(*sizes)


@pytest.mark.parametrize("name", ["lecun", "he", "ntk", "ntk-slides", "power-2", "power-1.5", "gamma-1.2"])
def test_an_initializer_is_equal_to_itself_in_another_process(name):
    law = initializers.get(name)
    assert initializers.get(name) == law
    there = pickle.loads(pickle.dumps(law))
    assert there == law
    assert there.betas(64, 3, 10, 2) == law.betas(64, 3, 10, 2)
    assert initializers.get("power-2") != initializers.get("power-3")
