"""The README's picture: drawn from the landing page, and true to the verdicts."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest

from book.__main__ import main
from book.picture import PICTURE, write_picture
from lib.verdicts.published import published_verdicts
from lib.verdicts.table import standing

ROOT = Path(__file__).parents[2]
DRAWING = '<?xml version="1.0"?><svg width="9pt" height="9pt" viewBox="0 0 9 9"><g id="a"/><use href="#a"/></svg>'


def card(claim: str) -> str:
    image = base64.b64encode(DRAWING.encode()).decode()
    lines = f"<p><strong>Good:</strong> {claim}</p><p><span>claim 1: supported</span></p><p>× 2</p><p>So it is</p>"
    return f'<div class="claim-card">{lines}<img alt="" src="data:image/svg+xml;base64,{image}"><p>on</p></div>'


@pytest.fixture
def landing(project):
    """The small book with a landing page that was executed, and shows two cards."""
    shown = nbformat.v4.new_output("display_data", {"text/html": card("a &lt; b") + card("c")})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[shown])])
    path = project.executed("quick") / "00_overview.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return project


def test_the_cards_stand_side_by_side_with_their_words_and_names_of_their_own(landing):
    text = write_picture(landing, "quick").read_text(encoding="utf-8")
    words = [element.text for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert words == [
        line for claim in ("a < b", "c") for line in (f"Good: {claim}", "claim 1: supported", "× 2", "So it is")
    ]
    names, uses = re.findall(r'\bid="([^"]+)"', text), re.findall(r'href="#([^"]+)"', text)
    assert len(set(names)) == 2 and set(uses) == set(names)


def test_a_landing_page_that_was_not_executed_or_shows_no_cards_is_one_sentence(project, landing, refused):
    assert "was not executed with the profile wide" in refused(lambda: write_picture(project, "wide"))
    path = landing.executed("quick") / "00_overview.ipynb"
    path.write_text(path.read_text().replace("claim-card", "other"))
    assert "shows no cards" in refused(lambda: write_picture(landing, "quick"))


def test_the_command_writes_it_and_its_preview_where_there_is_a_browser(landing, capsys, monkeypatch):
    (landing.root / "results").mkdir()
    monkeypatch.setenv("BOOK_BROWSER", "/nowhere/chromium")
    assert main(["picture"], root=landing.root) == 2
    out, err = capsys.readouterr()
    assert out == f"wrote {PICTURE}\n" and (landing.root / PICTURE).is_file()
    assert err.startswith("book: BOOK_BROWSER is /nowhere/chromium, which cannot be executed; install one")


def test_the_committed_picture_says_what_stands():
    """Where this fails, verdicts have changed: run `make book`, then `python -m book picture`."""
    text = (ROOT / PICTURE).read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    said = re.findall(r">claim (\d+): ([a-z ]+?)( round 1)?( fragile)?</text>", text)
    claims = published_verdicts()
    assert len(said) == 3
    for number, verdict, first, fragile in said:
        claim = claims[int(number)]
        assert verdict == standing(claim).verdict
        assert (first, fragile) == (" round 1" * standing(claim).waits, " fragile" * bool(claim["fragile"]))


def test_the_readme_shows_it_with_words_for_who_cannot_see_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"!\[[^\]]{{40,}}\]\({PICTURE}\)", readme)
