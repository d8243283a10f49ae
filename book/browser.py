"""The Chromium that prints the book and draws its preview; nothing else here needs a browser."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from book.errors import BookError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the Chromium that $BOOK_BROWSER names, or the first that is installed.

    Raises:
        BookError: there is none.
    """
    from playwright.sync_api import sync_playwright  # only here is a browser needed

    path = _path()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _path() -> str:
    found = os.environ.get("BOOK_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None or not os.access(found, os.X_OK):
        named = f"BOOK_BROWSER is {found}, which cannot be executed" if found else "there is no Chromium"
        raise BookError(f"{named}; install one (Debian: apt install chromium), or name it in $BOOK_BROWSER.")
    return found
