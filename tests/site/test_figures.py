"""What stands below a figure of the built site, to take away."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

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
