"""The whole book as one PDF: the built site's pages in reading order, printed by a Chromium.

All pages become one document, so that links between them lead somewhere on paper and the outline is of the book. The
browser asks for files under an address that nobody has, and is given those of the site; nothing leaves the machine.
"""

from __future__ import annotations

import io
import mimetypes
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from book.browser import chromium
from book.configuration import read_configuration
from book.errors import BookError
from book.files import read_mapping, write_atomically
from book.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pikepdf import OutlineItem
    from playwright.sync_api import Route

_SITE = "http://book.invalid"
_PAPER = f"{_SITE}/paper.html"
_ARTICLE = re.compile(r'<article class="bd-article">(?P<article>.*)</article>', re.DOTALL)
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
_STYLES = re.compile(r'<link [^>]*href="\.\./(?P<sheet>[^"]+\.css)[^"]*"[^>]*>')
_HEADING = re.compile(r"<h1>(?P<title>.*?)<a class=\"headerlink\"", re.DOTALL)
_MATHJAX = (
    '{loader: {load: ["core", "input/tex", "output/chtml"]}, startup: {typeset: false}, '
    'options: {processHtmlClass: "math"}}'
)
_READY = """async () => {
  while (!window.MathJax?.startup?.promise) await new Promise(done => setTimeout(done, 25));
  await MathJax.startup.promise;
  await MathJax.typesetPromise([...document.querySelectorAll('.math')]);
  await document.fonts.ready;
  await Promise.all([...document.images].map(image => image.decode()));
}"""
_HEADINGS = """() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter(part => part.checkVisibility())
  .map(part => part.innerText.replace(/\\s+/g, ' ').trim()).filter(text => text)"""
_FOOT = (
    '<div style="font: 8px sans-serif; margin: 0 18mm; text-align: right; width: 100%">'
    '<span class="pageNumber"></span></div>'
)


def print_book(project: Project, output: Path) -> Path:
    """Print the built site into `output`, a PDF with an outline and links, its figures as drawings.

    Raises:
        BookError: the site is not built, there is no Chromium, or a link of the site leads nowhere.
    """
    document = compose(project)
    with chromium() as browser:
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(0)
        page.route("**/*", lambda route: _answer(route, project.html, document))
        page.goto(_PAPER)
        lost = page.evaluate(Path(__file__).with_name("paper.js").read_text(encoding="utf-8"))
        if lost:
            raise BookError(
                f"{len(lost)} links lead nowhere on paper, such as {', '.join(lost[:3])}; build the whole book."
            )
        page.evaluate(_READY)
        data = page.pdf(
            outline=True,
            tagged=True,
            print_background=True,
            prefer_css_page_size=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=_FOOT,
        )
        headings = page.evaluate(_HEADINGS)
    write_atomically(output, packed(data, headings))
    return output


def packed(data: bytes, headings: list[str]) -> bytes:
    """Return a PDF in half of the size, its outline in the words of the document's headings.

    Its small objects, most of them tags, go into compressed streams. Chromium loses spaces of a heading that stands on
    two lines, or says its first part twice.
    """
    import pikepdf  # only paper needs it

    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        with pdf.open_outline() as outline:
            entries = list(_flat(outline.root))
            if len(entries) == len(headings):
                for entry, heading in zip(entries, headings, strict=True):
                    entry.title = heading
        pdf.save(stream, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return stream.getvalue()


def _flat(entries: Iterable[OutlineItem]) -> Iterator[OutlineItem]:
    for entry in entries:
        yield entry
        yield from _flat(entry.children)


def compose(project: Project) -> str:
    """Return the pages of the built site as one page of HTML, which `paper.js` makes ready for paper."""
    pages = {name: _read(project, name) for name in project.pages()}
    first = next(iter(pages.values()))
    sheets = "".join(f'<link rel="stylesheet" href="{_SITE}/{sheet}">' for sheet in _STYLES.findall(first))
    own = Path(__file__).with_name("paper.css").read_text(encoding="utf-8")
    articles, entries = [], []
    for name, html in pages.items():
        article = _ARTICLE.search(html)
        heading = _HEADING.search(article["article"]) if article else None
        if article is None or heading is None:
            raise BookError(f"{name}.html of the built site has no article with a heading; build the book again.")
        place = name.replace("/", "-")
        body = _SCRIPT.sub("", article["article"])
        articles.append(f'<section class="page" id="{place}" data-page="{name}">{body}</section>')
        entries.append(f'<li><a href="#{place}">{heading["title"]}</a></li>')
    title = escape(read_configuration(project)["title"])
    return (
        f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>{title}</title>{sheets}'
        f"<style>{own}</style><script>window.MathJax = {_MATHJAX}</script>"
        f'<script async src="{_SITE}/mathjax/startup.js"></script>'
        f'<body><main class="paper bd-content"><div class="bd-article-container"><article class="bd-article">'
        f"{_cover(project, title, ''.join(entries))}{''.join(articles)}</article></div></main></body></html>"
    )


def _cover(project: Project, title: str, entries: str) -> str:
    citation = read_mapping(project.root / "CITATION.cff", "CITATION.cff")
    names = [
        author.get("name") or f"{author['given-names']} {author['family-names']}" for author in citation["authors"]
    ]
    return (
        f'<section class="cover"><h1>{title}</h1><p>{escape(", ".join(names))}</p>'
        f"<p>Version {escape(str(citation['version']))}. Folded parts are open here; folded code, downloads and "
        "pictures that move are on the site alone.</p>"
        f'<div class="contents"><h2>Contents</h2><ol>{entries}</ol></div></section>'
    )


def _read(project: Project, name: str) -> str:
    page = project.html / f"{name}.html"
    try:
        return page.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BookError(f"the site has no page {name}; call `python -m book build` first.") from None


def _answer(route: Route, html: Path, document: str) -> None:
    """Give the browser a file of the site, or the document itself."""
    url = route.request.url.split("?")[0]
    if url == _PAPER:
        route.fulfill(body=document, content_type="text/html; charset=utf-8")
        return
    file = (html / url.removeprefix(f"{_SITE}/")).resolve()
    if not url.startswith(_SITE) or not file.is_relative_to(html.resolve()) or not file.is_file():
        route.abort()
        return
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    route.fulfill(body=file.read_bytes(), content_type=kind)
