"""The cards behind links: a mouse and the keyboard open them, Escape closes them, a finger follows the link."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from colours import contrast_problems
from playwright.sync_api import Page, expect
from visit import SETTLED, listening

Show = Callable[[str], Page]

BOUND = "chapters/04_theorem_1"
# In kilobytes; the page on notation defines and links the most.
HEAVIEST = 20
_KEPT = re.compile(r'<template class="cards">(.*)</template>', re.DOTALL)


def test_a_page_keeps_what_its_text_refers_to_and_little_else(page_name: str, html: Path) -> None:
    page = (html / f"{page_name}.html").read_text(encoding="utf-8")
    article = page[page.index("<article") : page.rindex("</article>")]
    kept = _KEPT.search(article)
    cards = kept[1] if kept else ""
    shown = set(re.findall(r'data-for="([^"]*)"', cards))
    text = article.replace(cards, "")
    targets = r"term-[^\"]+|equation-[^\"]+|(?:thm|def|prop|lem|cor)-[^\"]+"
    links = set(re.findall(rf'<a class="reference internal" href="([^"#]*#(?:{targets}))"', text))
    links |= set(re.findall(r'href="(15_scorecard\.html#claim-\d+)"', text))
    assert links <= shown
    assert all(f'href="{link}"' in text for link in shown)
    assert len(cards.encode()) < HEAVIEST * 1000


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("#term-cell", "One combination of settings"),
        ("03_at_initialization.html#thm-03-law", "Law of the directional derivative"),
        ("#equation-eq-04-bound", "paper’s Eq. 3"),
        ("15_scorecard.html#claim-3", "Claim 3"),
        ("94_references.html#id", "Self and Liang"),
    ],
)
def test_a_mouse_opens_the_card_of_a_link_and_leaves_it(show: Show, link: str, words: str) -> None:
    tab = show(BOUND)
    found = tab.locator(f'article a[href*="{link}"]:visible').filter(has_not=tab.locator(".headerlink"))
    found = found.filter(has_text="Self") if "references" in link else found
    card = tab.locator("#card-of-link")
    found.first.hover()
    expect(card).to_be_visible()
    expect(card).to_contain_text(words)
    expect(found.first).to_have_attribute("aria-describedby", "card-of-link")
    for formula in card.locator(".math").all():
        expect(formula.locator("mjx-container")).to_have_count(1)
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
    assert box["y"] >= 0 and box["y"] + box["height"] <= 900
    card.hover()  # who reads a card may rest on it
    tab.wait_for_timeout(400)
    expect(card).to_be_visible()
    tab.mouse.move(2, 2)
    expect(card).to_be_hidden()
    assert found.first.get_attribute("aria-describedby") is None


def test_the_keyboard_opens_a_card_and_escape_closes_it(show: Show) -> None:
    tab = show(BOUND)
    tab.mouse.move(2, 2)
    card = tab.locator("#card-of-link")
    link = tab.locator('article a[href$="#prop-04-peak"].reference').first
    link.focus()
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Tab")
    expect(card).to_be_visible()
    expect(card).to_contain_text("Peak and plateau")
    assert link.evaluate("link => link === document.activeElement")
    tab.keyboard.press("Escape")
    expect(card).to_be_hidden()
    assert link.evaluate("link => link === document.activeElement")


def test_a_card_is_legible_in_the_dark(show: Show) -> None:
    tab = show(BOUND)
    try:
        tab.emulate_media(color_scheme="dark")
        expect(tab.locator("html")).to_have_attribute("data-theme", "dark")
        tab.locator('article a[href$="#claim-3"]:visible').first.hover()
        expect(tab.locator("#card-of-link .chip")).to_be_visible()
        tab.wait_for_timeout(300)  # colours fade from one theme into the other
        assert contrast_problems(tab) == []
    finally:
        tab.emulate_media(color_scheme="light")
        tab.mouse.move(2, 2)


def test_a_finger_follows_the_link(phone: Page, html: Path) -> None:
    with listening(phone) as visit:
        phone.goto((html / f"{BOUND}.html").as_uri())
        phone.evaluate(SETTLED)
        phone.locator('article a[href$="#term-cell"]:visible').first.tap()
        phone.wait_for_url("**/92_notation.html#term-cell")
        expect(phone.locator("#term-cell")).to_be_in_viewport()
    assert visit.trouble == []
