"""The explorer's page as text; tests/site/test_explorer.py moves its controls in a browser."""

import json
import math
import re
from html import unescape

import pytest
import torch

from lib.explorer import stability_picture, theorem1_explorer


def test_the_page_is_whole_and_starts_where_it_is_told():
    page = theorem1_explorer(100, 7, 64, 3, "gamma", 0.93)
    start = json.loads(unescape(re.search('data-start="([^"]*)"', page)[1]))
    assert start == {"width": 100, "depth": 7, "inputs": 64, "outputs": 3, "initializer": "gamma", "gamma": 0.93}
    assert "{start}" not in page and "{script}" not in page
    assert "querySelectorAll" in page


def test_the_page_asks_for_nothing_from_elsewhere():
    page = theorem1_explorer(64, 6, 784, 10, "he").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w+\.\w|fetch\(|import\(|\bsrc=|\bhref=", page)


def test_every_control_has_a_label_and_the_drawings_are_named():
    page = theorem1_explorer(64, 6, 784, 10, "he")
    labels = re.findall(r"<label>(.*?)</label>", page, re.DOTALL)
    assert [re.search('name="([^"]*)"', label)[1] for label in labels] == [
        "initializer", "gamma", "width", "depth", "inputs", "outputs"
    ]  # fmt: skip
    for drawing in re.findall("<svg[^>]*>", page):
        assert 'aria-hidden="true"' in drawing or 'role="img"' in drawing
    assert "<noscript>" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 6, 784, 10, "he"), "width must be an integer of at least 1"),
        ((64, 1, 784, 10, "he"), "depth must be an integer of at least 2"),
        ((64, 6, 784.0, 10, "he"), "in_features must be an integer"),
        ((64, 6, 784, 0, "he"), "out_features must be an integer of at least 1"),
        ((64, 6, 784, 65, "he"), "out_features must be at most the width 64"),
        ((64, 6, 784, 10, "power-2"), "initializer must be one of lecun, he"),
        ((64, 6, 784, 10, "gamma", 0.0), "gamma must be positive and finite"),
        ((64, 6, 784, 10, "gamma", math.nan), "gamma must be positive and finite"),
    ],
)
def test_what_the_bound_refuses_the_explorer_refuses(arguments, message):
    with pytest.raises(ValueError, match=message) as raised:
        theorem1_explorer(*arguments)
    assert "\n" not in str(raised.value)


def test_the_picture_of_stability_holds_the_exact_value():
    page = stability_picture(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    start = json.loads(unescape(re.search('data-start="([^"]*)"', page)[1]))
    assert start["stability"] == pytest.approx(2 / 3)  # the mean length of a point in the unit disc
    assert "{start}" not in page and "{script}" not in page
    assert not re.search(r"https?:|fetch\(|import\(|\bsrc=|\bhref=", page)


@pytest.mark.parametrize(
    ("shape", "epsilon", "message"), [((3, 2), 0.5, "must be 2 x 2"), ((2, 2), 0.0, r"epsilon must be in \[0.1, 1\]")]
)
def test_the_picture_of_stability_refuses_what_it_cannot_draw(shape, epsilon, message):
    with pytest.raises(ValueError, match=message):
        stability_picture(torch.ones(shape), epsilon)
