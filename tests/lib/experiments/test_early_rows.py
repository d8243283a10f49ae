"""Tables of early training: moments, slopes in n, and the exit of curves whose exit is known."""

import numpy as np
import pandas as pd
import pytest

from lib.experiments.early_rows import at, change_point, early_here, exits, first_above, slopes_in_n
from lib.theory.early_training import guaranteed_time, theorem3


def test_a_moment_is_a_share_of_a_clock_or_a_loss():
    rows = pd.DataFrame(
        {"share": [0, 0.25, np.nan, 0.25], "common": [np.nan, 0.5, np.nan, np.nan], "c": [2.0, 2.0, 2.0, 3.0]}
    ).assign(reached=[np.nan, np.nan, 0.5, np.nan])
    assert at(rows, "epoch_0").index.tolist() == [0]
    assert at(rows, "time_0.25", c=2.0).index.tolist() == [1]
    assert at(rows, "common_0.5").index.tolist() == [1]
    assert at(rows, "fit_0.5").index.tolist() == [2]


def test_slopes_in_n_have_an_intercept_a_width():
    lines = [(s, m, n, m**-3.0 * n**-0.5 * (1 + s)) for s in (3, 4) for m in (64, 128) for n in (5, 10, 20)]
    table = pd.DataFrame(lines, columns=["seed", "width", "samples", "P"])
    assert slopes_in_n(table) == pytest.approx([-0.5, -0.5])
    assert slopes_in_n(table.assign(P=table.width * 1.0)).tolist() == [0.0, 0.0]


def test_the_first_crossing_is_interpolated():
    assert first_above([0, 1, 2], np.array([-1.0, -0.5, 0.5])) == 1.5
    assert first_above([0, 1], np.array([0.1, 1.0])) == 0.0
    assert np.isnan(first_above([0, 1], np.array([-1.0, 0.0])))


def test_a_broken_line_breaks_where_it_was_broken():
    time = np.linspace(0, 10, 101)
    assert change_point(time, np.minimum(time, 4.0)) == pytest.approx(4, abs=0.1)


def test_runs_leave_the_bound_where_their_growth_crosses_it():
    time = np.arange(0, 21.0)
    lines = []
    for m in (128, 512):
        start = np.log(theorem3(m, 5, 2.0)) - (4.25 if m == 128 else 6.5)
        for t in time:
            lines.append((2.0, 5, m, 3, t, np.exp(start + min(t, 12.0)), 0.5, 0.5 if t == 15 else np.nan))
    columns = ["c", "samples", "width", "seed", "time", "P", "train_loss", "reached"]
    rows = pd.DataFrame(lines, columns=columns).assign(in_features=20, epoch=1.0)
    found = exits(rows).set_index("width")
    assert found.exit.tolist() == pytest.approx([4.25, 6.5])
    assert found.fitted_exit.tolist() == pytest.approx([0, 6.5 - 4.25])
    assert found["break"].tolist() == pytest.approx([12, 12], abs=0.3)
    assert found.half.tolist() == [15, 15]
    assert found.proved[512] == guaranteed_time(512, 5, 20, 2.0, 1.0)


def test_a_run_here_has_seeds_that_no_published_row_has_and_says_what_failed():
    rows, failed, reasons = early_here([2.0], [128], 2, 2, 5, 0.1)
    assert (failed, reasons) == (0, []) and set(rows.seed) == {100, 101} and set(rows.c) == {2.0}
    assert (rows[rows.share == 0].P > 0).all()
