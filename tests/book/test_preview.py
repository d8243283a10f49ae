"""The preview of links: the README's picture as a PNG that says what it shows and of what it was made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from book.configuration import read_configuration
from book.head import preview_tags
from book.picture import PICTURE
from book.preview import PREVIEW, SIZE, read_preview, source_digest, write_preview
from book.project import Project

ROOT = Path(__file__).parents[2]
CARD = "<g><text>Good: a &lt; b.</text><text>claim 1: supported</text><text>× 2</text><text>So it is</text></g>"
DRAWING = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30" width="90">{CARD}</svg>'


@pytest.fixture
def pictured(project: Project) -> Project:
    """The small book with a picture of one card."""
    path = project.root / PICTURE
    for folder in (path.parent, (project.root / PREVIEW).parent):
        folder.mkdir(exist_ok=True)
    path.write_text(DRAWING, encoding="utf-8")
    return project


def planted(path: Path, words: str, source: str) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_itxt("Description", words)
    about.add_itxt("Source", source)
    Image.new("RGB", SIZE).save(path, pnginfo=about)


def test_the_committed_preview_is_of_the_committed_picture():
    """Where this fails, the picture has changed: run `python -m book picture` where there is a Chromium."""
    words, source = read_preview(ROOT / PREVIEW)
    title = read_configuration(Project(ROOT))["title"]
    assert source == source_digest(title, (ROOT / PICTURE).read_text(encoding="utf-8"))
    assert words.count("(claim ") == 3 and words.startswith("Good: ")
    with Image.open(ROOT / PREVIEW) as image:
        assert image.size == SIZE
        colours = image.convert("RGB").getcolors(maxcolors=2**16)
    assert len(colours) > 10 and (ROOT / PREVIEW).stat().st_size < 300_000


def test_it_is_drawn_by_a_browser_and_says_what_the_cards_say(pictured):
    if "BOOK_BROWSER" not in os.environ:
        pytest.skip("BOOK_BROWSER names no Chromium to draw it")
    path = write_preview(pictured)
    assert read_preview(path)[0] == "Good: a < b. So it is: × 2 (claim 1: supported)."
    with Image.open(path) as image:
        assert image.size == SIZE and len(image.convert("RGB").getcolors(maxcolors=2**16)) > 10


def test_one_that_is_up_to_date_needs_no_browser_and_another_does(pictured, refused, monkeypatch):
    monkeypatch.setenv("BOOK_BROWSER", "/nowhere/chromium")
    path = pictured.root / PREVIEW
    planted(path, "words", source_digest(read_configuration(pictured)["title"], DRAWING))
    before = path.read_bytes()
    assert write_preview(pictured) == path and path.read_bytes() == before
    (pictured.root / PICTURE).write_text(DRAWING.replace("× 2", "× 3"), encoding="utf-8")
    assert "/nowhere/chromium, which cannot be executed" in refused(lambda: write_preview(pictured))


def test_another_file_of_its_name_is_refused_by_name(pictured, refused):
    path = pictured.root / PREVIEW
    Image.new("RGB", (3, 3)).save(path)
    assert refused(lambda: read_preview(path)).startswith("preview.png was not made by")
    path.write_bytes(b"no picture")
    assert refused(lambda: read_preview(path)).startswith("preview.png was not made by")


def test_pages_name_it_with_its_words(tmp_path):
    planted(tmp_path / "preview.png", 'So it "is"', "")
    tags = preview_tags("https://example.org/book/", tmp_path / "preview.png")
    assert tags["og:image"] == "https://example.org/book/_static/preview.png"
    assert tags["og:image:alt"] == 'So it "is"'
    assert (tags["og:image:width"], tags["og:image:height"]) == tuple(map(str, SIZE))
    assert preview_tags("https://example.org/book/", tmp_path / "absent.png") == {}
