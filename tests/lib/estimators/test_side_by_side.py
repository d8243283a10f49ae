"""Measures of several networks as tables in words."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from lib.estimators.costs import Cost
from lib.estimators.measures import Measure
from lib.estimators.side_by_side import costs_side_by_side, kinds_side_by_side, values_side_by_side, ways_side_by_side

_EXACT = Measure("P, exact", torch.tensor([[1.0, 2.0]]), cost=Cost(0.25, 3 * 2**20))
_SAMPLED = Measure("P, 10 draws", torch.tensor([[1.5]]), torch.tensor([[0.125]]), Cost(2.0, None))
_FOLLOWS = Measure("relative stability", torch.tensor([0.5]))


def test_values_stand_in_columns_and_sampled_ones_with_their_error() -> None:
    table = values_side_by_side({"one": [_EXACT, _SAMPLED], "two": [_EXACT, _FOLLOWS]}).set_index("measure")
    assert list(table) == ["one", "two"]
    assert table.loc["P, exact", "one"] == table.loc["P, exact", "two"] == "1.50"
    assert table.loc["P, 10 draws", "one"] == "1.50 ± 0.12"
    assert table.loc["P, 10 draws", "two"] == ""


def test_what_follows_from_another_measure_has_no_cost() -> None:
    table = costs_side_by_side({"two": [_EXACT, _FOLLOWS, _SAMPLED]})
    assert table["measure"].tolist() == ["P, exact", "P, 10 draws"]
    assert table["two"].tolist() == ["0.25 s, 3 MiB", "2.0 s"]


def test_other_ways_are_priced_and_told_how_far_apart_they_are() -> None:
    model, x = nn.Dropout(), torch.ones(2, 3)
    ways = {"right": lambda model, x: torch.tensor([1.0, 2.0]), "wrong": lambda model, x: torch.tensor([1.0, 3.0])}
    table = ways_side_by_side({"one": [_FOLLOWS, _EXACT]}, {"one": (model, x)}, ways)
    assert table["way"].tolist() == ["lib, exact", "right", "wrong"]
    assert table["apart"].tolist() == pytest.approx([0, 0, 0.5])
    assert table["seconds"][0] == 0.125 and table["mib"][0] == 3
    assert not model.training


def test_modules_that_are_treated_alike_share_a_line() -> None:
    refused = "refused: network must have a derivative, but it raised an error"
    names = ["perturbation_stability", "finite_stability", "local_lipschitz", "tangent_kernel", "lazy_training_ratio"]
    matrix = pd.DataFrame([["exact"] * 5, ["exact"] * 5, [refused] * 5], index=["a", "b", "c"], columns=names)
    table = kinds_side_by_side(matrix)
    assert table["κ"].tolist() == ["exact", "refused"]
    assert table.iloc[:, -1].tolist() == ["a; b", "c — must have a derivative"]
