"""Open a page in a browser and note down everything that the tests ask about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page

SETTLED = """async () => {
  if (window.MathJax) {
    for (let tries = 0; tries < 400 && !(MathJax.startup && MathJax.startup.promise); tries++)
      await new Promise(done => setTimeout(done, 25));
    await MathJax.startup.promise;
  }
  await document.fonts.ready;
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
}"""

# What slides or fades has come to rest, and what looks at sizes has seen them.
RESTED = """async () => {
  const moving = document.getAnimations().filter(each => each.effect?.getComputedTiming().endTime < 2000);
  const late = new Promise(done => setTimeout(done, 2000));
  await Promise.race([Promise.allSettled(moving.map(each => each.finished)), late]);
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
}"""

# Formulas that MathJax could not read are red (its `noundefined`) or errors.
_OBSERVE = """() => {
  const article = document.querySelector('article') || document.body;
  const shown = element => element.checkVisibility();
  const red = [...article.querySelectorAll('mjx-container *')].filter(
    part => part.matches('mjx-merror') || getComputedStyle(part).color === 'rgb(255, 0, 0)');
  const prose = article.cloneNode(true);
  prose.querySelectorAll('pre, code, script, style, mjx-container, .cell_output, .docstrings, .headerlink, svg')
    .forEach(part => part.replaceWith(part.matches('.headerlink') ? '' : '·'));
  const blocks = 'p, li, h1, h2, h3, h4, td, th, div, section, figcaption, dt, dd, tr, table, ul, ol';
  prose.querySelectorAll(blocks).forEach(block => { block.prepend('\\n'); block.append('\\n'); });
  return {
    headings: [...document.querySelectorAll('h1')].filter(shown).map(heading => heading.innerText),
    formulas: article.querySelectorAll('.math').length,
    typeset: [...article.querySelectorAll('.math')].filter(math => math.querySelector('mjx-container')).length,
    red: red.map(part => part.closest('mjx-container').parentElement.id || part.textContent || part.outerHTML),
    cut: [...article.querySelectorAll('div.math, div.math mjx-container')].filter(
      box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1
        && getComputedStyle(box).overflowX !== 'visible')
      .map(box => (box.closest('div.math').id || box.closest('section').id) + ': ' + box.scrollWidth + ' px in '
        + box.clientWidth),
    prose: prose.textContent,
    outputs: [...article.querySelectorAll('.cell_output')].map(output => output.innerText),
    images: [...document.images].map(
      image => ({source: image.currentSrc || image.src, width: image.naturalWidth, alt: image.alt.trim()})),
    drawings: [...document.querySelectorAll('svg')].filter(shown).map(drawing => ({
      html: drawing.outerHTML.slice(0, 120),
      named: drawing.getAttribute('aria-hidden') === 'true' || drawing.closest('button, [aria-hidden="true"]') !== null
        || (drawing.getAttribute('aria-label') || '').trim() !== ''
        || ((drawing.querySelector('title') || {}).textContent || '').trim() !== ''})),
  };
}"""

# Wide things may scroll inside their own box; nothing else may reach beyond the screen.
_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const boxed = element => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
      if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) return true;
    return false;
  };
  const parts = 'p, li, table, img, svg, pre, mjx-container, h1, h2, h3, figure, .admonition, .cell, iframe';
  const beyond = [...document.querySelectorAll(parts)].filter(part => part.closest('article')).filter(part => {
    const place = part.getBoundingClientRect();
    const shown = part.checkVisibility({visibilityProperty: true}) && place.width;
    return shown && (place.right > width + 1 || place.left < -1) && !boxed(part);
  });
  const moved = document.documentElement.scrollWidth > width || document.body.scrollWidth > width
    || window.innerWidth > screen.width;
  return {
    beyond: beyond.map(
      part => part.tagName.toLowerCase() + ' “' + (part.alt || part.textContent).trim().slice(0, 60) + '”'),
    scrolls: moved ? document.documentElement.scrollWidth : 0,
  };
}"""

# What scrolls sideways says so by an edge, since a phone draws no scroll bar.
_EDGELESS = """() => [...document.querySelectorAll('article *')].filter(box => box.scrollWidth > box.clientWidth + 1
    && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX) && box.clientWidth && box.checkVisibility())
  .filter(box => {
    const {borderRightStyle: style, borderRightWidth: width, borderRightColor: colour} = getComputedStyle(box);
    return style === 'none' || parseFloat(width) < 1 || /[,/] ?0\\)$/.test(colour) || box.tabIndex < 0;
  })
  .map(box => box.tagName.toLowerCase() + '.' + [...box.classList].join('.') + ': ' + box.scrollWidth + ' px in '
    + box.clientWidth)"""

# A line that begins with the comma, colon or stop that belongs to a formula on the line before.
_LOOSE = """() => [...document.querySelectorAll('article span.math')].filter(math => {
  const text = math.nextSibling;
  if (text?.nodeType !== Node.TEXT_NODE || !/^[.,:;!?)’”]/.test(text.data) || !math.checkVisibility()) return false;
  const sign = document.createRange();
  sign.setStart(text, 0);
  sign.setEnd(text, 1);
  return sign.getBoundingClientRect().top >= math.firstElementChild.getBoundingClientRect().bottom - 1;
}).map(math => math.closest('p, li, td, dd, figcaption').innerText.slice(0, 60))"""

