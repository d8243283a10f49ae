"""What was recorded, in words."""

from __future__ import annotations

from benchmarks.words import side_by_side, spread, where


def summary(median: float) -> dict[str, float]:
    return {"min": median / 2, "median": median, "max": 2 * median}


def test_a_cell_and_a_ratio_are_told_in_one_word_each() -> None:
    assert where({"width": 16.0, "depth": 2, "replicas": None}) == "m\u00a0=\u00a016,\u00a0L\u00a0=\u00a02"
    assert where({"module": "CNN", "outputs": 10, "points": 4}) == "CNN,\u00a010\u00a0outputs,\u00a0n\u00a0=\u00a04"
    assert spread(summary(2.0)) == "2.00 [1.00, 4.00]"


def test_ratios_of_bf16_have_a_table_of_their_own() -> None:
    cells = [
        {
            "settings": {"width": m, "depth": 2},
            "contenders": {"ours": summary(m * 1e-6), "jax": summary(1.0)},
            "ratios": {"jax/ours": summary(2.0), **({"jax/ours in bf16": summary(3.0)} if m == 256 else {})},
        }
        for m in (16, 256)
    ]
    table = side_by_side({"cells": cells})
    assert list(table.columns) == ["cell", "ours", "× JAX"]
    assert list(table["ours"]) == ["16\u00a0µs", "256\u00a0µs"]
    low = side_by_side({"cells": cells}, low=True)
    assert list(low["cell"]) == [where({"width": 256, "depth": 2})]
    assert list(low["× JAX, ours in bf16"]) == ["3.00 [1.50, 6.00]"]
