"""Chapter 2's figures: errors as they are, bands over seeds, and until when a change is linear."""

import numpy as np
import pandas as pd
import pytest

from lib.figures import stability as drawn
from lib.theory.gaussian_norms import equal_eigenvalues


def test_errors_of_sampling_and_of_the_rule_have_a_panel_each():
    sampled = pd.DataFrame({"draws": [10, 10, 1000], "error": [0.1, 0.2, 0.01]})
    left, right = drawn.exact_and_sampled(
        sampled, 0.5, lambda spectrum, nodes: 1 + 1 / nodes, {"one": (equal_eigenvalues(1)[0], 1.0)}
    ).axes
    assert left.lines[0].get_ydata().tolist() == [0.1, 0.2, 0.01]
    assert left.lines[1].get_ydata() == pytest.approx(0.5 / np.sqrt([10, 1000]))
    assert right.lines[0].get_ydata() == pytest.approx(1 / right.lines[0].get_xdata())


@pytest.fixture
def changes():
    lines = [(e, s, 1 - e / 100 * (1 + s), 1 + e) for e in (0.01, 1.0, 3.0) for s in (0, 1)]
    return pd.DataFrame(lines, columns=["epsilon", "seed", "ratio", "worst"])


def test_a_change_is_linear_until_any_seed_is_not(changes):
    assert drawn.linear_until(changes, "ratio") == 1.0
    assert drawn.linear_until(changes, "worst") == 0.01
    assert np.isnan(drawn.linear_until(changes[changes["epsilon"] > 0.1], "worst"))


def test_bands_are_over_seeds(changes):
    (axis,) = drawn.finite_over_linear(changes).axes
    assert axis.lines[0].get_ydata() == pytest.approx([0.99985, 0.985, 0.955])
    assert axis.get_legend_handles_labels()[1][2] == "within 5%"


def test_each_stage_of_training_has_its_points():
    cells = [(e, L, m, s) for e in (1, 20) for L in (2, 4) for m in (8, 16) for s in (0, 1)]
    frame = pd.DataFrame(cells, columns=["epoch", "depth", "width", "seed"])
    frame["P"], frame["relative stability"] = frame["depth"] * 1.0, frame["width"] * 1.0
    left, right = drawn.attack_over_stability(frame.assign(**{"adversarial accuracy": 0.5}), 0.1).axes
    assert left.get_legend_handles_labels()[1] == ["epoch 1", "epoch 20"]
    assert sorted(right.lines[0].get_xdata()) == [8, 8, 16, 16]
