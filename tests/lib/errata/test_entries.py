"""Entries of the errata: outcomes that hold, numbers by hand, and what an entry says where its computation fails."""

import math

import numpy as np
import pandas as pd
import pytest

from lib.errata import Entry, algebra, measured, summary
from lib.errata import drawn as networks
from lib.errata.grid import Grid, arrow
from lib.trends import Interval


@pytest.fixture(scope="module")
def grid():
    return Grid([2**k for k in range(4, 15)], [2, 4, 6, 8, 10], 784, 10, 60_000)


def test_an_entry_that_does_not_hold_is_open():
    entry = Entry("slip", "a slip", {"n": "1"})
    assert entry.unless(True) is entry
    assert entry.unless(False)[:3] == ("open", "not settled with these parameters", {"n": "1"})


def test_kinds_are_counted_in_one_sentence():
    entries = [Entry("slip", ""), Entry("slip", ""), Entry("undecided", "")]
    assert summary(entries) == "2 are slips and 1 is undecided"
    assert summary(entries[:1]) == "1 are slips"


def test_the_slides_line_would_need_as_many_inputs_as_outputs():
    entry = algebra.ntk_last_layer()
    assert (entry.kind, entry.texts["only_if"]) == ("slip", "d = o")
    assert entry.table["plateau"].tolist() == ["1", "√o", "1"]


def test_the_root_is_that_of_the_width():
    entry = algebra.huangs_root([2, 3], 2)
    assert entry.kind == "one is right" and entry.texts["limit"] == "1/sqrt(o)"
    assert entry.table["L"].tolist() == [2, 3]
    assert float(entry.table["m = 512"][0]) == pytest.approx(1, abs=0.1)


def test_powers_are_those_of_the_terms():
    powers = algebra.powers_of_theorem_3()
    assert [str(powers[name]) for name in ("A", "B", "slides")] == ["c - 1/2", "2*c - 3/2", "c + 3/2"]
    entry = algebra.rate_of_theorem_3(784)
    assert entry.kind == "one is right"
    assert {name: entry.texts[name] for name in ("A_two", "A_three", "B_two", "B_three", "always", "first_n")} == {
        "A_two": "1.5", "A_three": "2.5", "B_two": "2.5", "B_three": "4.5", "always": "1.75", "first_n": "6",
    }  # fmt: skip
    assert entry.table["exact at start"].tolist() == pytest.approx([2.5, 3.0, 3.5, 5.5])


def test_conditions_and_lists():
    assert algebra.edge_of_non_lazy().texts == {"edge": "4"} and algebra.edge_of_non_lazy().kind == "both stand"
    assert algebra.theorem_2_in_the_plane()
    assert algebra.listed_depths().kind == "slip" and algebra.listed_depths("four choices, i.e., 2, 4").kind == "open"
    assert "log(gamma)" in algebra.turn_in_depth()
    assert algebra.critical_point() == ("L**3/2", False)
    text, ratio = algebra.peak_over_reduced()
    assert ratio(6, 10) == pytest.approx(6 * math.exp(-0.5) / math.sqrt(10) + math.sqrt(2) / 36)
    assert "sqrt(o)" in text


def test_arrows_join_equal_steps():
    assert arrow([1, 2, 3, 2, 1, 1.001]) == "↗↘"
    assert arrow([1, 1.001, 1.002]) == "→"


def test_the_grid_decides_its_four_entries(grid):
    eighth, ninth, tenth, last = (
        grid.transition_in_depth(), grid.over_parameterized(), grid.what_figures_confirm(), grid.improving_on_wu(),
    )  # fmt: skip
    assert [entry.kind for entry in (eighth, ninth, tenth, last)] == [
        "slip",
        "one is right",
        "one is right",
        "both stand",
    ]
    assert eighth.texts["lecun_falls"] == "2" and eighth.texts["grid_widths"] == "11"
    assert set(eighth.table["He"]) <= {"↗", "→"}
    assert ninth.table["critical width, L³/2"].tolist()[0] == "4.00"
    assert tenth.table.loc[0, "He"] in ("↘", "→")
    assert last.texts["applies"] == "none" and len(last.table) == 5


def test_shapes_need_seeds_and_two_steps():
    up, down, flat = Interval(2, 1.5, 2.5, 5), Interval(0.5, 0.4, 0.6, 5), Interval(1, 0.9, 1.1, 5)
    name = {
        "rises, then falls": [up, flat, down],
        "flat": [flat, flat],
        "goes up and down": [down, up],
        "undecided": [up],
    }
    for shape, steps in name.items():
        assert measured.shape(dict(enumerate(steps))) == shape
    assert measured.shape({0: up, 1: up._replace(seeds=4)}) == "undecided"


def test_steps_are_paired_by_seed():
    rows = pd.DataFrame({"seed": [3, 3, 4, 4], "width": [16, 32] * 2, "P": [1.0, 2.0, 10.0, 20.0]})
    (step,) = measured.steps_over_width(rows, "P").values()
    assert step[:3] == pytest.approx((2, 2, 2))


def test_published_rows_give_the_four_measured_entries():
    entries = [measured.kappa_in_figure_3(), measured.unsaid_settings(), measured.which_expectation()]
    assert [entry.kind for entry in entries[1:]] == ["both stand", "both stand"]
    assert float(entries[1].texts["setting_factor"]) > 1 and len(entries[1].table) == 6
    table, texts = measured.shapes_of_P()
    assert texts["confirmed"].endswith(f"of {len(table)}")


def test_layers_share_their_product_with_the_gradient():
    products = networks.products_with_gradient()
    assert products == pytest.approx([products[0]] * 4)


def test_movement_grows_above_the_border_and_not_below():
    moved = {c: np.log([networks.movement(m, c, 2) for m in (16, 64, 256)]) for c in (0.35, 1.0)}
    slopes = {c: np.polyfit(np.log([16, 64, 256]), logs, 1)[0].mean() for c, logs in moved.items()}
    assert slopes[1.0] > 0.2 and slopes[0.35] < 0


def test_two_measures_of_one_name():
    entry = networks.two_measures(20, 3, 2, width=32, depth=2)
    assert entry.kind == "wording" and entry.texts["P_drop"] == "10"
    assert float(entry.texts["factor_low"]) <= float(entry.texts["factor"]) <= float(entry.texts["factor_high"])


def test_two_neurons_part_the_average_from_the_maximum():
    entry = networks.laws_of_robustness()
    assert entry.kind == "wording"
    assert entry.table["P, measured"].astype(float).to_numpy() == pytest.approx(
        [networks.stability_of_two_neurons(theta) for theta in (0.3, 0.03, 0.003)], abs=1e-3
    )
