"""The dialog behind a point or a claim's number: seeds, keys, commit, last audits, the command that trains again."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from visit import listening, width_problems

from book.light import light_rows
from lib.figures.publishing import Point, Shown, downloads, lines_of
from lib.rows import behind
from lib.rows.audits import Audited, append
from lib.rows.store import Store
from lib.scorecard.page import packed
from lib.verdicts.table import number_of, table_of

BOOK = Path(__file__).resolve().parents[2] / "book"
IMAGE = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='400' height='200'%3E%3C/svg%3E"
KEYS = [f"{number:016x}" for number in range(4)]
CURVE = {"where": {}, "effect": 2.0, "low": 1.0, "high": 3.0, "p_for": 0.5}
TEST = {"statistic": "t", "effect": "level", "transform": "none", "column": "P", "axis": None, "center": 0}
JUDGED = {"rows": KEYS, "tests": [{**TEST, "curves": [CURVE]}]}


@pytest.fixture
def page(tmp_path: Path, tab: Page) -> Page:
    rows = pd.DataFrame({"key": KEYS, "seed": [4, 3, 3, 4], "width": [8, 8, 16, 16], "P": 0.5, "date": "2026-01-30T00"})
    lines = lines_of(rows[["key", "width", "seed", "date", "P"]], ["P"])
    marks = [Point(0.25, 0.5, "He, width 8", tuple(KEYS[:2])), Point(0.75, 0.5, "He, width 16", tuple(KEYS[2:]))]
    links = light_rows(downloads("fig-01-x", lines, marks=marks))  # as pages have them
    half = f"<span {Shown('fig-01-x', lines).rows(width=16)}>0.50</span>"
    prose = f"<p>About {half} and <span data-figure=gone data-rows=0-1>7</span>.</p>"
    claim = f"<tbody><tr><th scope=row>7</th><td>{number_of(7, JUDGED)}</td></tr></tbody>"
    style = (BOOK / "book.css").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f'<style>{style}</style><article><figure id=fig-01-x><img alt=x src="{IMAGE}"><figcaption>{links}</figcaption>'
        f"</figure>{prose}{table_of([claim])}</article>"
        f"<script>{(BOOK / 'figures.js').read_text(encoding='utf-8')}</script>",
        encoding="utf-8",
    )
    tab.goto("about:blank")
    tab.goto((tmp_path / "page.html").as_uri())
    return tab


@pytest.fixture
def told(tmp_path: Path) -> None:
    """The file beside the pages, as the book makes it."""
    for name, keys in (("grid", KEYS[:3]), ("wide", KEYS[3:])):
        for key in keys:
            row = {"key": key, "configuration": {}, "measurements": [], "failure": None, "provenance": {}}
            Store(tmp_path / f"{name}.jsonl").append(row)
    common = "2026-01-31", "pass", 0.03, 2e-7, "P at epoch 5", 12, 0, "AMD EPYC (avx2)"
    one = Audited(KEYS[0], "grid", *common)
    append([one, one._replace(key=KEYS[2], outcome="inconclusive", unseen=4)], tmp_path / "audits.csv")
    script = behind.script(tmp_path).removeprefix('<script data-file="rows_behind.js">').removesuffix("</script>")
    (tmp_path / "rows_behind.js").write_text(script.replace('"commit":null', '"commit":"0123456789abcdef"'))


def test_a_click_on_a_point_tells_its_rows_commit_audits_and_command(told: None, page: Page) -> None:
    image, dialog = page.locator("figure img"), page.locator("dialog.behind")
    with listening(page) as visit:
        image.click(position={"x": 20, "y": 20})
        expect(dialog).to_be_hidden()
        image.click(position={"x": 104, "y": 96})
        expect(dialog).to_be_visible()
        expect(dialog).to_contain_text("results/grid.jsonl, commit 0123456789.")
    assert visit.trouble == [] and visit.outside == []
    lines = [line.locator("td").all_inner_texts() for line in dialog.locator("tbody tr").all()]
    assert [line[:3] for line in lines] == [["3", KEYS[1], "2026-01-30"], ["4", KEYS[0], "2026-01-30"]]
    assert lines[0][3] == "none yet"
    expected = "pass, 2026-01-31\ndeviates P at epoch 5 by 2 · 10⁻⁷, where 0.03 is allowed, on AMD EPYC (avx2)"
    assert lines[1][3].replace("\u00a0", " ") == expected
    command = f"python -m lib.experiments audit results/*.jsonl --key {KEYS[1]} --key {KEYS[0]}"
    expect(dialog).to_contain_text(command)


def test_the_list_takes_those_who_do_not_point_to_every_point(told: None, page: Page) -> None:
    dialog = page.locator("dialog.behind")
    page.locator("button.points").press("Enter")
    dialog.locator("select").select_option(label="He, width 16")
    expect(dialog).to_contain_text("results/grid.jsonl, commit 0123456789; results/wide.jsonl")
    expect(dialog).to_contain_text("inconclusive, 2026-01-31, its beginning alone")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_dialog_fits_a_phone(told: None, page: Page) -> None:
    laptop = page.viewport_size
    try:
        page.set_viewport_size({"width": 390, "height": 844})
        page.locator("button.points").click()
        expect(page.locator("dialog.behind")).to_contain_text("pass, 2026-01-31")
        assert width_problems(page) == []
        box = page.locator("dialog.behind").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    finally:
        page.set_viewport_size(laptop)


def test_a_partial_build_tells_what_it_has(page: Page) -> None:
    page.locator("button.points").click()
    dialog = page.locator("dialog.behind")
    expect(dialog.locator("tbody tr")).to_have_count(2)
    expect(dialog).to_contain_text("none yet")
    assert "commit" not in dialog.inner_text()


def test_a_click_on_a_claims_number_tells_the_rows_of_each_cell(told: None, tmp_path: Path, page: Page) -> None:
    rows = pd.DataFrame(
        {"key": KEYS, "initializer": "he", "width": [8, 8, 16, 16], "seed": [4, 3, 3, 4], "P at loss": 0.5}
    )
    data = json.dumps({"7": packed(rows.to_csv(index=False))})
    (tmp_path / "scorecard_rows.js").write_text(f"globalThis.scorecardRows = {data};")
    dialog = page.locator("dialog.behind")
    page.get_by_role("button", name="2.00 [1.00, 3.00]").press("Enter")
    expect(dialog).to_contain_text("Rows behind claim 7: ")
    dialog.locator("select").select_option(label="width 16")
    expect(dialog).to_contain_text("results/grid.jsonl, commit 0123456789; results/wide.jsonl")
    lines = [line.locator("td").all_inner_texts() for line in dialog.locator("tbody tr").all()]
    assert [line[:3] for line in lines] == [["3", KEYS[2], "0.5"], ["4", KEYS[3], "0.5"]]
    assert lines[0][3].startswith("inconclusive, 2026-01-31") and lines[1][3] == "none yet"
    expect(dialog).to_contain_text(f"--key {KEYS[2]} --key {KEYS[3]}")
    page.keyboard.press("Escape")


def test_a_number_whose_rows_are_not_there_is_a_text_again(page: Page) -> None:
    page.get_by_role("button", name="2.00").click()
    expect(page.get_by_role("button", name="2.00")).to_have_count(0)
    expect(page.get_by_text("2.00 [1.00, 3.00]")).to_be_visible()


def test_a_number_of_the_prose_tells_its_rows(told: None, page: Page) -> None:
    dialog = page.locator("dialog.behind")
    page.get_by_role("button", name="0.50").click()
    expect(dialog).to_contain_text("Rows behind 0.50: ")
    expect(dialog).to_contain_text("results/grid.jsonl, commit 0123456789; results/wide.jsonl")
    lines = [line.locator("td").all_inner_texts() for line in dialog.locator("tbody tr").all()]
    assert [line[:4] for line in lines] == [
        ["3", KEYS[2], "2026-01-30", "0.5"],
        ["4", KEYS[3], "2026-01-30", "0.5"],
    ]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="7").click()
    expect(page.get_by_text("About 0.50 and 7.")).to_be_visible()
    expect(page.get_by_role("button", name="7")).to_have_count(0)
