"""What a reader does with the site: searches, takes a chapter home, turns the light off, opens the menu on a phone."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from colours import contrast_problems, figure_contrast
from playwright.sync_api import Page, expect
from visit import SETTLED, listening

from book.chapters import read_chapter
from book.project import Project

pytestmark = pytest.mark.slow  # journeys through the built site

ROOT = Path(__file__).resolve().parents[2]
STABILITY = "chapters/02_perturbation_stability"


def test_search_finds_the_chapter_of_a_term(tab: Page, address: str) -> None:
    with listening(tab) as visit:
        tab.goto(f"{address}/{Project(ROOT).pages()[0]}.html")
        tab.locator("button.search-button__button:visible").first.click()
        field = tab.locator("#pst-search-dialog input[type=search]")
        field.fill("perturbation stability")
        field.press("Enter")
        results = tab.locator("ul.search li a")
        expect(results.first).to_be_visible()
        expect(tab.locator("#search-results")).to_contain_text(re.compile(r"found \d+ page"))
        targets = results.evaluate_all("links => links.map(link => link.href.split(/[?#]/)[0])")
        assert f"{address}/{STABILITY}.html" in targets
        results.nth(targets.index(f"{address}/{STABILITY}.html")).click()
        expect(tab.locator("article h1")).to_contain_text("Perturbation stability")
    assert visit.trouble == []
    assert visit.outside == []


def test_search_finds_nothing_where_nothing_is(tab: Page, address: str) -> None:
    tab.goto(f"{address}/search.html?q=xylophonequartet")
    expect(tab.locator("#search-results")).to_contain_text("did not match any documents")
    assert tab.locator("ul.search li a").count() == 0


def test_download_is_the_executed_notebook(chapter_page: str, tab: Page, address: str, tmp_path: Path) -> None:
    tab.goto(f"{address}/{chapter_page}.html")
    tab.locator(".dropdown-download-buttons > button").click()
    link = tab.locator(".dropdown-download-buttons a", has_text=".ipynb")
    expect(link).to_be_visible()
    with tab.expect_download() as download:
        link.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == f"{Path(chapter_page).name}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    source = read_chapter(Project(ROOT), Path(chapter_page).name)
    assert len(cells) == len(source.code_cells)
    assert all(cell.execution_count for cell in cells if cell.source.strip())
    assert {output.output_type for output in outputs} <= {"display_data", "execute_result", "stream"}
    assert any(output.get("data") or output.get("text") for output in outputs) is bool(cells)
    assert "How this page was computed" in notebook.cells[-1].source


def test_the_light_can_be_turned_off_and_stays_off(tab: Page, address: str) -> None:
    theme = tab.locator("html")
    tab.goto(f"{address}/{STABILITY}.html")
    for _ in range(3):
        if theme.get_attribute("data-theme") == "dark":
            break
        tab.locator("button.theme-switch-button:visible").click()
    expect(theme).to_have_attribute("data-theme", "dark")
    tab.goto(f"{address}/status.html")
    expect(theme).to_have_attribute("data-theme", "dark")
    assert contrast_problems(tab) == []
    tab.evaluate("localStorage.clear()")


def test_faint_text_is_found(tab: Page, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<body style='background: #111'><article><p style='color: {}'>text</p></article>".format("#444"))
    tab.goto(page.as_uri())
    assert len(contrast_problems(tab)) == 1
    page.write_text(page.read_text().replace("#444", "#eee"))
    tab.goto(page.as_uri())
    assert contrast_problems(tab) == []


@pytest.mark.parametrize(("ground", "legible"), [("white", True), ("#121212", False), ("none", False)])
def test_a_dark_figure_on_a_dark_ground_is_found(ground: str, legible: bool) -> None:
    figure, axes = plt.subplots(figsize=(4, 3), facecolor="#121212" if ground == "none" else ground)
    axes.set_facecolor("none")
    axes.plot(np.arange(9), color="#ddcc77")  # a bright curve does not make dark lettering legible
    axes.set_xlabel("width")
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    plt.close(figure)
    assert (figure_contrast(stream.getvalue()) > 4.5) is legible


def test_menu_opens_on_a_phone(phone: Page, address: str) -> None:
    pages = Project(ROOT).pages()
    phone.goto(f"{address}/{pages[0]}.html")
    phone.evaluate(SETTLED)
    link = phone.locator("#pst-primary-sidebar-modal nav a, #pst-primary-sidebar nav a").filter(has_text="Perturbation")
    assert not link.first.is_visible() or link.first.bounding_box()["x"] < 0
    phone.locator("button.primary-toggle").click()
    expect(link.first).to_be_in_viewport()
    link.first.click()
    phone.wait_for_url(f"**/{STABILITY}.html")


def test_contents_of_a_page_open_on_a_phone(phone: Page, address: str) -> None:
    phone.goto(f"{address}/{STABILITY}.html")
    phone.evaluate(SETTLED)
    phone.locator("button.secondary-toggle").click()
    link = phone.locator("#pst-secondary-sidebar-modal a.nav-link, #pst-secondary-sidebar a.nav-link").first
    expect(link).to_be_in_viewport()
    link.click()
    assert "#" in phone.url


def test_code_can_be_unfolded(tab: Page, address: str) -> None:
    tab.goto(f"{address}/{STABILITY}.html")
    fold = tab.locator("article details.hide").first
    code = fold.locator("pre").first
    assert not code.is_visible()
    fold.locator("summary").click()
    expect(code).to_be_visible()


def test_status_lists_every_chapter(tab: Page, address: str) -> None:
    tab.goto(f"{address}/status.html")
    rows = tab.locator("article table.status tbody tr")
    table = [row.locator("td").all_inner_texts() for row in rows.all()]
    targets = [row.locator("td a").first.get_attribute("href") for row in rows.all()]
    assert targets == [f"chapters/{name}.html" for name in Project(ROOT).chapter_names()]
    assert all(row[0].strip() for row in table), "a chapter has no title"
    for _, parameters, seconds, device, executed, commit in table:
        assert parameters.strip()
        assert float(seconds) > 0
        assert re.match(r"CPU|.*(GPU|CUDA|NVIDIA)", device)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", executed.strip())
        assert commit.strip()
    rows.nth(1).locator("a").click()
    tab.wait_for_url(f"**/{Project(ROOT).pages()[1]}.html")
