"""What a page says about itself to machines: its description, the picture of a link to it, and the list of all pages.

The description is what the page's box "In one minute" asks, or else its first sentences. What needs the site's public
address (`html: baseurl:` of _config.yml) is left out while the book has none.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from book.preview import PREVIEW, SIZE, read_preview

_LONGEST = 200
_LEAST = 40
_QUESTION = "Question."
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9])")
_STYLES = re.compile(r"\\(?:mathcal|mathrm|mathbf|boldsymbol|text|bar|hat|tilde)\b|[{}]")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_LETTERS = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε", "kappa": "κ", "sqrt": "√"}
_SKIPPED = (nodes.Admonition, nodes.table, nodes.figure)


def description(page: nodes.document) -> str:
    """Return what a page is about in at most 200 letters: the question of its box, or else its first sentences."""
    paragraphs = [(paragraph, _plain(paragraph)) for paragraph in page.findall(nodes.paragraph)]
    for _, words in paragraphs:
        if words.startswith(_QUESTION):
            return _shortened(words.removeprefix(_QUESTION).strip())
    for paragraph, words in paragraphs:
        alone = [type(part) for part in paragraph.children] == [nodes.emphasis]  # minutes to read
        if len(words) >= _LEAST and not alone and not isinstance(paragraph.parent, _SKIPPED):
            return _shortened(words)
    return ""


def _plain(paragraph: nodes.paragraph) -> str:
    """Return a paragraph's words, and its formulas as one would type them."""
    parts = []
    for part in paragraph.findall(nodes.Text):
        text = part.astext()
        if isinstance(part.parent, nodes.math):
            text = _STYLES.sub("", text).strip()
            text = _COMMAND.sub(lambda found: _LETTERS.get(found[1], found[1]), text)
        parts.append(text)
    return " ".join("".join(parts).split())


def _shortened(words: str) -> str:
    """Keep whole sentences where they fit, whole words where the first does not."""
    kept = ""
    for sentence in _SENTENCE.split(words):
        if len(kept) + len(sentence) + 1 > _LONGEST:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or words[:_LONGEST].rsplit(" ", 1)[0] + " …"


def add_metatags(app: Sphinx, page: str, _template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """Describe a page, for searches and for whoever links to it."""
    if tree is None:
        return
    base = app.config.html_baseurl
    title = re.sub(r"<[^>]+>", "", context["title"])
    tags = {"og:type": "article", "og:title": title, "og:site_name": app.config.html_title or app.config.project}
    if about := description(tree):
        context["metatags"] += f'\n<meta name="description" content="{escape(about)}" />'
        tags["og:description"] = about
    if base:
        tags |= {"og:url": context["pageurl"]}
        if preview := preview_tags(base, Path(app.srcdir, "_static", Path(PREVIEW).name)):
            tags |= preview
            context["metatags"] += '\n<meta name="twitter:card" content="summary_large_image" />'
    context["metatags"] += "".join(
        f'\n<meta property="{name}" content="{escape(value)}" />' for name, value in tags.items()
    )


def preview_tags(base: str, picture: Path) -> dict[str, str]:
    """Return what leads to the picture of a link, and its words for who cannot see it; nothing where there is none."""
    if not picture.is_file():
        return {}
    words, _ = read_preview(picture)
    place = {"og:image": f"{base.rstrip('/')}/_static/{picture.name}", "og:image:alt": words}
    return place | {"og:image:width": str(SIZE[0]), "og:image:height": str(SIZE[1])}


def write_site_map(app: Sphinx) -> None:
    """Write sitemap.xml, where the site has a public address; the protocol knows no relative ones."""
    base = app.config.html_baseurl.rstrip("/")
    if not base:
        return
    pages = sorted(app.env.found_docs)
    lines = [f"<url><loc>{escape(f'{base}/{app.builder.get_target_uri(page)}')}</loc></url>" for page in pages]
    text = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    (Path(app.outdir) / "sitemap.xml").write_text(text + "\n".join(lines) + "\n</urlset>\n", encoding="utf-8")