_SMALL = """smallest => [...document.querySelectorAll('p, li, td, th, figcaption')]
  .filter(part => part.closest('article'))
  .filter(part => part.checkVisibility() && part.textContent.trim())
  .filter(part => parseFloat(getComputedStyle(part).fontSize) < smallest)
  .map(part => getComputedStyle(part).fontSize + ' “' + part.textContent.trim().slice(0, 60) + '”')"""


@dataclass
class Visit:
    """What one page showed, and what happened while it was open."""

    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def outside(self) -> list[str]:
        """The requests that left the site."""
        return [url for url in self.requests if not re.match(r"http://127\.0\.0\.1[:/]|file:|data:|blob:", url)]


@contextmanager
def listening(tab: Page) -> Iterator[Visit]:
    """Note console errors, exceptions, failed requests and every address that the tab asks for."""
    visit = Visit()

    def on_console(message: Any) -> None:
        if message.type in ("error", "warning"):
            visit.trouble.append(f"console {message.type}: {message.text}")

    def on_answer(answer: Any) -> None:
        if answer.status >= 400:
            visit.trouble.append(f"{answer.status} for {answer.url}")

    asked_by: dict[Any, str] = {}
    failed: list[Any] = []

    def page() -> str:
        return tab.url.split("#")[0]

    def on_request(request: Any) -> None:
        asked_by[request] = page()
        visit.requests.append(request.url)

    hooks = {
        "console": on_console,
        "pageerror": lambda error: visit.trouble.append(f"exception: {error}"),
        "request": on_request,
        "requestfailed": lambda request: failed.append(request),  # Playwright takes no bound builtin
        "response": on_answer,
    }
    for event, hook in hooks.items():
        tab.on(event, hook)  # type: ignore[call-overload]
    try:
        yield visit
    finally:
        for event, hook in hooks.items():
            tab.remove_listener(event, hook)
        for request in failed:
            # A tab that goes on to another page aborts what the one before was still loading: nobody's trouble.
            if request.failure != "net::ERR_ABORTED" or asked_by.get(request) == page():
                visit.trouble.append(f"{request.failure} for {request.url}")


def open_page(tab: Page, url: str) -> Visit:
    """Open a page, wait until its formulas, fonts and images are there, and observe it.

    The tab leaves the page before first: what that one still asks for, such as its icon, is not this page's trouble.
    """
    tab.goto("about:blank")
    with listening(tab) as visit:
        tab.goto(url)
        tab.evaluate(SETTLED)
        visit.seen = tab.evaluate(_OBSERVE)
    return visit


def formula_problems(visit: Visit) -> list[str]:
    """Return the formulas that are not typeset, or typeset with an error."""
    missing = visit.seen["formulas"] - visit.seen["typeset"]
    problems = [f"{missing} formulas are not typeset"] if missing else []
    return problems + [f"a formula has an error: {text[:80]}" for text in visit.seen["red"]]


def cut_problems(visit: Visit) -> list[str]:
    """Return the displayed formulas whose end is out of sight until one scrolls; what is left may read as a formula."""
    return [f"a formula is cut off in {place}" for place in visit.seen["cut"]]


def table_problems(tab: Page) -> list[str]:
    """Return the tables of the open page that hide columns until one scrolls."""
    hidden = tab.locator("article .output.text_html").evaluate_all(
        "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1)"
        ".map(box => `${box.scrollWidth - box.clientWidth} px of “${box.innerText.trim().slice(0, 60)}”`)"
    )
    return [f"out of sight: {part}" for part in hidden]


def line_problems(tab: Page) -> list[str]:
    """Return the texts of which a line begins with the sign that ends a formula on the line before."""
    return [f"a sign has left its formula in “{text}”" for text in tab.evaluate(_LOOSE)]


def image_problems(visit: Visit) -> list[str]:
    """Return the images that are broken, and images and drawings that say nothing to a person who cannot see them."""
    problems = [f"{image['source']} shows nothing" for image in visit.seen["images"] if not image["width"]]
    for image in visit.seen["images"]:
        if not image["alt"] or re.fullmatch(r"\S*\.(svg|png)", image["alt"]):
            problems.append(f"{image['source']} has no description")
    return problems + [f"{drawing['html']} has no name" for drawing in visit.seen["drawings"] if not drawing["named"]]


def width_problems(tab: Page) -> list[str]:
    """Return what makes the open page wider than its screen."""
    found = tab.evaluate(_WIDE)
    problems = [f"the page is {found['scrolls']} px wide"] if found["scrolls"] else []
    return problems + [f"beyond the screen: {part}" for part in found["beyond"]]


def edge_problems(tab: Page) -> list[str]:
    """Return the boxes of the open page that scroll sideways and show no edge, or that no key scrolls."""
    return [f"scrolls without an edge, or for no key: {box}" for box in tab.evaluate(_EDGELESS)]


def size_problems(tab: Page, smallest: float = 12.0) -> list[str]:
    """Return the text of the open page that is smaller than `smallest` px."""
    return tab.evaluate(_SMALL, smallest)


def weight(visit: Visit) -> int:
    """Return the bytes of a page that was opened as a file, and of all that it loaded, unpacked."""
    files = {unquote(urlsplit(url).path) for url in visit.requests if url.startswith("file:")}
    return sum(Path(file).stat().st_size for file in files)
