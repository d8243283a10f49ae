"""Every page of the built site, opened once in a browser and read as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from anatomy import Anatomy, head_problems, link_problems, numbering_problems
from colours import contrast_problems, figure_contrast
from keyboard import focus_problems
from playwright.sync_api import Page, expect
from prose import output_problems, prose_problems
from visit import (
    RESTED,
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

from book.configuration import read_configuration
from book.project import Project

ROOT = Path(__file__).resolve().parents[2]
Read = Callable[[str], Anatomy | None]
Open = Callable[[str], Visit]
Show = Callable[[str], Page]
# A small phone, a phone, a tablet, a laptop.
_WIDTHS = (320, 390, 768, 1280)
_TABLET = 768

# What a reader sees below an element.
_FOLLOWING = """box => [...document.querySelectorAll('article *')].filter(
  part => box.compareDocumentPosition(part) === Node.DOCUMENT_POSITION_FOLLOWING && part.checkVisibility()
    && part.innerText?.trim()).map(part => part.innerText)"""

# Open what is folded, or fold what is open.
_UNFOLD = """open => document.querySelectorAll(
  'article button.toggle-button' + (open ? '.toggle-button-hidden' : ':not(.toggle-button-hidden)'))
  .forEach(button => button.click())"""


@pytest.fixture
def source(chapter_page: str) -> str:
    """The source of a chapter without its code cells."""
    text = (ROOT / f"{chapter_page}.md").read_text(encoding="utf-8")
    return re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_page_loads_without_trouble(page_name: str, visit: Open) -> None:
    opened = visit(page_name)
    assert opened.trouble == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.requests)


def test_a_served_page_loads_without_trouble(address: str, tab: Page) -> None:
    opened = open_page(tab, f"{address}/chapters/10_depth_and_initialization.html")
    assert opened.trouble == []
    assert opened.outside == []


def test_page_has_one_heading_a_title_and_a_language(page_name: str, visit: Open, anatomy: Read) -> None:
    assert head_problems(anatomy(f"{page_name}.html"), visit(page_name).seen["headings"]) == []


def test_formulas_are_typeset_and_whole(page_name: str, visit: Open) -> None:
    assert formula_problems(visit(page_name)) == []
    assert cut_problems(visit(page_name)) == []


def test_images_are_there_and_described(page_name: str, visit: Open) -> None:
    assert image_problems(visit(page_name)) == []


def test_every_icon_is_drawn(page_name: str, show: Show) -> None:
    plain = "icon => getComputedStyle(icon).maskImage === 'none' ? icon.className : []"
    assert show(page_name).evaluate(f"[...document.querySelectorAll('.fa-solid, .fas')].flatMap({plain})") == []


def test_tables_fit_a_laptop(page_name: str, show: Show) -> None:
    assert table_problems(show(page_name)) == []


def test_prose_is_clean(page_name: str, visit: Open) -> None:
    seen = visit(page_name).seen
    assert len(seen["prose"].split()) > 50
    assert prose_problems(seen["prose"]) == []
    assert [problem for output in seen["outputs"] for problem in output_problems(output)] == []


@pytest.mark.parametrize("extra", ["", "index", "search", "genindex"])
def test_links_lead_somewhere(extra: str, html: Path, anatomy: Read) -> None:
    pages = [extra] if extra else Project(ROOT).pages()
    problems = {
        page: link_problems(f"{page}.html", anatomy(f"{page}.html"), anatomy, lambda path: (html / path).is_file())
        for page in pages
    }
    assert {page: found for page, found in problems.items() if found} == {}


def test_an_id_is_one_element_s(page_name: str, anatomy: Read) -> None:
    assert anatomy(f"{page_name}.html").repeated == set()


def test_page_fits_every_screen(page_name: str, show: Show) -> None:
    tab = show(page_name)
    laptop = tab.viewport_size
    found = {}
    try:
        tab.evaluate(_UNFOLD, True)
        for width in _WIDTHS:
            tab.set_viewport_size({"width": width, "height": 844})
            tab.evaluate(RESTED)
            small = size_problems(tab) if width < _TABLET else []
            found[width] = [*width_problems(tab), *edge_problems(tab), *line_problems(tab), *small]
        assert {width: problems for width, problems in found.items() if problems} == {}
    finally:
        tab.evaluate(_UNFOLD, False)
        tab.set_viewport_size(laptop)


def test_controls_show_the_focus_and_formulas_take_none(page_name: str, show: Show) -> None:
    assert focus_problems(show(page_name)) == []


def test_page_is_light(page_name: str, visit: Open) -> None:
    assert weight(visit(page_name)) < 2_500_000


def test_page_is_legible_in_the_light_and_in_the_dark(page_name: str, show: Show) -> None:
    tab = show(page_name)
    theme = tab.locator("html")
    expect(theme).to_have_attribute("data-theme", "light")
    assert contrast_problems(tab) == []
    try:
        tab.emulate_media(color_scheme="dark")
        expect(theme).to_have_attribute("data-theme", "dark")
        tab.wait_for_timeout(300)  # colours fade from one theme into the other
        assert contrast_problems(tab) == []
        figures = [figure for figure in tab.locator("article img").all() if figure.is_visible()]
        faint = [figure.get_attribute("alt") for figure in figures if figure_contrast(figure.screenshot()) < 4.5]
        assert faint == []
    finally:
        tab.emulate_media(color_scheme="light")


def test_titles_differ(anatomy: Read) -> None:
    titles = [anatomy(f"{page}.html").title for page in Project(ROOT).pages()]
    assert len(set(titles)) == len(titles)


def test_navigation_lists_every_page(tab: Page, address: str) -> None:
    tab.goto(f"{address}/index.html")
    tab.wait_for_url(f"**/{Project(ROOT).pages()[0]}.html")
    links = tab.locator("#pst-primary-sidebar nav a").evaluate_all("links => links.map(link => link.href)")
    assert [link.split("#")[0] for link in links] == [f"{address}/{page}.html" for page in Project(ROOT).pages()]


def test_statements_are_numbered_in_order(anatomy: Read) -> None:
    pages = {page: anatomy(f"{page}.html") for page in Project(ROOT).pages()}
    assert numbering_problems(pages) == []
    assert {"Definition", "Exercise"} <= {kind for page in pages.values() for kind, _ in page.numbers}


def test_every_statement_of_the_source_is_on_the_page(
    chapter_page: str, source: str, show: Show, anatomy: Read
) -> None:
    numbers = anatomy(f"{chapter_page}.html").numbers
    statements = re.findall(r"^[`:]{3,}\{prf:(?!proof\})(\w+)\}", source, re.MULTILINE)
    exercises = re.findall(r"^[`:]{3,}\{exercise(?:-start)?\}", source, re.MULTILINE)
    expected = [kind.capitalize() for kind in statements] + ["Exercise"] * len(exercises)
    assert sorted(kind for kind, _ in numbers if kind != "Fig") == sorted(expected)
    figures = re.findall(r"^[`:]{3,}\{(?:glue:)?figure\}", source, re.MULTILINE)
    captions = show(chapter_page).locator("article figure figcaption").all_text_contents()  # folded ones too
    assert len(captions) == len(figures)
    assert all(re.match(r"Fig\. \d+(\.\d+)?\s+\S", caption.strip()) for caption in captions)


def test_solutions_open_on_a_click(chapter_page: str, show: Show) -> None:
    tab = show(chapter_page)
    exercises, solutions = tab.locator("article .exercise"), tab.locator("article .solution")
    targets = [solution.locator(".admonition-title a").get_attribute("href") for solution in solutions.all()]
    assert targets == [f"#{exercise.get_attribute('id')}" for exercise in exercises.all()]
    for solution in solutions.all():
        content = solution.locator("section").first
        assert not content.is_visible()
        solution.locator("button.toggle-button").evaluate("button => button.click()")
        assert content.is_visible()
        assert content.inner_text().strip()


def test_provenance_closes_a_chapter(chapter_page: str, show: Show) -> None:
    footer = show(chapter_page).locator("article .provenance")
    assert footer.count() == 1
    assert footer.evaluate(_FOLLOWING) == []
    assert not footer.locator("p").nth(1).is_visible()
    footer.locator("button.toggle-button").click()
    text = footer.inner_text()
    assert re.search(r"Executed \d{4}-\d\d-\d\d \d\d:\d\d UTC in [\d.]+ seconds on", text)
    name = chapter_page.removeprefix("chapters/")
    for part in ("Python ", f"python -m book run {name}", f"papermill chapters/{name}.ipynb"):
        assert part in text


def test_buttons_to_the_repository_follow_its_setting(chapter_page: str, anatomy: Read, html: Path) -> None:
    page = (html / f"{chapter_page}.html").read_text(encoding="utf-8")
    url = read_configuration(Project(ROOT))["repository"]["url"]
    assert ("dropdown-launch-buttons" in page) is bool(url)
    assert ("dropdown-source-buttons" in page or "btn-source-repository-button" in page) is bool(url)
    services = ("colab.research.google.com", "mybinder.org", *([url] if url else ["github.com"]))
    cited = (ROOT / "references.bib").read_text(encoding="utf-8")
    links = [link for link in anatomy(f"{chapter_page}.html").links if link not in cited]
    assert any(service in link for link in links for service in services) is bool(url)
