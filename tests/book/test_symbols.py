"""The box "Symbols used here" and the tables that it is drawn from."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.chapters import read_chapters
from book.project import Project
from book.symbols import NOTATION, other_meanings, symbols_cell, symbols_of, used

ROOT = Path(__file__).parents[2]
TABLES = r"""
| symbol | here and in Zhu et al. | elsewhere |
|---|---|---|
| $c$ | an exponent | {doc}`chapter 2 <02_stability>`: any number |

| symbol | meaning, with shape or unit | defined | called elsewhere |
|---|---|---|---|
| $m$ | width | {doc}`01_setting` | – |
| $\mathbf W_l$ | weights | {eq}`eq-network` | – |
| $c$ | exponent | {doc}`01_setting` | – |
| $c_d$ | a mean | {doc}`01_setting` | – |
| $\mathcal P$ | stability | {doc}`02_stability` | – |
| $\lambda_1, \dots, \lambda_k$ | eigenvalues | {doc}`02_stability` | – |
| $\lVert\mathbf J(\mathbf x)\rVert_2$ | worst direction | {doc}`02_stability` | – |
| $\boldsymbol\delta$, $\hat{\mathbf x}$ | perturbation | {doc}`02_stability` | – |
| $\kappa$ | ratio | {doc}`02_stability` | – |
| – | a share | {doc}`02_stability` | – |

| symbol | meaning |
|---|---|
| $\Theta$ | up to constants |
"""


def test_lines_that_say_where_a_symbol_is_defined_are_read() -> None:
    symbols = symbols_of(TABLES)
    assert [symbol.meaning for symbol in symbols][:2] == ["width", "weights"]
    assert len(symbols) == 9
    assert symbols[1].defined == "{eq}`eq-network`"


@pytest.mark.parametrize(
    ("prose", "meanings"),
    [
        (r"the width $m$", ["width"]),
        (r"$m^{-c}$ at most", ["width", "exponent"]),
        (r"$\mathbf W_1$ and $\mathbf{W}_{L-1}$", ["weights"]),
        (r"$c_d$ alone", ["a mean"]),
        (r"$\lambda_i$", ["eigenvalues"]),
        (r"$\lambda_0$, $\lambda^*$, $\lambda$", []),
        (r"$\|\mathbf J\|_2$", ["worst direction"]),
        (r"$\|\mathbf J\|_F$, $\mathbf J$", []),
        (r"$\boldsymbol\delta$", ["perturbation"]),
        ("over budgets κ falls", ["ratio"]),
        (r"$\mathrm{m}$, $\mathbb P$, $\text{m c}$ and m, c", []),
        (r"$$ \mathcal{P} \le m $$ (eq-a)", ["width", "stability"]),
    ],
)
def test_a_symbol_is_used_where_a_formula_has_it(prose: str, meanings: list[str]) -> None:
    assert [symbol.meaning for symbol in used(prose, symbols_of(TABLES))] == meanings


def test_a_letter_that_a_chapter_uses_otherwise_is_named_by_the_table_of_two_meanings() -> None:
    assert other_meanings(TABLES, "02_stability") == {("c", "")}
    assert other_meanings(TABLES, "03_other") == set()


def test_the_boxes_of_the_book_hold_lines_of_its_tables() -> None:
    chapters = read_chapters(Project(ROOT))
    lines = {f"| {s.written} | {s.meaning} | {s.defined} |" for s in symbols_of(chapters[NOTATION].text)}
    boxes = {name: cell.source for name in chapters if (cell := symbols_cell(chapters[name], chapters))}
    assert {"01_setting", "06b_how_far_networks_move", "17_your_own_network"} <= set(boxes)
    assert not {NOTATION, "00_overview", "90_benchmarks"} & set(boxes)
    for box in boxes.values():
        shown = [line for line in box.splitlines() if line.startswith("| $")]
        assert shown and set(shown) <= lines
    assert r"$\lambda" not in boxes["13_width_adjusted"]  # there it is the weight of the regularization
    assert r"$\lambda_1, \dots, \lambda_k$" in boxes["02_perturbation_stability"]
