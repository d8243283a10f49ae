"""The landing page's picture of P in a browser: its numbers follow its sliders and its handle."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page

from lib.explorer import stability_picture

JACOBIAN = torch.tensor([[1.0, 0.5], [0.0, 0.8]])


@pytest.fixture
def picture(tab: Page, tmp_path: Path) -> Page:
    page = tmp_path / "page.html"
    body = stability_picture(JACOBIAN, epsilon=0.5, angle=90)
    page.write_text(f"<!doctype html><html lang=en><body style='width: 600px'>{body}", encoding="utf-8")
    tab.goto(page.as_uri())
    return tab


def numbers(tab: Page) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d+", tab.locator("output").inner_text())]


def test_it_starts_with_the_length_of_the_step_and_p(picture: Page) -> None:
    change, stability = numbers(picture)
    assert change == pytest.approx(0.5 * math.hypot(0.5, 0.8), abs=0.01)
    angles = torch.arange(3600) * 2 * math.pi / 3600
    lengths = (JACOBIAN @ torch.stack([angles.cos(), angles.sin()])).norm(dim=0)
    assert stability == pytest.approx(0.5 * 2 / 3 * float(lengths.mean()), abs=0.01)


def test_p_is_linear_in_the_radius_and_the_same_in_every_direction(picture: Page) -> None:
    _, before = numbers(picture)
    picture.locator("[name=epsilon]").fill("1")
    picture.locator("[name=angle]").fill("0")
    change, after = numbers(picture)
    assert change == pytest.approx(1.0, abs=0.01)
    assert after == pytest.approx(2 * before, abs=0.02)


def test_the_handle_can_be_dragged(picture: Page) -> None:
    box = picture.locator("[data-part=handle]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    picture.mouse.move(x, y)
    picture.mouse.down()
    picture.mouse.move(x + 40, y + 40)
    picture.mouse.up()
    assert picture.locator("[name=angle]").input_value() not in ("90", "40")
    assert numbers(picture)[0] != pytest.approx(0.5 * math.hypot(0.5, 0.8), abs=0.01)
