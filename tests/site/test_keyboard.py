"""The site without a mouse: what `test_pages` says of every page, walked key by key on pages of each kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from keyboard import walk
from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # journeys through the built site
Show = Callable[[str], Page]


@pytest.mark.parametrize("page", ["chapters/00_overview", "chapters/04_theorem_1", "chapters/15_scorecard"])
def test_tab_goes_through_all_controls_in_the_order_of_the_page_and_shows_each(page: str, show: Show) -> None:
    tab = show(page)
    tab.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    stops, hidden, controls = walk(tab)
    assert hidden == []
    assert stops == list(range(controls))
    assert 20 < controls < 500


def test_the_first_key_leads_past_the_menus(show: Show) -> None:
    tab = show("chapters/04_theorem_1")
    tab.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.closest('article, .bd-main') !== null")
