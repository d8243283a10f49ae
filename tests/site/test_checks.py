"""The checks of the site find what they are for, on pages that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from anatomy import Anatomy, head_problems, link_problems, numbering_problems
from keyboard import focus_problems
from playwright.sync_api import Page, expect
from prose import output_problems, prose_problems
from visit import (
    Visit,
    cut_problems,
    edge_problems,
    formula_problems,
    image_problems,
    line_problems,
    open_page,
    size_problems,
    table_problems,
    weight,
    width_problems,
)

ROOT = Path(__file__).resolve().parents[2]
GOOD_PROSE = """P falls from 0.332 to 0.327 [0.31, 0.34] … None of the curves rises, e.g. at m = 16.
The estimate (of Definition 1) uses {1, 2} and “info” in BOOK_DATA/tmp; 50 % of seeds, wait and see ...
"""


def test_prose_in_order_passes() -> None:
    assert prose_problems(GOOD_PROSE) == []
    assert output_problems("seeds 3\nP 0.5 None $ \\frac") == []  # a table may say so


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("the law $E\\|Ju\\|^2$ holds", "dollar"),
        ("the law \\frac{1}{2} holds", "TeX"),
        ("the law \\(x\\) holds", "TeX"),
        ("P_rms is given by (8)", "index"),
        ("falls like m^−½", "power"),
        ("in {glue:text}·", "role"),
        ("see {numref}·", "role"),
        ("see {prf:ref}·", "role"),
        ("{{ value }}", "role"),
        ("P moves from None to 0.3", "empty value"),
        ("P = nan after training", "empty value"),
        ("a factor inf of", "empty value"),
        ("words\n:::{admonition}", "directive"),
        ("It ends here..", "full stops"),
        ("the value ()", "empty bracket"),
        ("a factor 1.2000000000000002 of", "float"),
        ("configuration 3 of 40", "progress"),
        ("at 0x: <Figure size 640x480 with 1 Axes>", "address"),
        ("see /home/reader/data/x", "path"),
    ],
)
def test_what_is_left_in_prose_is_found(text: str, what: str) -> None:
    assert any(what in problem for problem in prose_problems(text))


@pytest.mark.parametrize(
    "text",
    [
        "configuration 3 of 40, 12 s left",
        " 45%|████▌     | 9/20 [00:01<00:01]",
        "20/20 [00:02<00:00,  9.1it/s]",
        "/x/y.py:3: UserWarning: mean of empty slice",
        "Traceback (most recent call last):",
        "<lib.networks.FCN object at 0x7f00>",
        "slope 4.73 nan 3.28",
        "0  he  2\n\n[370 rows x 16 columns]",
    ],
)
def test_noise_in_outputs_is_found(text: str) -> None:
    assert output_problems(text)


def problems_of_links(body: str, others: dict[str, str] | None = None) -> list[str]:
    pages = {"a/page.html": body, **(others or {})}
    return link_problems("a/page.html", Anatomy(body), lambda path: Anatomy(pages[path]), pages.__contains__)


@pytest.mark.parametrize(
    "body",
    [
        '<a href="gone.html">x</a>',
        '<a href="other.html#gone">x</a>',
        '<a href="#gone">x</a>',
        '<a href="/a/other.html">x</a>',
        '<a href="../../a/other.html">x</a>',
        '<a href="https://">x</a>',
        '<a href="https://arxiv">x</a>',
        '<a href="http://arxiv.org/abs/1">x</a>',
        '<a href="https://arxiv.org/a b">x</a>',
        '<a href="file:///home/reader/a.html">x</a>',
        '<a href="data:text/html;base64,PGI+">x</a>',
        '<img src="gone.svg">',
        '<script src="https://cdn.example.org/m.js"></script>',
        '<link rel="stylesheet" href="gone.css">',
    ],
)
def test_a_link_that_leads_nowhere_is_found(body: str) -> None:
    assert problems_of_links(body, {"a/other.html": "<p id=here>"})


def test_links_that_lead_somewhere_pass() -> None:
    body = (
        '<p id="é"><a href="#%C3%A9">a</a><a href="../a/other.html#here">b</a><a href="#">c</a>'
        '<a href="https://doi.org/10.1/x?y=1#z">d</a><img src="data:image/png;base64,AA">'
        '<a download="rows.csv.gz" href="data:application/gzip;base64,UCxtCg==">e</a>'
        '<a download="figure.py" href="data:text/x-python;base64,cHJpbnQoMSkK">f</a>'
    )
    assert problems_of_links(body, {"a/other.html": "<p id=here>"}) == []


def test_head_is_checked() -> None:
    good = Anatomy("<html lang=en><head><title> A page </title></head><svg><title>drawing</title></svg></html>")
    assert good.title == "A page"
    assert head_problems(good, ["Heading"]) == []
    assert len(head_problems(Anatomy("<html><title></title></html>"), [])) == 3
    assert head_problems(good, ["One", "Two"])


def test_a_gap_in_the_numbering_is_found() -> None:
    def page(*numbers: str) -> Anatomy:
        return Anatomy("".join(f'<p><span class="caption-number">{number} </span></p>' for number in numbers))

    assert numbering_problems({"c/01_a": page("Definition 1.1", "Lemma 1.2"), "c/02_b": page("Lemma 2.1")}) == []
    assert numbering_problems({"c/06_a": page("Fig. 6.1", "Exercise 6.1"), "c/06b_b": page("Fig. 6.2")}) == []
    assert numbering_problems({"c/01_a": page("Definition 1.1", "Lemma 1.1")})  # two objects of one number
    assert numbering_problems({"c/01_a": page("Definition 1")})
    assert numbering_problems({"c/02_a": page("Definition 1.1")})
    assert numbering_problems({"c/01_a": page("Fig. 1.1", "Fig. 1.3")})


MATHJAX = """<script>MathJax = {loader: {load: ["core", "input/tex", "output/chtml"]}}</script>
<script defer src='{}'></script>"""


def test_formulas_that_fail_are_found(bad_page: Callable[[str], Visit], html: Path) -> None:
    mathjax = MATHJAX.replace("{}", (html / "mathjax" / "startup.js").as_uri())
    good = bad_page(mathjax + r"<article><span class=math>\(\frac{1}{2}\)</span></article>")
    assert formula_problems(good) == []
    unknown = bad_page(mathjax + r"<article><span class=math>\(\bm{x}\)</span></article>")
    assert len(formula_problems(unknown)) >= 1
    broken = bad_page(mathjax + r"<article><span class=math>\(\frac{1\)</span></article>")
    assert len(formula_problems(broken)) >= 1
    absent = bad_page(r"<article><span class=math>\(x\)</span></article>")
    assert formula_problems(absent) == ["1 formulas are not typeset"]


def test_a_line_that_begins_with_a_formulas_colon_is_found(bad_page: Callable[[str], Visit], tab: Page) -> None:
    box = "<span style='display: inline-block; width: 50px'>x</span>"
    text = "<article><p style='width: 50px'><span {}><span class=math>{}</span>:</span> it is so</p></article>"
    bad_page(text.format("", box))
    assert line_problems(tab) == ["a sign has left its formula in “x: it is so”"]
    bad_page(text.format("style='white-space: nowrap'", box))
    assert line_problems(tab) == []


def test_a_formula_that_is_cut_off_is_found(bad_page: Callable[[str], Visit]) -> None:
    box = "<div class=math style='width: 200px; overflow-x: auto'><p style='width: {}px'>x</p></div>"
    page = f"<article><section id=s>{box}</section></article>"
    assert cut_problems(bad_page(page.format(150))) == []
    assert len(cut_problems(bad_page(page.format(250)))) == 1


def test_running_text_leaves_code_and_formulas_out(bad_page: Callable[[str], Visit]) -> None:
    seen = bad_page("<article><p>A $x$<code>$HOME</code></p><pre>None</pre><p>B</p></article>").seen
    assert seen["prose"].split() == ["A", "$x$·", "·", "B"]


def test_images_that_say_nothing_are_found(bad_page: Callable[[str], Visit]) -> None:
    drawing = "<svg width=9 height=9 {}><circle r=4 /></svg>"
    image = "<img alt='{}' src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>\">"
    assert image_problems(bad_page(image.format("a dot") + drawing.format("aria-label='a dot'"))) == []
    assert image_problems(bad_page(image.format("")))
    assert image_problems(bad_page(image.format("_images/figure.svg")))
    assert image_problems(bad_page("<img alt='a dot' src='gone.png'>"))
    assert image_problems(bad_page(drawing.format("")))


def test_tables_that_hide_columns_are_found(tab: Page, bad_page: Callable[[str], Visit]) -> None:
    box = "<article><div class='output text_html' style='overflow-x: auto; width: {}px'><table style='width: 600px'>"
    bad_page(box.format(700) + "<tr><td>seen")
    assert table_problems(tab) == []
    bad_page(box.format(500) + "<tr><td>hidden")
    assert table_problems(tab) == ["out of sight: 100 px of “hidden”"]


def test_trouble_and_requests_to_the_outside_are_noted(tab: Page, tmp_path: Path) -> None:
    def visit(body: str) -> Visit:
        (tmp_path / "page.html").write_text(body)
        return open_page(tab, (tmp_path / "page.html").as_uri())

    assert visit("<p>fine</p>").trouble == []
    assert visit("<script>console.error('x')</script>").trouble
    assert visit("<script>throw new Error('x')</script>").trouble
    assert visit("<script src=gone.js></script>").trouble
    tab.route("http://127.0.0.1/x.js", lambda route: route.abort("aborted"))
    aborted = visit("<script src=http://127.0.0.1/x.js></script>")
    tab.unroute("http://127.0.0.1/x.js")
    assert "net::ERR_ABORTED for http://127.0.0.1/x.js" in aborted.trouble
    outside = visit("<script src=https://cdn.example.org/x.js></script><p>x</p>")
    assert outside.outside == ["https://cdn.example.org/x.js"]
    assert outside.trouble


def test_what_the_page_before_was_doing_is_not_noted(bad_page: Callable[[str], Visit]) -> None:
    busy = "<script>setInterval(() => { fetch('gone.json').catch(() => {}); console.error('x') }, 1)</script>"
    for _ in range(5):
        assert bad_page(busy).trouble
        fine = bad_page("<p>fine</p>")
        assert fine.trouble == []
        assert len(fine.requests) == 1


def test_what_is_wider_than_a_phone_is_found(phone: Page, tmp_path: Path) -> None:
    def problems(body: str) -> list[str]:
        head = "<!doctype html><meta name=viewport content='width=device-width, initial-scale=1'>"
        (tmp_path / "page.html").write_text(f"{head}<body><article>{body}</article>")
        phone.goto((tmp_path / "page.html").as_uri())
        return width_problems(phone)

    wide = "<table style='width: 900px'><tr><td>wide</table>"
    assert problems("<p>narrow</p>") == []
    assert problems(f"<div style='overflow-x: auto'>{wide}</div>") == []
    assert problems(wide)
    assert problems(f"<div style='overflow-x: hidden'>{wide}</div>")  # cut off is no better


def test_small_text_is_found(bad_page: Callable[[str], Visit], tab: Page) -> None:
    bad_page("<article><p style='font-size: 16px'>fine</p></article>")
    assert size_problems(tab) == []
    bad_page("<article><p style='font-size: 9px'>tiny</p></article>")
    assert len(size_problems(tab)) == 1


WIDE = "<article><div class=output style='overflow-x: auto; width: 200px'><p style='width: 900px'>x</p></div></article>"


def test_a_box_that_scrolls_without_an_edge_or_a_key_is_found_and_the_site_s_script_gives_both(
    bad_page: Callable[[str], Visit], tab: Page
) -> None:
    bad_page(WIDE)
    assert len(edge_problems(tab)) == 1
    bad_page(WIDE.replace("width: 200px", "width: 200px; border: 1px solid black"))
    assert len(edge_problems(tab)) == 1  # no key scrolls it
    script, style = (ROOT / "book" / name for name in ("edges.js", "book.css"))
    loads = f"<link rel=stylesheet href='{style.as_uri()}'><script src='{script.as_uri()}'></script>"
    mended = f"<style>:root {{ --pst-color-text-muted: #555 }}</style>{loads}{WIDE}"
    bad_page(mended.replace("<article>", "<article class=bd-article>"))
    expect(tab.locator(".is-wide")).to_have_count(1)
    assert edge_problems(tab) == []
    tab.locator("p").evaluate("part => { part.style.width = '10px'; part.parentElement.style.height = '90px'; }")
    expect(tab.locator(".is-wide, [tabindex]")).to_have_count(0)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<a href=#x>here</a>", ""),
        ("<style>a { outline: none }</style><a href=#x>here</a>", "looks the same"),
        ("<style>a { outline: none } a:focus { background: red }</style><a href=#x>here</a>", ""),
        ("<button tabindex=3>first</button>", "before others"),
        ("<span><mjx-container tabindex=0>x</mjx-container></span>", "stops at 1 formulas"),
        ("<details><summary style='width: 0; height: 0; overflow: hidden'></summary>x</details>", "cannot be seen"),
        ("<button disabled>no</button><div hidden><a href=#x>no</a></div><p inert><a href=#x>no</a></p>", ""),
    ],
)
def test_a_control_that_the_keyboard_reaches_unseen_is_found(
    body: str, problem: str, bad_page: Callable[[str], Visit], tab: Page
) -> None:
    bad_page(f"<article>{body}</article>")
    found = focus_problems(tab)
    assert bool(found) is bool(problem) and all(problem in line for line in found)


def test_a_page_weighs_what_it_loads(bad_page: Callable[[str], Visit], tmp_path: Path) -> None:
    (tmp_path / "a.css").write_bytes(b" " * 1234)
    opened = bad_page("<link rel=stylesheet href=a.css><article>x</article>")
    assert weight(opened) == 1234 + (tmp_path / "page.html").stat().st_size
