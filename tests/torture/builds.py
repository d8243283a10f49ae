"""Builds that are killed while they render, with the next one close behind: no stale page may be called current."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from small_book import write_book

COUNT = 60
PAGES = ("00_overview", "01_width", "02_depth")
_WORD = re.compile(r"edition (\d+)")
_FINISH_EVERY = 5


def torture(count: int, folder: Path, seed: int, say: Callable[[str], None]) -> list[str]:
    """Kill `count` builds while they render; return a sentence for each page that was called current and was not.

    Before every build the prose of all pages names a new edition. A killed build must leave one edition on all pages;
    a mark with the key of the present sources must not stand beside an older one; its renderer must end with it; and
    the next finished build, which runs beside whatever was left running, must not call an older edition up to date.
    """
    moments = random.Random(seed)
    root = folder / "book"
    project = write_book(root)
    for page in PAGES:
        source = root / "chapters" / f"{page}.md"
        source.write_text(source.read_text().replace("\n# ", "\nThis is edition 0.\n\n# ", 1))
    began = time.monotonic()
    found = _finish(root, 0)
    rendering = (time.monotonic() - began) / 2
    keys = {_key(project.html): 0}
    for kill in range(1, count + 1):
        _edit(root, kill)
        build = _start(root)
        while build.poll() is None and not list(project.html.parent.glob("next*")):
            time.sleep(0.01)
        time.sleep(moments.random() * rendering)
        build.kill()
        build.wait()
        if left := _renderers(root):
            found.append(f"kill {kill}: the renderer outlived its build.")
            _delay(left, rendering)
        editions, key = _editions(project.html), _key(project.html)
        if len(editions) > 1:
            found.append(f"kill {kill}: the pages are of the editions {sorted(editions)}.")
        if editions and keys.setdefault(key, max(editions)) != max(editions):
            found.append(f"kill {kill}: the mark of edition {keys[key]} stands beside pages of {sorted(editions)}.")
        if kill % _FINISH_EVERY == 0 or kill == count:
            _edit(root, kill + count)
            found += _finish(root, kill + count)
            keys[_key(project.html)] = kill + count
        say(f"builds {kill}/{count} killed, {len(found)} stale")
    left = sorted(path.name for path in project.html.parent.iterdir())
    return found if left == ["html"] else [*found, f"after all kills there are {left} beside the site."]


def _renderers(root: Path, patience: float = 5) -> list[int]:
    """The processes that render a book whose build was killed, once they have had time to notice it."""
    deadline = time.monotonic() + patience
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(root / "_build" / "book_src").encode() in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def _delay(processes: list[int], seconds: float) -> None:
    """Let a renderer that was left alone be slow, so that it writes while the next build renders."""
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGSTOP)
            threading.Timer(seconds, os.kill, (process, signal.SIGCONT)).start()


def _start(root: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "book", "build"], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _finish(root: Path, edition: int) -> list[str]:
    """Build to the end, twice, and compare what the pages say with the sources."""
    found = []
    for again in ("", " again"):
        done = subprocess.run([sys.executable, "-m", "book", "build"], cwd=root, capture_output=True, text=True)
        if done.returncode:
            return [f"edition {edition}: the build{again} ended with {done.returncode}: {done.stderr[-300:]}"]
        if (editions := _editions(root / "_build" / "site" / "html")) != {edition}:
            found.append(f"edition {edition}: the site{again} is called current and has {sorted(editions)}.")
    return found


def _edit(root: Path, edition: int) -> None:
    for page in PAGES:
        source = root / "chapters" / f"{page}.md"
        source.write_text(_WORD.sub(f"edition {edition}", source.read_text()))


def _editions(html: Path) -> set[int]:
    """The editions that the pages of a site name; none where there is no site."""
    pages = [html / "chapters" / f"{page}.html" for page in PAGES]
    return {int(found[1]) for page in pages if page.is_file() for found in [_WORD.search(page.read_text())] if found}


def _key(html: Path) -> str | None:
    try:
        return json.loads((html / "build.json").read_bytes())["key"]
    except OSError:
        return None
