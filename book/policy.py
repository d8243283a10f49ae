"""A content security policy on every page: what it may load and run is what it was built with.

Nothing comes from another server. Scripts run from this site's files, and inline where their very text was on the page
when it was built: its digest is in the policy, so that a script which got into a page otherwise, by an address, a title
or a file that the reader opens, does not run. Styles may stand inline, for MathJax writes them.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Collection
from pathlib import Path

_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
_HANDLER = re.compile(r"""\son[a-z]+=(?:"([^"]*)"|'([^']*)')""")
_TYPE = re.compile(r"""\btype=["']?([^"'\s>]+)""")
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="[^"]*">')
_RUNS = ("", "module", "text/javascript", "application/javascript")


def policy_of(page: str, elsewhere: Collection[str] = ()) -> str:
    """Return the policy of a page that is written as HTML; `elsewhere` are handlers of pages that it looks into."""
    inline = [text for attributes, text in _SCRIPT.findall(page) if _inline(attributes) and text.strip()]
    handlers = {*handlers_of(page), *elsewhere}
    scripts = ["'self'", *sorted({_digest(text) for text in inline})]
    if handlers:
        scripts += ["'unsafe-hashes'", *sorted({_digest(text) for text in handlers} - set(scripts))]
    rules = {
        "default-src": "'self'",
        "script-src": " ".join(scripts),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "object-src": "'none'",
        "frame-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def handlers_of(page: str) -> set[str]:
    """Return the scripts in attributes of a page, such as that of a button."""
    return {html.unescape(one or other) for one, other in _HANDLER.findall(page)}


def with_policy(page: str, elsewhere: Collection[str] = ()) -> str:
    """Return a page with its policy at the top of its head, before anything that it is about; an older one goes."""
    page = _POLICY.sub("", page)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy_of(page, elsewhere)}">'
    head = _HEAD.search(page)
    place = head.end() if head else 0  # the page that only leads to the first one has no head of its own
    return page[:place] + meta + page[place:]


def put_policies(site: Path) -> None:
    """Put its policy into every page of a site that nobody sees yet."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}
    # The search takes words out of pages that it fetches, and their buttons are parsed with them.
    handlers = set().union(*map(handlers_of, pages.values()))
    for path, page in pages.items():
        path.write_bytes(with_policy(page, handlers).encode())


def _inline(attributes: str) -> bool:
    kind = _TYPE.search(attributes)
    return "src=" not in attributes and (kind[1].lower() if kind else "") in _RUNS


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.replace("\r\n", "\n").encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
