"""Cells are drawn with the chances that are told."""

import copy
import json
from collections import Counter

import pytest

from lib.experiments.audit import audit, chances, decisions, draw
from lib.experiments.initial_law import InitialLaw
from lib.sweeps.computing import train_stack


@pytest.mark.parametrize(
    ("weights", "count", "expected"),
    [
        ([1, 1, 1, 1], 1, [0.25] * 4),
        ([1, 1, 2], 1, [0.25, 0.25, 0.5]),
        ([1, 1, 8], 2, [0.5, 0.5, 1.0]),
        ([1, 2], 5, [1.0, 1.0]),
        ([3], 1, [1.0]),
    ],
)
def test_chances_are_proportional_to_weights_up_to_certainty(weights, count, expected):
    assert chances(weights, count) == pytest.approx(expected)


def test_each_cell_is_drawn_as_often_as_its_chance_says():
    told = chances([1, 1, 2, 5, 1], 2)
    draws = [draw(told, seed) for seed in range(4000)]
    assert {len(places) for places in draws} == {2}
    often = Counter(place for places in draws for place in places)
    # Four standard errors of a share: the chance of a false alarm is below 1 in 3,000.
    for place, chance in enumerate(told):
        assert often[place] / 4000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4000) ** 0.5 + 1e-9)


def test_all_are_drawn_where_there_are_few():
    assert draw(chances([1, 2, 3], 3), 0) == [0, 1, 2]


def test_a_row_counts_once_for_each_entry_that_rests_on_it(tmp_path):
    assert decisions(tmp_path) == {}
    claims = {"claims": [{"number": 1, "rows": ["a", "b", "a"]}, {"tests": [{"rows": ["a"]}]}]}
    (tmp_path / "verdicts.json").write_text(json.dumps(claims))
    assert decisions(tmp_path) == {"a": 2, "b": 1}
    (tmp_path / "verdict-details.json").write_text(json.dumps({"claims": {"1": {"first_round": {"rows": ["b"]}}}}))
    assert decisions(tmp_path) == {"a": 2, "b": 2}


def test_a_forgery_of_one_cell_passes_as_often_as_is_told():
    """Cells of several seeds, whose rows decide unequally much: what is told must be what happens, within its error."""
    drawn = {"draws": 20, "depth": 2}
    cells = {width: [InitialLaw("he", width, seed=seed, **drawn) for seed in range(3)] for width in (2, 3, 4, 5, 6)}
    rows = [row for tasks in cells.values() for row in train_stack(tasks)]
    # One seed alone decides much, others nothing: a cell is drawn by the largest of its rows.
    weights = {cells[2][1].key: 2, cells[3][0].key: 1, cells[3][2].key: 1}
    often = 200
    for forged, told in ((2, 0), (6, 1)):
        altered = copy.deepcopy(rows)
        for row in altered:
            if row["key"] == cells[forged][2].key:
                row["measurements"][0]["rms_output"] *= 2
        outcomes = [audit(altered, cells=2, seed=seed, weights=weights) for seed in range(often)]
        stated = outcomes[0].passing[told]
        assert 0.1 < stated < 0.9 and all(outcome.passing[told] == stated for outcome in outcomes)
        passed = sum(outcome.deviating == 0 for outcome in outcomes) / often
        # Four standard errors: the chance of a false alarm is below 1 in 10,000.
        assert passed == pytest.approx(stated, abs=4 * (stated * (1 - stated) / often) ** 0.5)
