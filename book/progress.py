"""Progress of a build on the terminal: one line that is redrawn, or a few plain lines where there is no terminal."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

_REDRAW_SECONDS = 0.5
_PLAIN_SECONDS = 20.0


class Progress:
    """Show chapters done of all, each running chapter's cell k of n, and the line in its progress file.

    A context manager; safe to call from several threads.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._done = 0
        self._running: dict[str, tuple[int, int, Path]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._clear()

    def start(self, chapter: str, progress_file: Path) -> None:
        """Announce a chapter whose kernel is starting."""
        with self._lock:
            self._running[chapter] = (0, 0, progress_file)

    def cell(self, chapter: str, cell: int, cells: int) -> None:
        """Announce that a chapter has reached code cell `cell` of `cells`."""
        with self._lock:
            self._running[chapter] = (cell, cells, self._running[chapter][2])

    def end(self, chapter: str, sentence: str) -> None:
        """Count a chapter as done and leave a line about it."""
        with self._lock:
            self._running.pop(chapter, None)
            self._done += 1
            self._clear()
            print(f"[{self._done}/{self._total}] {chapter} {sentence}", file=self._stream, flush=True)

    def line(self) -> str:
        """Return the state in one line."""
        with self._lock:
            running = dict(self._running)
        parts = [f"chapters {self._done}/{self._total}"]
        for chapter, (cell, cells, progress_file) in running.items():
            inside = _last_line(progress_file)
            parts.append(f"{chapter} cell {cell}/{cells or '?'}" + (f" ({inside})" if inside else ""))
        return " · ".join(parts)

    def _watch(self) -> None:
        shown_at = time.monotonic()
        while not self._stop.wait(_REDRAW_SECONDS):
            if self._live:
                width = shutil.get_terminal_size().columns - 1
                with self._lock:
                    pass  # never between the two halves of `end`
                self._stream.write("\r\x1b[K" + self.line()[:width])
                self._stream.flush()
            elif time.monotonic() - shown_at >= _PLAIN_SECONDS:
                shown_at = time.monotonic()
                print(self.line(), file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
