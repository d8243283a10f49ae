"""The explorer of chapter 4 in a browser: its drawn points are those of `theorem1`, whatever control moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from visit import listening

from lib.explorer import theorem1_explorer
from lib.theory.bounds import theorem1, theorem1_terms
from lib.theory.initialization import mean_stability

pytestmark = pytest.mark.slow  # a journey over every control

PAGE = "chapters/04_theorem_1"

# The points of a curve, turned from pixels back into numbers by the extents that the drawing carries.
_POINTS = """svg => {
  const { left, right, top, bottom, low, high, begin, end } = Object.fromEntries(
    Object.entries(svg.dataset).map(([key, value]) => [key, Number(value)]));
  const axis = svg.dataset.axis;
  return Object.fromEntries([...svg.querySelectorAll('path[data-curve]')].map(path => [
    path.dataset.curve,
    [...path.getAttribute('d').matchAll(/[ML]([-\\d.]+) ([-\\d.]+)/g)].map(([, x, y]) => [
      (value => axis === 'width' ? 2 ** value : value)(begin + (end - begin) * (x - left) / (right - left)),
      10 ** (high - (high - low) * (y - top) / (bottom - top))]).filter(([, value]) => value >= 10 ** low)]));
}"""

START = {"width": 64, "depth": 6, "inputs": 784, "outputs": 10, "initializer": "he", "gamma": 1.2}


def name_of(state: dict) -> str:
    return f"gamma-{state['gamma']:g}" if state["initializer"] == "gamma" else state["initializer"]


def expected(state: dict, curve: str) -> float:
    arguments = state["width"], state["depth"], state["inputs"], state["outputs"], name_of(state)
    if curve == "bound":
        return theorem1(*arguments)
    return mean_stability(*arguments) if curve == "exact" else getattr(theorem1_terms(*arguments), curve)


def check(tab: Page, state: dict) -> None:
    """Compare the first, middle and last drawn point of every curve of both panels, and the table, with Python."""
    for axis in ("width", "depth"):
        curves = tab.locator(f".theorem1-explorer svg[data-axis={axis}]").evaluate(_POINTS)
        assert set(curves) == {"bound", "transition", "plateau", "exact"}
        assert len(curves["bound"]) > 10
        for curve, points in curves.items():
            for place, value in (points[0], points[len(points) // 2], points[-1]) if points else ():
                assert place == pytest.approx(round(place), rel=1e-3)
                assert value == pytest.approx(expected({**state, axis: round(place)}, curve), rel=2e-3), (axis, curve)
    for curve in ("bound", "transition", "plateau", "exact"):
        shown = tab.locator(f".theorem1-explorer [data-value={curve}]").inner_text()
        # "1.234 · 10⁻⁵"
        number, _, power = shown.partition(" · 10")
        power = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        assert float(number) * 10.0 ** int(power or 0) == pytest.approx(expected(state, curve), rel=1e-3), curve


def chosen(tab: Page) -> dict:
    """Read what the controls say that they are set to."""
    state = {"initializer": tab.locator(".theorem1-explorer [name=initializer]").input_value()}
    for name in ("gamma", "width", "depth", "inputs", "outputs"):
        text = tab.locator(f".theorem1-explorer [name={name}]").get_attribute("aria-valuetext")
        state[name] = float(text) if name == "gamma" else int(text)
    return state


@pytest.fixture
def explorer(show, tab: Page) -> Page:
    show(PAGE)
    tab.reload()  # every test begins with the start of the page
    return tab


def test_the_start_is_drawn(explorer: Page) -> None:
    assert chosen(explorer) == START
    check(explorer, START)


def test_every_initialization(explorer: Page) -> None:
    for initializer in ("lecun", "ntk", "ntk-slides", "gamma", "he"):
        explorer.locator(".theorem1-explorer [name=initializer]").select_option(initializer)
        check(explorer, {**START, "initializer": initializer})
        assert explorer.locator(".theorem1-explorer [name=gamma]").is_visible() is (initializer == "gamma")


def test_every_slider_by_hand_and_by_key(explorer: Page) -> None:
    explorer.locator(".theorem1-explorer [name=initializer]").select_option("gamma")
    for name in ("gamma", "width", "depth", "inputs", "outputs"):
        slider = explorer.locator(f".theorem1-explorer [name={name}]")
        others = {key: value for key, value in chosen(explorer).items() if key != name}
        seen = {chosen(explorer)[name]}
        for move in ("0", slider.get_attribute("max"), "7"):
            slider.fill(move)
            state = chosen(explorer)
            check(explorer, state)
            seen.add(state.pop(name))
            assert state == others
        assert len(seen) == 4
        before = chosen(explorer)[name]
        slider.focus()
        slider.press("ArrowRight")
        state = chosen(explorer)
        assert state[name] > before
        check(explorer, state)
        assert float(slider.locator("xpath=..").locator("output").inner_text()) == state[name]


def test_moving_a_control_asks_for_nothing_and_says_nothing(explorer: Page) -> None:
    with listening(explorer) as visit:
        explorer.locator(".theorem1-explorer [name=depth]").fill("10")
        explorer.set_viewport_size({"width": 700, "height": 900})
        check(explorer, chosen(explorer))
    explorer.set_viewport_size({"width": 1280, "height": 900})
    assert visit.trouble == []
    assert visit.outside == []


def test_a_start_between_the_stops_is_kept(tab: Page, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    body = theorem1_explorer(100, 23, 65, 7, "gamma", 0.93)
    page.write_text(f"<!doctype html><html lang=en><body style='width: 800px'>{body}", encoding="utf-8")
    tab.goto(page.as_uri())
    state = {"width": 100, "depth": 23, "inputs": 65, "outputs": 7, "initializer": "gamma", "gamma": 0.93}
    assert chosen(tab) == state
    check(tab, state)


def test_a_static_figure_stands_before_it_for_print(explorer: Page) -> None:
    figure = explorer.locator("article figure#fig-04-bound")
    expect(figure.locator("img")).to_be_visible()
    later = "(figure, other) => figure.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING"
    handle = explorer.locator(".theorem1-explorer").element_handle()
    assert figure.evaluate(later, handle)


def test_a_wrong_formula_is_found(tab: Page, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    body = theorem1_explorer(64, 6, 784, 10, "he")
    wrong = body.replace("- m / L ** 3", "- m / L ** 2")
    assert wrong != body
    page.write_text(f"<!doctype html><html lang=en><body style='width: 800px'>{wrong}", encoding="utf-8")
    tab.goto(page.as_uri())
    with pytest.raises(AssertionError):
        check(tab, START)
