"""The published matrix, and its lines that are alike."""

import pandas as pd

from lib.estimators.published import alike, published_modules


def test_lines_that_are_alike_stand_together():
    cells = {"P": ["exact", "refused: no f; really", "exact", "exact"], "L": ["sampled", "exact", "sampled", "exact"]}
    found = alike(pd.DataFrame(cells, index=["a", "b", "c", "d"]))
    assert found.to_dict("list") == {
        "P": ["exact", "refused", "exact"],
        "L": ["sampled", "exact", "exact"],
        "modules": [["a", "c"], ["b"], ["d"]],
        "count": [2, 1, 1],
        "reason": ["", "no f; really", ""],
    }


def test_the_published_matrix_keeps_every_kind():
    modules = published_modules()
    found = alike(modules[["perturbation_stability", "lazy_training_ratio"]])
    assert sorted(name for names in found["modules"] for name in names) == sorted(modules.index)
    assert found["count"].sum() == len(modules) and found["count"].is_monotonic_decreasing
    assert set(found["perturbation_stability"]) <= {"exact", "sampled", "refused"}
