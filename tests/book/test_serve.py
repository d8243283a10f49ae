"""The server of the built site: files of the site, and nothing else."""

from __future__ import annotations

import http.client
import threading

import pytest

from book.project import Project
from book.serve import server


@pytest.fixture
def site(tmp_path):
    """A site with links inside of it and out of it, served."""
    html = Project(tmp_path).html
    (html / "chapters").mkdir(parents=True)
    (html / "index.html").write_text("the index")
    (html / "chapters" / "page.html").write_text("the page")
    (html / "inside.html").symlink_to(html / "chapters" / "page.html")
    (tmp_path / "secret.txt").write_text("a secret")
    (html / "file.txt").symlink_to(tmp_path / "secret.txt")
    (html / "folder").symlink_to(tmp_path)
    (html / "loop").symlink_to(html / "loop")
    with server(Project(tmp_path), 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_address[1]
        running.shutdown()
        thread.join()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "text"),
    [("/", "the index"), ("/chapters/page.html", "the page"), ("/inside.html?a=%00", "the page")],
)
def test_files_of_the_site_are_served(site, path, text):
    assert get(site, path) == (200, text)


@pytest.mark.parametrize(
    "path",
    [
        "/file.txt",
        "/folder/secret.txt",
        "/folder/",
        "/loop",
        "/../../../secret.txt",
        "/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/%00",
        "/index.html%00.txt",
        "/" + "a" * 5000,
        "/%ff%fe",
        "/nowhere",
    ],
)
def test_everything_else_is_not_found_and_prints_nothing(site, capfd, path):
    status, text = get(site, path)
    assert status == 404 and "secret" not in text
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_hangs_up_prints_nothing(site, capfd):
    import socket
    import struct

    with socket.create_connection(("127.0.0.1", site)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not closed
    assert get(site, "/")[0] == 200
    assert capfd.readouterr() == ("", "")
