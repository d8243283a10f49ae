"""What a page takes: its weight with all that it loads, and how soon a reader sees it (`python -m benchmarks.pages`).

The built site is served on this machine and opened in a Chromium that has nothing cached. It takes a minute and needs
`make book` and a browser.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from benchmarks import environment
from benchmarks.record import Record
from benchmarks.timing import summary
from benchmarks.timings import FIRST_PAINT, RESULTS
from book.browser import chromium
from book.errors import BookError
from book.project import Project
from book.serve import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
PROTOCOL = {
    "unit": "seconds from the call of a page to the first paint with content, and bytes of all files, unpacked",
    "window": "1280 x 800",
    "cache": "none",
}
# A tab may paint before it has told so; what is asked here settles with the paint.
_PAINTED = """() => new Promise(done => new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (entry.name === 'first-contentful-paint') done(entry.startTime);
}).observe({type: 'paint', buffered: true}))"""


def measure(browser: Browser, address: str, html: Path, page: str, repeats: int) -> dict[str, Any]:
    """Open a page so many times, each in a browser's fresh profile; return a cell of the record."""
    seconds, files = [], set()
    for _ in range(repeats):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        tab = context.new_page()
        tab.on("request", lambda request: files.add(unquote(urlsplit(request.url).path).lstrip("/")))
        tab.goto(f"{address}/{page}.html", wait_until="networkidle")
        seconds.append(tab.evaluate(_PAINTED) / 1000)
        context.close()
    weight = sum((html / file).stat().st_size for file in files if (html / file).is_file())
    return {"settings": {"page": page}, "bytes": weight, "contenders": {FIRST_PAINT: summary(seconds)}, "ratios": {}}


def main(arguments: list[str] | None = None, project: Project | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--again", action="store_true", help="measure pages that are recorded already again")
    parser.add_argument("--repeats", type=int, default=5, help="times that each page is opened (default: 5)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    project = project or Project(ROOT)
    try:
        with server(project, 0) as site, chromium() as browser:
            threading.Thread(target=site.serve_forever, daemon=True).start()
            made_on = environment.describe("cpu") | {"browser": browser.version}
            protocol = PROTOCOL | {"repeats": options.repeats}
            command = "python -m benchmarks.pages"
            record = Record("pages", "cpu", command, made_on, protocol, [], options.results, options.again)
            address = f"http://127.0.0.1:{site.server_address[1]}"
            measure(browser, address, project.html, project.pages()[0], 1)  # a browser's first page is its slowest
            for page in project.pages():
                if options.again or not record.has({"page": page}):
                    made = environment.moment()
                    cell = measure(browser, address, project.html, page, options.repeats)
                    record.put(cell | made)
                    paint = cell["contenders"][FIRST_PAINT]["median"]
                    print(f"{page}: {cell['bytes'] / 1e6:.2f} MB, seen after {paint:.2f} s", flush=True)
            site.shutdown()
    except (BookError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
