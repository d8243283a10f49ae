"""A Chromium, a server of the built site, and what each page showed when it was opened.

The browser is the one that $BOOK_BROWSER names; without it everything here that opens a page is skipped.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from book.browser import FLAGS
from book.project import Project

sys.path.insert(0, str(Path(__file__).parent))  # the checks lie beside the tests, and tests/ is no package

from anatomy import Anatomy
from visit import Visit, open_page

ROOT = Path(__file__).resolve().parents[2]
# A page of the API has thousands of elements, and a busy machine takes its time to restyle them.
expect.set_options(timeout=30_000)
_PHONE = {"viewport": {"width": 390, "height": 844}, "screen": {"width": 390, "height": 844}}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of `page_name` on every page of the table of contents, one of `chapter_page` on every chapter."""
    pages = Project(ROOT).pages()
    chapters = [page for page in pages if page.startswith("chapters/")]
    for name, values in (("page_name", pages), ("chapter_page", chapters)):
        if name in metafunc.fixturenames:
            # The scope makes pytest run all tests of one page before those of the next, so that it is opened once.
            metafunc.parametrize(name, values, scope="module")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the terminal quiet."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's path, or skip."""
    path = os.environ.get("BOOK_BROWSER")
    if not path:
        pytest.skip("BOOK_BROWSER names no Chromium; set it to read the built site in one")
    if not os.access(path, os.X_OK):
        pytest.fail(f"BOOK_BROWSER is {path}, which cannot be executed; name a Chromium or unset it.")
    return path


@pytest.fixture(scope="session")
def html(chromium: str, request: pytest.FixtureRequest) -> Path:
    """Return the folder of the site, which is built only where a browser can read it."""
    return request.getfixturevalue("site")


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """Serve the site on a free port; search needs a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(html))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


# The browser lives as long as a module: while it does, its event loop runs, and other tests need their own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


def _offline(context: BrowserContext) -> BrowserContext:
    """Stop what leaves the machine; `Visit` has noted the attempt by then."""
    context.route(re.compile(r"^(https?|wss?)://(?!127\.0\.0\.1[:/])"), lambda route: route.abort())
    return context


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Page:
    """One tab of a laptop's browser in light mode."""
    return _offline(browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")).new_page()


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Page:
    """One tab of a phone's browser."""
    return _offline(browser.new_context(**_PHONE, is_mobile=True, has_touch=True)).new_page()


@pytest.fixture(scope="session")
def visited() -> dict[str, Visit]:
    return {}


@pytest.fixture
def show(html: Path, tab: Page, visited: dict[str, Visit]) -> Callable[[str], Page]:
    """Bring a page of the site, by its name, into the tab; it is not opened again where it is already there.

    It is opened as a file, as a reader without a network does: whatever works so, works from a server too.
    """

    def shown(name: str) -> Page:
        url = (html / f"{name}.html").as_uri()
        if tab.url.split("#")[0] != url or name not in visited:
            visited[name] = open_page(tab, url)
        return tab

    return shown


@pytest.fixture
def visit(show: Callable[[str], Page], visited: dict[str, Visit]) -> Callable[[str], Visit]:
    """Return what a page showed when it was opened."""

    def seen(name: str) -> Visit:
        if name not in visited:
            show(name)
        return visited[name]

    return seen


@pytest.fixture(scope="session")
def anatomy(html: Path) -> Callable[[str], Anatomy | None]:
    """Read a page of the site by its path; each is read once, and None stands for a page that is not there."""
    read: dict[str, Anatomy | None] = {}

    def of(path: str) -> Anatomy | None:
        if path not in read:
            file = html / path
            read[path] = Anatomy(file.read_text(encoding="utf-8")) if file.is_file() else None
        return read[path]

    return of


@pytest.fixture
def bad_page(tmp_path: Path, tab: Page) -> Callable[[str], Visit]:
    """Open a small page of our own, so that the checks can be seen to fail."""

    def opened(body: str) -> Visit:
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><html lang=en><meta name=viewport content='width=device-width'>{body}</html>")
        return open_page(tab, file.as_uri())

    return opened
