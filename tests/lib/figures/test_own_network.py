"""The figures of chapter 17 on values that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lib.figures import own_network


def test_examples_are_drawn_as_ratios_and_against_the_worst_case():
    examples = pd.DataFrame(
        {
            "model": ["a", "a", "b"],
            "exact": [1.0, 2.0, 4.0],
            "sampled": [1.1, 2.0, 3.0],
            "standard_error": [0.1, 0.1, 0.2],
            "lipschitz": [5.0, 6.0, np.nan],
        }
    )
    left, right = own_network.sampled_and_worst(examples).axes
    drawn = [container.lines[0].get_ydata().tolist() for container in left.containers]
    assert [value for part in drawn for value in part] == pytest.approx([1.1, 1.0, 0.75])
    assert left.get_legend_handles_labels()[1] == ["a", "b"]
    assert right.lines[0].get_ydata().tolist() == [5.0, 6.0]


def test_prices_stand_from_top_to_bottom_in_the_given_order():
    costs = pd.DataFrame(
        {
            "model": ["a", "a", "b"],
            "way": ["lib", "hand", "lib"],
            "seconds": [1.0, 2.0, 3.0],
            "mib": [10.0, np.nan, 0.0],
        }
    )
    left, right = own_network.prices(costs, ["hand", "lib"]).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["hand", "lib"]
    assert left.lines[0].get_xdata().tolist() == [2.0, 1.0]
    assert left.yaxis_inverted() and len(right.lines) == 2
