"""The register's rules against scipy and against cases that can be counted by hand."""

import numpy as np
import pytest
from scipy import stats

from lib.decisions import Decision, decide_beyond, decide_equal, decide_every, decide_rare, decide_trend, holm


def test_registered_rules_are_those_of_scipy() -> None:
    values = np.array([0.9, 1.2, 1.1, 1.4, 1.0])
    beyond = decide_beyond(values, "greater", center=0.8, margin=0.1)
    assert beyond.p_for == pytest.approx(stats.ttest_1samp(values, 0.8, alternative="greater").pvalue)
    assert beyond.p_against == pytest.approx(stats.ttest_1samp(values, 0.9, alternative="less").pvalue)
    mirrored = decide_beyond(-values, "less", center=-0.8, margin=0.1)
    assert mirrored == pytest.approx(beyond)
    equal = decide_equal(values, 1.0, 0.3)
    ends = [stats.ttest_1samp(values, 0.7, alternative="greater"), stats.ttest_1samp(values, 1.3, alternative="less")]
    assert equal.p_for == pytest.approx(max(end.pvalue for end in ends))
    assert equal.p_against == pytest.approx(min(1, 2 * (1 - max(end.pvalue for end in ends))))
    with pytest.raises(ValueError, match="alternative must be greater or less"):
        decide_beyond(values, "two-sided")


def test_what_decisions_say() -> None:
    assert Decision(0.01, 0.9).outcome() == "supported"
    assert Decision(0.01, 0.01).outcome() == "contradicted"
    assert Decision(0.2, 0.8).outcome() == Decision(np.nan, np.nan).outcome() == "inconclusive"
    assert decide_every([Decision(0.01, 0.5), Decision(0.2, 0.02)]) == (0.2, 0.04)
    assert decide_every([]).outcome() == "inconclusive"
    four = [1.0, 1.01, 0.99, 1.0]  # fewer than five seeds never decide
    assert decide_equal(four, 1, 0.1).outcome() == decide_beyond(four, "less", 0).outcome() == "inconclusive"
    assert decide_every([Decision(np.nan, np.nan), Decision(0.01, 0.001)]).outcome() == "inconclusive"


def test_a_trend_needs_an_order_and_a_change() -> None:
    axis = [1.0, 2.0, 4.0]
    rng = np.random.default_rng(0)
    blocks = np.array([0.0, 0.1, 0.3]) + 0.02 * rng.standard_normal((5, 3))
    changes = [3 * np.polyfit(axis, block, 1)[0] for block in blocks]
    rising = decide_trend(blocks, axis, "greater", margin=0.2)
    # All five seeds have the same order of three levels: one chance in 3!⁵.
    page = 6.0**-5
    assert rising.p_for == pytest.approx(max(page, stats.ttest_1samp(changes, 0, alternative="greater").pvalue))
    assert rising.p_against == pytest.approx(stats.ttest_1samp(changes, 0.2, alternative="less").pvalue)
    assert decide_trend(-blocks, axis, "less", margin=0.2) == pytest.approx(rising)
    assert decide_trend(blocks, axis, "less", margin=0.2).outcome() == "contradicted"
    # A steep mean slope is not an order: the last level alone carries it.
    uneven = np.array([0.1, 0.0, 1.0]) + 0.02 * rng.standard_normal((5, 3))
    assert decide_trend(uneven, axis, "greater").p_for == pytest.approx(
        stats.page_trend_test(uneven, method="exact").pvalue
    )


def test_a_trend_over_two_levels_has_no_order_to_test() -> None:
    blocks = np.array([[0.0, 1.0], [0.1, 0.9], [0.0, 1.2], [0.2, 1.1], [0.1, 1.0]])
    assert decide_trend(blocks, [4, 5], "greater") == pytest.approx(
        decide_beyond(blocks[:, 1] - blocks[:, 0], "greater")
    )


def test_a_trend_leaves_seeds_with_gaps_out() -> None:
    blocks = np.tile([0.0, 1.0, 2.0], (5, 1)) + np.arange(5)[:, None] * [0, 0, 0.01]
    blocks[0, 1] = np.nan
    assert decide_trend(blocks, [1, 2, 3], "greater").outcome() == "inconclusive"
    with pytest.raises(ValueError, match="one column for each of 2 levels"):
        decide_trend(blocks, [1, 2], "greater")


@pytest.mark.parametrize(("failures", "runs"), [(0, 29), (0, 28), (3, 40), (9, 40), (0, 0)])
def test_rare_failures_are_counted_exactly(failures: int, runs: int) -> None:
    decision = decide_rare(failures, runs, 0.1)
    seen = stats.binomtest(failures, runs, 0.1, alternative="less").pvalue if runs else 1
    assert decision.p_for == pytest.approx(seen)
    assert decision.p_against == pytest.approx(
        stats.binomtest(failures, runs, 0.1, alternative="greater").pvalue if runs else 1
    )


def test_29_runs_without_a_failure_support_and_28_do_not() -> None:
    assert decide_rare(0, 29, 0.1).outcome() == "supported"
    assert decide_rare(0, 28, 0.1).outcome() == "inconclusive"


@pytest.mark.parametrize(("failures", "runs", "center"), [(-1, 3, 0.1), (4, 3, 0.1), (1, 3, 1.0)])
def test_impossible_counts_are_refused(failures: int, runs: int, center: float) -> None:
    with pytest.raises(ValueError, match="failures must lie in"):
        decide_rare(failures, runs, center)


def test_holm_multiplies_the_smallest_by_all_and_never_goes_down() -> None:
    family = {1: Decision(0.01, 0.9), 2: Decision(0.04, 0.2), 3: Decision(0.03, 0.001)}
    adjusted = holm(family)
    assert adjusted[1] == pytest.approx((0.03, 0.9))
    assert adjusted[2] == pytest.approx((0.06, 0.4))
    assert adjusted[3] == pytest.approx((0.06, 0.003))


def test_holm_counts_what_is_decided_elsewhere_or_not_at_all_as_one() -> None:
    family = {"a": Decision(0.01, np.nan), "b": Decision(np.nan, 0.02)}
    assert holm(family, others=2) == {"a": Decision(0.04, 1.0), "b": Decision(1.0, 0.08)}
    assert holm({}) == {}
