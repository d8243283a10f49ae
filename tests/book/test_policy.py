"""The content security policy: scripts of the page run, others do not, and nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest

from book.policy import policy_of, put_policies, with_policy

PAGE = """\
<!DOCTYPE html>
<html><head><meta charset="utf-8"><script src="a.js"></script><script>let own = "</p>";\n</script>
<script type="application/json">{"data": 1}</script></head>
<body onload="document.title += ' &amp; loaded'"><p style="color: red">words</p></body></html>
"""


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def rules(page: str) -> dict[str, list[str]]:
    return {rule.split()[0]: rule.split()[1:] for rule in policy_of(page).split("; ")}


def test_scripts_are_this_site_s_and_those_whose_text_was_on_the_page():
    own, handler = digest('let own = "</p>";\n'), digest("document.title += ' & loaded'")
    assert rules(PAGE)["script-src"] == ["'self'", own, "'unsafe-hashes'", handler]
    assert "'unsafe-inline'" not in rules(PAGE)["script-src"]


def test_nothing_may_come_from_elsewhere():
    places = {place for allowed in rules(PAGE).values() for place in allowed if "sha256" not in place}
    assert places == {"'self'", "'none'", "'unsafe-hashes'", "'unsafe-inline'", "data:", "blob:"}
    assert rules(PAGE)["default-src"] == ["'self'"] and rules(PAGE)["object-src"] == ["'none'"]


def test_a_page_without_handlers_allows_none():
    assert "'unsafe-hashes'" not in policy_of("<head></head><p>words</p>")


def test_the_policy_comes_before_what_it_is_about_and_changes_nothing_else():
    page = with_policy(PAGE)
    assert page.index("Content-Security-Policy") < page.index("charset")
    start, end = page.index("<meta http"), page.index("<meta charset")
    assert page[:start] + page[end:] == PAGE
    assert with_policy(page) == page


def test_a_page_without_a_head_gets_one_too():
    assert with_policy('<meta http-equiv="Refresh">').startswith('<meta http-equiv="Content-Security-Policy"')


def test_every_page_of_a_site_gets_its_own(tmp_path):
    (tmp_path / "chapters").mkdir()
    for name, text in (("index.html", "<head></head>"), ("chapters/a.html", PAGE), ("chapters/a.js", "let a;")):
        (tmp_path / name).write_text(text)
    put_policies(tmp_path)
    pages = [(tmp_path / name).read_text() for name in ("index.html", "chapters/a.html")]
    assert all(page.count("Content-Security-Policy") == 1 for page in pages)
    assert digest('let own = "</p>";\n') in pages[1] and digest('let own = "</p>";\n') not in pages[0]
    # Search fetches and parses pages, with their buttons.
    assert all(digest("document.title += ' & loaded'") in page for page in pages)
    assert (tmp_path / "chapters/a.js").read_text() == "let a;"


@pytest.mark.slow
def test_a_browser_runs_the_page_s_scripts_and_no_other(tmp_path):
    """The second script came into the page after it was built, as one in an address or a title would."""
    browser = os.environ.get("BOOK_BROWSER")
    if not browser:
        pytest.skip("BOOK_BROWSER names no Chromium")
    from playwright.sync_api import sync_playwright

    own = "<head></head><body><script>document.title = 'own'</script></body>"
    foreign = "<script>document.title = 'foreign'</script><img src='https://example.org/x.png'><b onclick='x'>b</b>"
    (tmp_path / "page.html").write_text(with_policy(own).replace("</body>", f"{foreign}</body>"))
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        page.goto(f"file://{tmp_path}/page.html")
        assert page.title() == "own"
        assert any("example.org" in text for text in refused) and len(refused) >= 2
        chromium.close()
