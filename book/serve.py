"""Serve the built site on this machine."""

from __future__ import annotations

import errno
import functools
import io
import os
import sys
import webbrowser
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO

from book.errors import BookError
from book.project import Project

_PORT = 8000


class _Handler(SimpleHTTPRequestHandler):
    """Serve files without letting the browser keep them: the next build changes them."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send what lies in the site and nothing else: no link leads out of it, and no other name is looked up."""
        site = os.path.realpath(self.directory)
        try:
            wanted = os.path.realpath(self.translate_path(self.path))
        except (ValueError, OSError):  # no name of a file, as with %00
            wanted = ""
        if os.path.commonpath([site, wanted or os.sep]) != site:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the terminal quiet."""


class _Server(ThreadingHTTPServer):
    """Says nothing about browsers that hang up."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server(project: Project, port: int = _PORT) -> ThreadingHTTPServer:
    """Return a server of the site on 127.0.0.1, on a free port where the wanted one is taken."""
    if not (project.html / "index.html").is_file():
        raise BookError("There is no site yet; run `make book` first.")
    handler = functools.partial(_Handler, directory=str(project.html))
    try:
        return _Server(("127.0.0.1", port), handler)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return _Server(("127.0.0.1", 0), handler)


def serve(project: Project) -> None:
    """Serve the site until Ctrl-C; open a browser where there is a screen."""
    with server(project) as running:
        url = f"http://127.0.0.1:{running.server_address[1]}/"
        print(f"The book is at {url} (Ctrl-C stops the server).", flush=True)
        if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(url)
        running.serve_forever()
