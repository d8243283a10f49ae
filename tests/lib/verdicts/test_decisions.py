"""The register's rules against scipy and against cases that can be counted by hand."""

import numpy as np
import pytest
from scipy import stats

from lib.verdicts.decisions import UNDECIDED, Decision, adjust, adjust_one, beyond, equal, every, holm, some


def test_registered_rules_are_those_of_scipy() -> None:
    values = np.array([0.9, 1.2, 1.1, 1.4, 1.0])
    (one,) = beyond([values], "greater", 0.8, 0.1)
    assert one.p_for == pytest.approx(stats.ttest_1samp(values, 0.8, alternative="greater").pvalue)
    assert one.p_against == pytest.approx(stats.ttest_1samp(values, 0.9, alternative="less").pvalue)
    (mirrored,) = beyond([-values], "less", -0.8, 0.1)
    assert mirrored == pytest.approx(one)
    (same,) = equal([values], 1.0, 0.3)
    ends = [stats.ttest_1samp(values, 0.7, alternative="greater"), stats.ttest_1samp(values, 1.3, alternative="less")]
    assert same.p_for == pytest.approx(max(end.pvalue for end in ends))
    assert same.p_against == pytest.approx(min(1, 2 * (1 - max(end.pvalue for end in ends))))


def test_what_decisions_say() -> None:
    assert Decision(0.01, 0.9).outcome() == "supported"
    assert Decision(0.01, 0.01).outcome() == "contradicted"
    assert Decision(0.2, 0.8).outcome() == UNDECIDED.outcome() == "inconclusive"
    assert every([Decision(0.01, 0.5), Decision(0.2, 0.02)]) == (0.2, 0.04)
    assert every([Decision(0.01, 0.5), Decision(0.2, 0.02)], against=1) == (0.2, 0.02)
    assert every([Decision(0.01, 0.5)], against=0) == (0.01, 1.0)
    assert every([]).outcome() == "inconclusive"
    assert every([UNDECIDED, Decision(0.01, 0.001)]).p_against == 0.002
    assert np.isnan(every([UNDECIDED, Decision(0.01, 0.9)]).p_for)


def test_missing_is_what_is_not_finite_and_four_never_decide() -> None:
    five = np.array([1.0, 1.01, 0.99, 1.0, 1.02])
    for missing in (np.nan, -np.inf, np.inf):
        assert beyond([np.append(five, missing)], "greater", 0.9, 0.0) == beyond([five], "greater", 0.9, 0.0)
        few = np.append(five[:4], missing)
        assert beyond([few], "greater", 0.9, 0.0)[0].outcome() == equal([few], 1, 0.1)[0].outcome() == "inconclusive"


def test_a_claim_about_one_curve_that_is_not_named_holds_on_some() -> None:
    curves = [Decision(0.01, 0.9), Decision(0.8, 0.001), Decision(0.5, 0.3)]
    assert some(curves) == (0.03, 0.9)
    assert some([]).outcome() == "inconclusive"


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


def test_one_claim_is_adjusted_as_in_its_whole_family(rules) -> None:
    stream, register = np.random.default_rng(0), rules[2]
    family = register.families["A"]
    for _ in range(20):
        draws = stream.choice([1e-4, 0.002, 0.01, 0.03, 0.2, np.nan], (len(family.claims), 2))
        raw = {n: Decision(*map(float, pair)) for n, pair in zip(family.claims, draws, strict=True)}
        whole = adjust(register, raw)
        for number in (1, 6, 25):
            one = adjust_one(register.claims[number], raw[number], raw, register)
            assert one == pytest.approx(whole[number])
