"""The scorecard: all 86 claims, what a reader filters by, rows to take away, and premises drawn in order."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from lib.rows import published
from lib.scorecard.dependencies import dependency_picture, resting_on_contradicted
from lib.scorecard.page import by_setting, generality, scorecard
from lib.scorecard.rounds import comeback, counts, turned
from lib.scorecard.rows import rows_of_claims
from lib.verdicts.outline import outline
from lib.verdicts.published import VERDICTS, published_verdicts
from lib.verdicts.table import standing, waits


@pytest.fixture(scope="module")
def html() -> str:
    return scorecard()


@pytest.fixture(scope="module")
def tables() -> dict[int, pd.DataFrame]:
    return rows_of_claims()


def test_every_claim_has_a_row_with_its_verdict(html: str) -> None:
    claims = published_verdicts()
    assert list(claims) == list(range(1, 87))
    found = re.findall(r'<tbody id="claim-(\d+)" data-verdict="([^"]*)"', html)
    assert [(int(n), word) for n, word in found] == [(n, standing(claim).verdict) for n, claim in claims.items()]
    assert all(claim["reason"].startswith("not testable yet: ") for claim in claims.values() if waits(claim))
    assert not re.search(r"https?:|fetch\(|import\(", html)


def test_the_rows_of_a_claim_are_those_of_its_verdict(html: str, tables: dict[int, pd.DataFrame]) -> None:
    packed = json.loads(re.search(r"scorecardRows = (\{.*?\});</script>", html)[1])
    for number, claim in published_verdicts().items():
        keys = set(standing(claim).judgement["rows"])
        assert keys == set(tables[number]["key"] if number in tables else ())
        assert (str(number) in packed) == bool(keys)
    text = gzip.decompress(base64.b64decode(packed["61"])).decode()
    table = pd.read_csv(io.StringIO(text))
    rows = published("grid").frame()
    row = table[table["key"].isin(rows["key"])].iloc[0]
    line = rows[(rows["key"] == row["key"]) & (rows["epoch"] == 50) & rows["reached"].isna()].iloc[0]
    assert (
        line[["initializer", "depth", "width", "seed"]].tolist()
        == row[["initializer", "depth", "width", "seed"]].tolist()
    )
    assert row["P at epoch_50"] == pytest.approx(line["P"], rel=1e-5)


def test_rows_that_hold_several_networks_have_a_line_for_each(tables: dict[int, pd.DataFrame]) -> None:
    assert tables[34].groupby("key")["width"].nunique().min() > 1
    assert not tables[34].duplicated(["key", "width"]).any()
    assert all(len(table) == table["key"].nunique() for number, table in tables.items() if number in (61, 38, 2))


def test_counts_are_those_of_the_verdicts() -> None:
    table, claims = counts(), published_verdicts()
    total = table[[*VERDICTS, "not judged yet"]].sum(axis=1)
    assert total.tolist()[1::2] == [len(claims)] * 2
    assert total.tolist()[0] == sum(claim["first_round"]["rules"] == 1 for claim in claims.values())
    found = comeback()
    assert sorted(found.same + found.other + found.new + found.waiting) == [
        n for n, c in claims.items() if c["coverage"]["planned"]
    ]
    assert all(waits(claims[n]) for n in found.waiting)
    assert all(claims[n]["first_round"]["version_2"] == "not testable" for n in found.new)
    for number, (before, after) in turned((1, 1), (1, 2)).items():
        assert (claims[number]["first_round"]["verdict"], claims[number]["first_round"]["version_2"]) == (before, after)


def test_premises_stand_on_the_left(html: str) -> None:
    claims = published_verdicts()
    svg = dependency_picture(claims)
    place = {int(n): float(x) for n, x in re.findall(r'data-claim="(\d+)".*?<rect x="([\d.]+)"', svg)}
    edges = [(int(a), int(b)) for a, b in re.findall(r'data-from="(\d+)" data-to="(\d+)"', svg)]
    assert edges and all(place[a] < place[b] for a, b in edges)
    assert len(edges) == sum(len(premises.claims) for premises in outline().rests_on.values())
    corners = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"', svg)
    assert len(set(corners)) == len(corners) == len(place)
    ys = np.array(sorted((float(x), float(y)) for x, y in corners))
    apart = np.diff(ys[:, 1])[np.diff(ys[:, 0]) == 0]
    assert apart.min() > 21  # boxes do not overlap


def test_what_rests_on_a_contradicted_claim_is_followed_through_others() -> None:
    claims = {
        n: {**claim, "coverage": {"there": 0, "planned": 0}, "verdict": "supported"}
        for n, claim in published_verdicts().items()
    }
    claims[36] = {**claims[36], "verdict": "contradicted"}
    found = resting_on_contradicted(claims)
    assert found[35] == found[24] == found[65] == (36,)
    assert 20 not in found


def test_generality_is_that_of_settings_alone(html: str) -> None:
    axes = {"setting": ["raw/0", "unit/0"], "moment": ["epoch_50", "epoch_1"], "correction": ["holm", "none"]}
    curve = [[0, 0, 0, 2, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], [1, 0, 0, 2, 0, 0, 0], [1, 0, 1, 1, 0, 0, 0]]
    curve.append([1, 1, 1, 3, 0, 0, 0])
    assert by_setting({"axes": axes, "curve": curve}) == {"raw/0": "supported", "unit/0": "contradicted"}
    assert generality({"axes": axes, "curve": curve}) == "no"
    assert generality({"axes": axes, "curve": [*curve[:3], [1, 0, 1, 0, 0, 0, 0]]}) == "yes"
    assert generality({"axes": axes, "curve": [*curve[:3], [1, 0, 1, 3, 0, 0, 0]]}) == "open"
    assert by_setting({"axes": {"moment": ["epoch_50"]}, "curve": []}) == {} and generality(None) == ""
    settings = by_setting(published_verdicts()[61]["multiverse"])
    assert f"<dt>Settings</dt><dd>raw/0 {settings['raw/0']}" in html
