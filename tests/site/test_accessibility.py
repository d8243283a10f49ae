"""What axe-core, the auditor of Deque, finds on every page; it knows some hundred rules of WCAG and of good practice.

Structure is the same in the light and in the dark, so it is audited once. Colours of the text of all pages are
audited in both by `test_pages`; here it is those of controls, on the pages that have different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import pytest
from playwright.sync_api import Page, expect

Show = Callable[[str], Page]

_AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
# Rules that look at places and colours ask for every element's; they cost ten times what the others do together.
_DEAR = ("color-contrast", "link-in-text-block", "target-size")
_PAGES_OF_EACH_KIND = (
    "chapters/00_overview",
    "chapters/04_theorem_1",
    "chapters/08_lazy_and_nonlazy",
    "chapters/15_scorecard",
    "chapters/95_ask_the_rows",
    "status",
)
# The parts of formulas are MathJax's, and its labels are tested there. The entries of the API pages are written by one
# template, so the first three of a module stand for all. Both are put back.
_AUDIT = """async options => {
  const held = [];
  const hold = (part, inner) => { held.push([part, [...part.childNodes]]); part.replaceChildren(...inner); };
  const formulas = [...document.querySelectorAll('mjx-container')];
  for (const formula of formulas) {
    hold(formula, ['x']);
    formula.style.overflow = 'visible'; // a letter is higher than the line that MathJax gives it
  }
  for (const list of document.querySelectorAll('.docstrings')) {
    const entries = [...list.children].filter(entry => entry.matches('dl'));
    hold(list, [...list.children].filter(part => !entries.includes(part) || entries.indexOf(part) < 3));
  }
  try {
    const found = (await axe.run(document, options)).violations;
    return found.flatMap(({id, help, nodes}) => nodes.map(node => `${id}: ${help}: ${node.html.slice(0, 200)}`));
  } finally {
    for (const formula of formulas) formula.style.overflow = '';
    for (const [part, inner] of held.reverse()) part.replaceChildren(...inner);
  }
}"""


def violations(tab: Page, **options: object) -> list[str]:
    """Return what axe-core finds on the open page, one line an element."""
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(_AXE)
    return tab.evaluate(_AUDIT, {"resultTypes": ["violations"], **options})


def test_page_has_no_violation(page_name: str, show: Show) -> None:
    cheap = {rule: {"enabled": False} for rule in _DEAR}
    assert violations(show(page_name), rules=cheap) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", _PAGES_OF_EACH_KIND)
def test_controls_are_legible_in_the_light_and_in_the_dark(page: str, show: Show) -> None:
    tab = show(page)
    dear = {"runOnly": list(_DEAR)}
    assert violations(tab, **dear) == []
    try:
        tab.emulate_media(color_scheme="dark")
        expect(tab.locator("html")).to_have_attribute("data-theme", "dark")
        tab.wait_for_timeout(300)  # colours fade from one theme into the other
        assert violations(tab, **dear) == []
    finally:
        tab.emulate_media(color_scheme="light")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<main><h1>One</h1><img src='data:,'></main>", "image-alt"),
        ("<main><h1>One</h1><button></button></main>", "button-name"),
        ("<main><h1>One</h1><p style='color: #ccc'>faint</p></main>", "color-contrast"),
        ("<main><h1>One</h1></main><p>outside</p>", "region"),
    ],
)
def test_a_violation_is_found(body: str, rule: str, tab: Page) -> None:
    tab.set_content(f"<!doctype html><html lang=en><title>page</title>{body}")
    assert any(line.startswith(f"{rule}:") for line in violations(tab))
