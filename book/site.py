"""Build the HTML site from the staged tree; the old site stays until the new one is whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from book.cards import put_cards
from book.errors import BookError, uncoloured
from book.files import sync_folder, write_atomically
from book.guard import run_guarded
from book.policy import put_policies
from book.project import Project
from book.stage import staged_digest

_MARK = "build.json"
# MyST-NB numbers the lines of cell k, from 0, of a page as (k + 1) * 10000 + line + 2.
_STAGED_LINE = re.compile(r"(?P<page>chapters/\w+)\.ipynb:(?P<number>\d{5,})")
_JUPYTER_BOOK = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"


class Disturbed(Exception):
    """Somebody removed or changed files under `_build/` while they were used."""


def build_site(project: Project, staged: str, pages: list[str], strict: bool) -> bool:
    """Build `_build/site/html` unless it was built from these bytes already; return whether it was built.

    The mark inside the site holds the key of what it was built from. It is written into the new site before that takes
    the old one's place, so a build that was interrupted leaves the old site with the old key, or none, and the next
    build starts from scratch, in a folder of its own: whatever still writes into an older one is not looked at again.
    `strict` makes a warning an error. Raises Disturbed where the staged tree did not stay what it was.
    """
    key = _key(project, staged, strict)
    site = project.html.parent
    for leftover in site.glob("*"):  # of builds that were killed
        if leftover != project.html:
            shutil.rmtree(leftover, ignore_errors=True)
    if _built_key(project.html) == key and not _missing(project.html, pages):
        return False
    print("rendering the site ...", file=sys.stderr, flush=True)
    site.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="next-", dir=site))
    try:
        _run_jupyter_book(project, own / "book", strict)
        fresh, old = own / "book" / "_build" / "html", own / "old"
        if absent := _missing(fresh, pages):
            raise BookError(f"Jupyter Book ended without an error but wrote no page {absent[0]}.")
        put_cards(fresh)
        put_policies(fresh)
        write_atomically(fresh / _MARK, json.dumps({"key": key, "strict": strict}).encode())
        _check(project, staged)
        if project.html.exists():
            project.html.rename(old)
        fresh.rename(project.html)
        sync_folder(site)
        if _missing(project.html, pages):
            raise Disturbed
    except (BookError, FileNotFoundError):
        _check(project, staged)
        raise
    finally:
        shutil.rmtree(own, ignore_errors=True)
    _check(project, staged)
    return True


def _check(project: Project, staged: str) -> None:
    if staged_digest(project.staged) != staged:
        raise Disturbed


def _key(project: Project, staged: str, strict: bool) -> str:
    digest = hashlib.sha256(f"{staged}\0{strict}\0".encode())
    digest.update((project.root / "constraints.txt").read_bytes())
    # The API pages are written by Sphinx from the library's docstrings.
    library = sorted(path for path in (project.root / "lib").rglob("*.py"))
    names = ("site", "theme", "api", "policy", "head", "icons", "light", "numbering", "claims", "cards")
    own = [Path(__file__).with_name(f"{name}.py") for name in names]
    templates = sorted(Path(__file__).with_name("templates").rglob("*.html"))
    for path in (*own, *templates, *library):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _built_key(html: Path) -> str | None:
    try:
        return json.loads((html / _MARK).read_bytes())["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _missing(html: Path, pages: list[str]) -> list[str]:
    files = ["index.html", *(f"{page}.html" for page in pages)]
    return [name for name in files if not (html / name).is_file() or not (html / name).stat().st_size]


def _run_jupyter_book(project: Project, output: Path, strict: bool) -> None:
    options = ["--path-output", str(output), "-n", "--keep-going", "-q", *(["-W"] if strict else [])]
    done = run_guarded(
        [sys.executable, "-c", _JUPYTER_BOOK, "build", str(project.staged), *options],
        cwd=project.root,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # the order of sets is in the search index
    )
    report = _STAGED_LINE.sub(lambda found: _in_source(project, found), uncoloured(done.stdout))
    report = report.replace(f"{project.staged}/", "")
    warnings = [line for line in report.splitlines() if "WARNING" in line or "ERROR" in line]
    if done.returncode:
        detail = "\n".join(warnings) or report[-3000:]
        raise BookError(
            f"Jupyter Book found {len(warnings) or 'an'} error(s), and the site was left as it was:\n{detail}"
        )
    if warnings:
        print(f"Jupyter Book warned {len(warnings)} times, as a partial build may.", file=sys.stderr)


def _in_source(project: Project, found: re.Match[str]) -> str:
    """Translate a place in a staged page into a line of the chapter's source; a cell of our own stays as it is."""
    cell, line = divmod(int(found["number"]), 10_000)
    try:
        staged = json.loads((project.staged / f"{found['page']}.ipynb").read_bytes())["cells"]
    except FileNotFoundError:
        raise Disturbed from None
    prose = "".join(staged[cell - 1]["source"]) if 0 < cell <= len(staged) else ""
    source = (project.root / f"{found['page']}.md").read_text(encoding="utf-8")
    start = source.find(prose)
    if start < 0 or not prose:
        return found[0]
    return f"{found['page']}.md:{source.count(chr(10), 0, start) + max(line - 1, 1)}"
