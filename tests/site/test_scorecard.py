"""The scorecard in a browser: what its script hides, sorts, opens and hands out, by pointer and by keyboard."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from visit import listening, width_problems

from lib.scorecard.page import scorecard
from lib.scorecard.rows import rows_of_claims
from lib.verdicts.outline import outline
from lib.verdicts.published import VERDICTS, published_verdicts
from lib.verdicts.register import read
from lib.verdicts.table import standing

pytestmark = pytest.mark.slow  # every row behind every claim is on the page

CSS = Path(__file__).resolve().parents[2] / "book" / "book.css"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    head = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    page = tmp_path_factory.mktemp("scorecard") / "page.html"
    style = f"<style>body {{ margin: 8px; font: 16px/1.5 sans-serif }}\n{CSS.read_text(encoding='utf-8')}</style>"
    page.write_text(f"{head}{style}<article>{scorecard()}</article>", encoding="utf-8")
    return page.as_uri()


@pytest.fixture
def shown(tab: Page, address: str) -> Page:
    tab.goto("about:blank")
    tab.goto(address)
    expect(tab.locator(".scorecard form")).to_be_visible()
    return tab


def numbers(page: Page) -> list[int]:
    """The claims that are in sight, in the order in which they stand."""
    bodies = page.locator(".scorecard tbody:not([hidden])")
    return bodies.evaluate_all("bodies => bodies.map(body => Number(body.id.replace('claim-', '')))")


def said(page: Page) -> str:
    return page.locator(".scorecard output").inner_text()


def head(page: Page, name: str) -> Locator:
    return page.locator(".scorecard thead th", has_text=re.compile(f"^{name}", re.IGNORECASE))


@pytest.mark.parametrize("word", VERDICTS)
def test_a_verdict_is_filtered_by(shown: Page, word: str) -> None:
    shown.locator("select[name=verdict]").select_option(word)
    expected = [n for n, claim in published_verdicts().items() if standing(claim).verdict == word]
    assert numbers(shown) == expected
    assert said(shown) == f"{len(expected)} of {len(published_verdicts())} claims"
    shown.locator("select[name=verdict]").select_option("")
    assert said(shown) == f"{len(published_verdicts())} claims"


def test_chapters_initializations_and_fragile_ones_are_filtered_by_and_together(shown: Page) -> None:
    by_chapter = [n for n, place in sorted(outline().shown.items()) if place.page.startswith("10_")]
    shown.locator("select[name=chapter]").select_option("10")
    assert by_chapter and numbers(shown) == by_chapter
    shown.locator("select[name=initialization]").select_option("lecun")
    names = {
        n: {name for test in claim.tests for name in (*(test.initializers or ()), *test.arms)}
        for n, claim in read().claims.items()
    }
    both = [n for n in by_chapter if "lecun" in names[n]]
    assert 0 < len(both) < len(by_chapter) and numbers(shown) == both
    shown.locator("select[name=chapter]").select_option("")
    assert numbers(shown) == [n for n in published_verdicts() if "lecun" in names[n]]
    shown.locator("select[name=initialization]").select_option("")
    shown.locator("input[name=fragile]").check()
    fragile = [n for n, claim in published_verdicts().items() if claim["fragile"]]
    assert fragile and numbers(shown) == fragile


def test_columns_are_sorted_both_ways_and_what_has_no_value_stays_last(shown: Page) -> None:
    claims = published_verdicts()
    head(shown, "verdict").locator("button").click()
    rank = {n: VERDICTS.index(standing(claim).verdict) for n, claim in claims.items()}
    assert numbers(shown) == sorted(claims, key=lambda n: (rank[n], n))
    expect(head(shown, "verdict")).to_have_attribute("aria-sort", "ascending")
    head(shown, "verdict").locator("button").click()
    assert numbers(shown) == sorted(claims, key=lambda n: (-rank[n], n))
    expect(head(shown, "verdict")).to_have_attribute("aria-sort", "descending")
    share = {
        n: claim["multiverse"]["shares"].get(claim["multiverse"]["verdict"]) if claim["multiverse"] else None
        for n, claim in claims.items()
    }
    without = [n for n in claims if share[n] is None]
    for sign in (1, -1):
        head(shown, "universes").locator("button").click()
        order = sorted((n for n in claims if share[n] is not None), key=lambda n: (sign * share[n], n))
        assert numbers(shown) == order + without
    assert shown.locator(".scorecard [aria-sort]").count() == 1


def test_the_keyboard_reaches_and_works_everything(shown: Page) -> None:
    reached = set()
    for _ in range(10):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate("document.activeElement.name || document.activeElement.textContent"))
    assert {"verdict", "chapter", "initialization", "fragile"} < reached
    assert {button.inner_text() for button in shown.locator(".scorecard thead button").all()} < reached
    shown.locator("body").click(position={"x": 1, "y": 1})
    shown.locator("select[name=verdict]").focus()
    shown.keyboard.type("contra")
    assert set(numbers(shown)) == {n for n, c in published_verdicts().items() if standing(c).verdict == "contradicted"}
    for _ in range(3):
        shown.keyboard.press("Tab")
    shown.keyboard.press("Space")
    assert said(shown).endswith("claims") and shown.locator("input[name=fragile]").is_checked()
    shown.keyboard.press("Space")
    shown.keyboard.press("Tab")  # the number's column
    shown.keyboard.press("Enter")
    expect(shown.locator(".scorecard thead th").first).to_have_attribute("aria-sort", "descending")
    summary = shown.locator(".scorecard tbody:not([hidden]) summary").first
    summary.focus()
    shown.keyboard.press("Enter")
    expect(shown.locator(".scorecard tbody:not([hidden]) details").first).to_have_attribute("open", "")
    outline_width = summary.evaluate("one => parseFloat(getComputedStyle(one).outlineWidth)")
    assert outline_width > 0, "the focus is not seen"


def test_a_link_shows_its_claim_whatever_is_filtered(shown: Page) -> None:
    other = next(n for n, claim in published_verdicts().items() if standing(claim).verdict != "supported")
    shown.locator("select[name=verdict]").select_option("supported")
    assert other not in numbers(shown)
    shown.evaluate(f"location.hash = 'claim-{other}'")
    expect(shown.locator(f"#claim-{other} details")).to_have_attribute("open", "")
    assert said(shown) == f"{len(published_verdicts())} claims"
    expect(shown.locator(f"#claim-{other}")).to_be_in_viewport()


def test_the_rows_behind_a_claim_are_handed_out(shown: Page, tmp_path: Path) -> None:
    expected = rows_of_claims()[61]
    with listening(shown) as visit, shown.expect_download() as download:
        shown.locator("#claim-61 details").evaluate("one => { one.open = true }")
        shown.locator("#claim-61 [data-rows]").click()
    assert download.value.suggested_filename == "claim-61.csv"
    download.value.save_as(tmp_path / "claim.csv")
    with (tmp_path / "claim.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(expected.columns)
    assert [line["key"] for line in lines] == expected["key"].tolist()
    assert visit.trouble == [] and visit.outside == []


def test_it_fits_a_phone_and_works_there(phone: Page, address: str) -> None:
    phone.goto("about:blank")
    phone.goto(f"{address}#claim-61")
    expect(phone.locator("#claim-61 details")).to_have_attribute("open", "")
    assert width_problems(phone) == []
    phone.locator("select[name=verdict]").select_option("not testable")
    assert numbers(phone) == [n for n, c in published_verdicts().items() if standing(c).verdict == "not testable"]
    assert width_problems(phone) == []
    chip = phone.locator(".scorecard tbody:not([hidden]) .chip").first.bounding_box()
    assert chip is not None and chip["x"] >= 0 and chip["x"] + chip["width"] <= 390


def test_without_a_script_the_whole_table_is_there(browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(address)
        assert page.locator(".scorecard tbody").count() == len(published_verdicts())
        expect(page.locator(".scorecard form")).to_be_hidden()
        assert page.locator(".scorecard [data-rows]:visible").count() == 0
    finally:
        context.close()
