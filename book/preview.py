"""What stands for the book where somebody links to it: the README's picture in the size that such places show.

The file says in words what it shows, which pages repeat, and of which picture it was made, which a test compares.
"""

from __future__ import annotations

import hashlib
import io
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from book.browser import chromium
from book.configuration import read_configuration
from book.errors import BookError
from book.files import read_text, write_atomically
from book.picture import PICTURE
from book.project import Project

PREVIEW = "book/preview.png"
SIZE = (1200, 630)
_WORDS, _SOURCE = "Description", "Source"
_COLOURS = 128
_SVG = "{http://www.w3.org/2000/svg}"
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ align-content: center; background: #fff; height: {high}px; margin: 0 30px }}
body {{ font-family: sans-serif; text-align: center }}
h1 {{ font-size: 44px; line-height: 1.15; margin: 0 40px 36px }} svg {{ height: auto }} body > svg {{ width: 100% }}
</style><h1>{title}</h1>{picture}"""


def write_preview(project: Project) -> Path:
    """Draw the README's picture under the book's title as a PNG, and return the file; one that is up to date stays.

    Raises:
        BookError: there is no such picture, or no Chromium.
    """
    from PIL import Image, PngImagePlugin  # comes with matplotlib

    picture = read_text(project.root / PICTURE, PICTURE)
    title = read_configuration(project)["title"]
    about = PngImagePlugin.PngInfo()
    about.add_itxt(_WORDS, _words(picture))
    about.add_itxt(_SOURCE, digest := source_digest(title, picture))
    path = project.root / PREVIEW
    if path.is_file() and read_preview(path)[1] == digest:
        return path
    with chromium() as browser:
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
        page.set_content(_PAGE.format(high=SIZE[1], title=escape(title), picture=picture))
        shot = page.screenshot()
    stream = io.BytesIO()
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").quantize(_COLOURS).save(stream, "PNG", pnginfo=about, optimize=True)
    write_atomically(path, stream.getvalue())
    return path


def read_preview(path: Path) -> tuple[str, str]:
    """Return a preview's words and the digest of what it was made of.

    Raises:
        BookError: the file is no preview.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.text[_WORDS], image.text[_SOURCE]
    except (UnidentifiedImageError, AttributeError, KeyError):
        raise BookError(f"{path.name} was not made by `python -m book picture`; remove it and call that.") from None


def source_digest(title: str, picture: str) -> str:
    """Return the digest of what a preview is made of."""
    return hashlib.sha256(f"{title}\0{picture}".encode()).hexdigest()


def _words(picture: str) -> str:
    """Return what the cards of the picture say, a sentence a card."""
    cards = ElementTree.fromstring(picture).findall(f"{_SVG}g")
    lines = [[text.text or "" for text in card.findall(f"{_SVG}text")] for card in cards]
    return " ".join(f"{claim} {finding}: {effect} ({verdict})." for claim, verdict, effect, finding in lines)
