"""What stands below a figure: its rows to take away, and the rows behind a point."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow  # journeys through the built site
PAGE = "chapters/10_depth_and_initialization"


def test_rows_are_taken_away_as_a_table(show: Callable[[str], Page]) -> None:
    tab = show(PAGE)
    with tab.expect_download() as download:
        tab.locator("figure .downloads .rows").first.click()
    assert download.value.suggested_filename.endswith(".csv")
    with open(download.value.path(), encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) > 10 and all(line["key"] and float(line["P"]) > 0 for line in lines)


def test_a_point_tells_its_rows_and_how_to_train_them_again(show: Callable[[str], Page]) -> None:
    tab = show(PAGE)
    tab.locator("figure .points").first.click()
    dialog = tab.locator("dialog.behind")
    expect(dialog).to_be_visible()
    expect(dialog.locator("tbody tr").first).to_be_visible()
    first = dialog.locator("tbody tr td").nth(1).inner_text()
    expect(dialog.locator("code")).to_contain_text(f"--key {first}")
    choice = dialog.locator("select")
    choice.select_option(index=3)
    expect(dialog.locator("code")).not_to_contain_text(f"--key {first}")
    dialog.locator("button", has_text="close").click()
    expect(dialog).to_be_hidden()
