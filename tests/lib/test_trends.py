"""Student t intervals over seeds, against scipy and values by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.trends import (
    ENOUGH,
    complete_curve,
    crossing,
    log_interval,
    log_slopes,
    mean_interval,
    p_above,
    paired,
    paired_keys,
    rise_and_fall,
    slopes_by_seed,
    summarise,
)
from lib.verdicts.register import read


def test_the_mean_of_two_seeds_by_hand():
    # Mean 2, sd √2, standard error 1, and t with one degree of freedom at 97.5 % is tan(0.475 π) = 12.7062.
    assert mean_interval([1.0, 3.0]) == pytest.approx((2.0, 2 - 12.7062047, 2 + 12.7062047, 2), rel=1e-7)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_intervals_are_those_of_scipy(level):
    values = np.random.default_rng(0).lognormal(size=7)
    low, high = stats.t.interval(level, 6, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values, level) == pytest.approx((values.mean(), low, high, 7), rel=1e-12)
    logs = np.log(values)
    low, high = stats.t.interval(level, 6, loc=logs.mean(), scale=stats.sem(logs))
    assert log_interval(values, level) == pytest.approx(
        (stats.gmean(values), math.exp(low), math.exp(high), 7), rel=1e-12
    )


@pytest.mark.slow
def test_a_log_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(1).lognormal(mean=0.3, sigma=1.0, size=(2000, 5))
    intervals = [log_interval(seeds) for seeds in draws]
    covered = np.mean([i.low < math.exp(0.3) < i.high for i in intervals])
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


@pytest.mark.parametrize("interval", [log_interval, mean_interval])
def test_one_seed_has_a_mean_and_no_interval(interval):
    mean, low, high, seeds = interval([0.5])
    assert (mean, seeds) == (pytest.approx(0.5), 1)
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("interval", [log_interval, mean_interval])
@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_no_seed_has_nothing(interval, values):
    *numbers, seeds = interval(values)
    assert seeds == 0
    assert all(math.isnan(number) for number in numbers)


@pytest.mark.parametrize("interval", [log_interval, mean_interval])
def test_nan_is_left_out_and_not_counted(interval):
    assert interval([1.0, math.nan, 3.0]) == interval([1.0, 3.0])
    assert interval([1.0, math.nan, 3.0]).seeds == 2


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_what_has_no_logarithm_is_refused(value):
    with pytest.raises(ValueError, match=f"values must be positive to take their logarithm, got {value}"):
        log_interval([1.0, value])


@pytest.mark.parametrize("interval", [log_interval, mean_interval])
@pytest.mark.parametrize("level", [0.0, 1.0, 95, math.nan])
def test_a_level_is_a_fraction(interval, level):
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
        interval([1.0, 2.0], level)


@pytest.mark.parametrize(("log", "interval"), [(True, log_interval), (False, mean_interval)])
def test_a_summary_has_one_line_a_group(log, interval):
    frame = pd.DataFrame(
        {"depth": [4, 2, 2, 2], "width": [16, 32, 16, 16], "seed": [0, 0, 0, 1], "P": [1.0, 2.0, 3.0, 4.0]}
    )
    table = summarise(frame, "P", ["depth", "width"], log=log)
    assert list(table.columns) == ["depth", "width", "mean", "low", "high", "seeds"]
    assert table[["depth", "width", "seeds"]].values.tolist() == [[2, 16, 2], [2, 32, 1], [4, 16, 1]]
    assert tuple(table.iloc[0][["mean", "low", "high", "seeds"]]) == pytest.approx(interval([3.0, 4.0]))
    one = summarise(frame, "P", ["depth"], log=log)
    assert one["seeds"].tolist() == [3, 1]


@pytest.mark.parametrize("center", [-0.5, 0.0, 0.7])
def test_one_sided_p_values_are_those_of_scipy(center):
    values = np.random.default_rng(2).normal(size=6)
    expected = stats.ttest_1samp(values, center, alternative="greater").pvalue
    assert p_above(values, center) == pytest.approx(expected, rel=1e-12)
    assert p_above([*values, math.nan], center) == p_above(values, center)
    assert p_above(values, center) + p_above(-values, -center) == pytest.approx(1, rel=1e-12)


def test_one_sided_p_values_without_spread_or_replicates():
    assert (p_above([1.0, 1.0, 1.0], 0.5), p_above([1.0, 1.0, 1.0], 1.0)) == (0, 1)
    assert math.isnan(p_above([1.0]))


def test_slopes_of_powers_are_their_exponents_one_a_seed() -> None:
    frame = pd.DataFrame(
        [(m, seed, 3.0 * m ** (-0.5 - seed)) for m in (10, 100, 1000) for seed in range(3)],
        columns=["width", "seed", "RD"],
    )
    found = log_slopes(frame, "RD", ["seed"])
    assert found.seed.tolist() == [0, 1, 2] and found.slope.tolist() == pytest.approx([-0.5, -1.5, -2.5])
    # A seed that lacks a width would have its slope over another range.
    frame.loc[frame.index[-1], "RD"] = np.nan
    gap = log_slopes(frame, "RD", ["seed"])
    assert gap.seed.tolist() == [0, 1, 2] and gap.slope.isna().tolist() == [False, False, True]
    # One width more in the frame takes nothing from the slopes over named ones.
    wider = pd.concat([frame, frame.iloc[:1].assign(width=10 * frame.width.max())])
    assert log_slopes(wider, "RD", ["seed"]).slope.isna().sum() == 2
    named = log_slopes(wider, "RD", ["seed"], levels=sorted(frame.width.unique()))
    assert named.slope.tolist() == pytest.approx(gap.slope.tolist(), nan_ok=True)


def test_where_values_change_their_sign() -> None:
    assert crossing([0, 1, 2], [-1, 1, 3]) == 0.5
    assert crossing([0, 1, 3], [-2, -1, 3]) == 1.5
    assert crossing([0, 1, 2], [-1, 0, 1]) == 1
    assert crossing([0, 1, 2, 3], [1, -1, 1, 1]) == 0.5  # the first change counts
    assert crossing([0, 1], [-1, 0]) == 1
    assert np.isnan(crossing([0, 1], [1, 2]))
    with pytest.raises(ValueError, match="places must increase"):
        crossing([0, 0], [1, 2])


def test_paired_effects_are_taken_seed_by_seed():
    lines = [(name, m, s, value * s) for name, value in (("a", 2.0), ("b", 6.0)) for m in (16, 32) for s in (1, 2, 3)]
    frame = pd.DataFrame(lines, columns=["name", "width", "seed", "P"])
    frame = frame[(frame.name.ne("a")) | (frame.width != 32) | (frame.seed != 3)]
    ratio = paired(frame, "P", "name", "b", "a", ["width"]).set_index("width")
    assert ratio["mean"].tolist() == pytest.approx([3, 3])
    assert ratio["seeds"].tolist() == [3, 2]
    difference = paired(frame, "P", "name", "b", "a", ["width"], log=False).set_index("width")
    assert difference.loc[16, "mean"] == pytest.approx(8)
    assert paired(frame, "P", "name", "b", "absent", ["width"]).empty
    named = frame.assign(key=frame.name + frame.width.astype(str) + frame.seed.astype(str), other="x")
    behind = paired_keys(named, "P", "name", "b", "a", ["width"])
    assert set(behind[32]) == {"a321", "a322", "b321", "b322"} and len(behind[16]) == 6
    with_other = paired_keys(named, "P", "name", "b", "a", ["other", "width"])
    assert with_other["x", 32] == behind[32]


def curve(*means, spread=0.01, seeds=5):
    noise = np.random.default_rng(0).normal(scale=spread, size=(seeds, len(means)))
    lines = [(2**k * 16, s, np.exp(np.log(m) + noise[s, k])) for k, m in enumerate(means) for s in range(seeds)]
    return pd.DataFrame(lines, columns=["width", "seed", "P"])


@pytest.mark.parametrize(
    ("means", "peak", "hump"),
    [((1, 2, 1), 32, True), ((1, 2, 3), 64, False), ((3, 2, 1), 16, False), ((1, 1.005, 1), 32, False)],
)
def test_a_hump_needs_both_of_its_sides(means, peak, hump):
    found = rise_and_fall(curve(*means), "P")
    assert found.hump is hump
    assert found.peak == peak
    assert found.whole.mean == pytest.approx(means[-1] / means[0], rel=0.05)
    assert (found.up is None) == (found.peak == 16) and (found.down is None) == (found.peak == 64)


def test_a_width_that_lacks_a_seed_is_left_out():
    frame = curve(1, 2, 1).iloc[:-1]
    assert rise_and_fall(frame, "P").widest == 32
    assert complete_curve(frame, "P").shape == (5, 2)
    with pytest.raises(ValueError, match="at least two widths"):
        rise_and_fall(curve(1), "P")


def test_a_seed_that_lacks_a_width_is_left_out_where_five_have_it():
    assert read().vocabulary["minimum_seeds"] == ENOUGH
    frame = curve(1, 2, 1, seeds=8)
    lacking = frame[(frame.width < 64) | (frame.seed < 5)]
    assert complete_curve(lacking, "P").index.tolist() == [0, 1, 2, 3, 4]
    assert rise_and_fall(lacking, "P").widest == 64 and rise_and_fall(lacking, "P").whole.seeds == 5
    fewer = frame[(frame.width < 64) | (frame.seed < 4)]
    assert complete_curve(fewer, "P").shape == (8, 2)


def test_slopes_by_seed_are_over_what_is_there():
    rows = [(s, m, (1 + s) * m**0.5 if m < 100 else np.nan) for s in (4, 5) for m in (10, 20, 40, 400)]
    frame = pd.DataFrame(rows, columns=["seed", "width", "P"])
    assert slopes_by_seed(frame, "P", "width") == pytest.approx([0.5, 0.5])
    linear = frame.assign(P=np.exp(frame.width / 10))
    assert slopes_by_seed(linear[linear.width < 100], "P", "width", log_axis=False) == pytest.approx([0.1, 0.1])
    assert len(slopes_by_seed(frame[frame.width > 100], "P", "width")) == 0
