"""The page on which a reader asks the rows: its statistics are those of lib.verdicts, and a link keeps a choice."""

from __future__ import annotations

import csv
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from visit import listening

from lib.asking.packing import LIMIT, QUANTITIES, Setting
from lib.asking.page import asking_page
from lib.asking.questions import QUESTIONS, Choice, component
from lib.verdicts.archive import Archive
from lib.verdicts.cells import WHOLE, read
from lib.verdicts.register import read as read_register
from lib.verdicts.selection import Choice as Selection
from lib.verdicts.verdict import find

pytestmark = pytest.mark.slow  # two hundred tests, each with ten thousand redraws

CHOICES = 50


@pytest.fixture(scope="module")
def text() -> str:
    return asking_page()


@pytest.fixture(scope="module")
def data(text: str) -> dict[str, Any]:
    return json.loads(re.search(r"askedRows = (.*?);</script>", text)[1])


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive(read(), read_register())


@pytest.fixture
def address(text: str, tmp_path: Path) -> str:
    page = tmp_path / "asking.html"
    head = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    page.write_text(f"{head}<body style='width: 690px'>{text}", encoding="utf-8")
    return page.as_uri()


@pytest.fixture
def asked(tab: Page, address: str) -> Page:
    tab.goto(address)
    expect(tab.locator(".asking form")).to_be_visible()
    return tab


def setting_of(entry: dict[str, Any]) -> Setting:
    return Setting(*(entry[name] for name in Setting._fields))


def key(setting: Setting) -> str:
    return f"{setting.dataset}_{setting.scaling}_{setting.momentum:g}_{setting.samples}"


def drawn(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Fifty choices among those that have rows, the same in each run."""
    chance = random.Random(0)
    found = []
    while len(found) < CHOICES:
        cell, seed = chance.choice(list(zip(*data["networks"], strict=True)))
        place, initializer = data["cells"][cell][:2]
        found.append(
            {
                "setting": data["settings"][place],
                "initializer": data["initializers"][initializer]["name"],
                "moment": chance.choice(list(data["moments"])),
                "quantity": chance.choice(list(QUANTITIES)),
                "x": chance.choice(["width", "depth"]),
                "round": next(int(n) for n, (first, last) in data["rounds"].items() if first <= seed <= last),
                "trained": chance.random() < 0.7,
            }
        )
    return found


def judged(choice: dict[str, Any], archive: Archive) -> dict[tuple[str, int], Any]:
    """The results of lib.verdicts by question and curve."""
    register, setting = read_register(), setting_of(choice["setting"])
    other = (setting.scaling, setting.momentum) if setting.sweeps == ("setting",) else None
    selection = Selection(choice["round"], register.vocabulary["trained_accuracy"], other)
    asked = Choice(
        setting.sweeps,
        choice["initializer"],
        choice["moment"],
        choice["quantity"],
        choice["x"],
        QUANTITIES[choice["quantity"]].log,
        choice["trained"],
        None if setting.samples == WHOLE[setting.dataset] else setting.samples,
    )
    found = {}
    for question in QUESTIONS:
        finding = find(component(question, asked, register), register, archive, selection)
        for curve, result in zip(finding.curves, finding.results, strict=True):
            (name,) = curve.where.values()
            found[question, name] = result
    return found


def test_fifty_choices_are_judged_as_by_lib_verdicts(asked: Page, data: dict[str, Any], archive: Archive) -> None:
    compared = decided = 0
    for choice in drawn(data):
        words = {**choice, "setting": key(setting_of(choice["setting"]))}
        curves = asked.evaluate("async choice => (await askTheRows).judge(choice)", words)
        expected = judged(choice, archive)
        there = {
            (question, curve["name"]): answer
            for curve in curves
            for question, answer in zip(QUESTIONS, curve["answers"], strict=True)
            if answer is not None
        }
        assert set(there) == set(expected), words
        for place, result in expected.items():
            answer = there[place]
            numbers = [answer[name] for name in ("pFor", "pAgainst", "effect", "low", "high")]
            assert numbers == pytest.approx([*result.decision, result.effect, result.low, result.high], abs=1e-6), (
                words, place,
            )  # fmt: skip
            if result.tau is not None:
                assert answer["tau"] == pytest.approx(result.tau, abs=1e-6)
            compared += 1
            decided += result.decision.outcome() != "inconclusive"
    assert compared > 200 and decided > 50


def test_a_link_keeps_the_choice(asked: Page, address: str) -> None:
    form = asked.locator(".asking form")
    form.locator("[name=initializer]").select_option("lecun")
    form.locator("[name=x]").select_option("depth")
    form.locator("[name=moment]").select_option("epoch_0")
    form.locator("[name=trained]").uncheck()
    link, words = asked.url, asked.locator(".asking tbody").inner_text()
    assert link.startswith(f"{address}#setting=mnist_raw_0_60000&initializer=lecun")
    asked.goto("about:blank")
    with listening(asked) as visit:
        asked.goto(link)
        expect(form.locator("[name=initializer]")).to_have_value("lecun")
        assert not form.locator("[name=trained]").is_checked()
        assert asked.locator(".asking tbody").inner_text() == words
    assert visit.trouble == [] and visit.outside == []


def test_curves_follow_the_choice_and_have_their_accuracies_beside(asked: Page) -> None:
    panels = asked.locator(".asking svg[data-panel]")
    before = panels.nth(0).inner_html()
    curves = panels.nth(0).locator(".curve").count()
    assert curves == panels.nth(1).locator(".curve").count() == asked.locator(".asking tbody tr").count() - 1
    asked.locator(".asking [name=quantity]").select_option("kappa")
    assert panels.nth(0).inner_html() != before
    asked.locator(".asking [name=moment]").select_option("epoch_0")  # κ is 0 there, which has no logarithm
    assert "no row has this" in panels.nth(0).text_content()
    assert panels.nth(1).locator(".curve").count() == curves


def test_initializations_without_rows_cannot_be_chosen(asked: Page, data: dict[str, Any]) -> None:
    options = asked.locator(".asking [name=initializer] option")
    for at, setting in enumerate(data["settings"]):
        asked.locator(".asking [name=setting]").select_option(key(setting_of(setting)))
        there = {data["initializers"][one]["name"] for place, one, *_ in data["cells"] if place == at}
        assert set(options.evaluate_all("all => all.map(option => option.value)")) == there


def test_the_values_drawn_can_be_taken_home(asked: Page, tmp_path: Path) -> None:
    with asked.expect_download() as download:
        asked.locator(".asking [name=rows]").click()
    download.value.save_as(tmp_path / "rows.csv")
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    assert {row["initializer"] for row in rows} == {"he"} and len(rows) > 100
    assert all(math.isfinite(float(row["P"])) and 0.8 <= float(row["test_accuracy"]) <= 1 for row in rows)


def test_the_page_is_light_and_asks_for_nothing(text: str, data: dict[str, Any]) -> None:
    script = re.search(r'<script data-file="ask_the_rows_data.js">(.*?)</script>', text, re.DOTALL)[1]
    assert len(script.encode()) <= LIMIT
    rest = text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w+\.\w|fetch\(|import\(|\bsrc=", rest)
    assert set(QUANTITIES) < set(data["quantities"])  # twelve of trainings, and what attacks add
