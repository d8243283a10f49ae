"""What stands in a title, a parameter or an output is shown as it is and never becomes a part of the page."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from book.__main__ import main
from book.outputs import Record
from book.provenance import footer, status_page

ATTACKS = [
    "<script>window.hit = 1</script>",
    "a` <img src=x onerror=hit()> `b",
    "``` <b>bold</b>",
    '"><svg onload=hit()>',
]


def record(chapter: str, value: str) -> Record:
    return Record(
        chapter, "quick", "", "", {"widths": [2, 4], "lr": 1e-3, "scaling": value, "biased": False},
        1.0, "2026-01-31T00:00:00+00:00", f"CPU {value}", {"torch": value}, None, False,
    )  # fmt: skip


def raw(text: str) -> list[str]:
    """HTML that Markdown would let through."""
    tokens = [token for block in MarkdownIt().parse(text) for token in [block, *(block.children or [])]]
    return [token.content for token in tokens if token.type in ("html_inline", "html_block")]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_parameter_is_no_part_of_the_page_s_markup(chapters, attack):
    told = footer(chapters["01_width"], record("01_width", attack))
    assert attack.replace('"', '\\"') in told and raw(told) == []
    status = status_page(chapters, {"01_width": record("01_width", attack)}, "quick")
    assert raw(status.replace("```{list-table}", "").replace("\n```\n", "\n")) == []


def test_html_would_be_found():
    assert raw("`a` <img src=x>") == ["<img src=x>"]


@pytest.mark.slow
def test_titles_and_glued_texts_are_escaped_on_the_page(project, edit):
    source = project.chapters / "01_width.md"
    edit(source, "# Width\n", '# Width a < b & "c"\n')
    edit(source, "{glue:text}`total`", "{glue:text}`total` {glue:}`hit`")
    glued = "glue('hit', attack, display=False)\nglue('total', attack, display=False)"
    code = f"attack = {ATTACKS[0]!r}\n{glued}\nprint(attack)"
    edit(source, 'glue("total", total(widths), display=False)', code)
    assert main(["build"], root=project.root) == 0
    page = (project.html / "chapters/01_width.html").read_text(encoding="utf-8")
    assert "<script>window.hit" not in page
    assert page.count("&lt;script&gt;window.hit") >= 4  # glued twice, in the code, and printed
    assert re.search(r"<title>Width a &lt; b &amp; [^<]*c[^<]*</title>", page)
    assert page.count("Content-Security-Policy") == 1
