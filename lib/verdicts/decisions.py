"""The register's statistical rules: p values of a curve, over curves, over tests and over the claims of a family."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from lib.trends import one_sided
from lib.verdicts.claims import MINIMUM_SEEDS, Claim, Component, Register

Label = TypeVar("Label", bound=Hashable)


class Decision(NamedTuple):
    """The two p values of a registered rule, before Holm's adjustment over the claim's family.

    Attributes:
        p_for: of the null hypothesis that the claim does not hold; small supports it.
        p_against: of the null hypothesis that it does; small contradicts it.
    """

    p_for: float
    p_against: float

    def outcome(self, alpha: float = 0.05) -> str:
        """Return "contradicted", "supported" or "inconclusive"; contradicted goes first, NaN decides nothing."""
        if self.p_against < alpha:
            return "contradicted"
        return "supported" if self.p_for < alpha else "inconclusive"


UNDECIDED = Decision(np.nan, np.nan)


@dataclass(frozen=True)
class Result:
    """What a statistic says of one curve.

    Attributes:
        decision: p values for and against, NaN where too few seeds are there.
        effect, low, high: the estimate with its 95 % interval, in the units of the register's center.
        seeds: the seeds that gave an effect.
        tau: Kendall's τ between the levels and a seed's values, averaged over seeds; None where no order is tested.
    """

    decision: Decision
    effect: float
    low: float
    high: float
    seeds: tuple[int, ...]
    tau: float | None = None


def beyond(
    samples: Sequence[np.ndarray], alternative: str, center: float, margin: float, least: int = MINIMUM_SEEDS
) -> list[Decision]:
    """Return Student's tests of each sample: beyond `center` (for), and short of `center` ± `margin` (against).

    p_for is that of "not beyond center", p_against that of "beyond center + margin" (center − margin for "less").

    Source: lib/verdicts/register.yml, statistic t.
    """
    sign = -1 if alternative == "less" else 1
    signed = [sign * sample for sample in samples]
    above, _ = one_sided(signed, sign * center, least)
    _, below = one_sided(signed, sign * center + margin, least)
    return [Decision(*pair) for pair in zip(above.tolist(), below.tolist(), strict=True)]


def equal(samples: Sequence[np.ndarray], center: float, margin: float, least: int = MINIMUM_SEEDS) -> list[Decision]:
    """Return two one-sided tests of each sample: does its mean lie in center ± margin?

    p_for is the larger p of "above the lower end" and "below the upper end"; p_against twice the smaller of the
    opposite two.

    Source: lib/verdicts/register.yml, statistic tost.
    """
    above_low, below_low = one_sided(samples, center - margin, least)
    above_high, below_high = one_sided(samples, center + margin, least)
    p_for = np.maximum(above_low, below_high)
    p_against = np.minimum(1, 2 * np.minimum(below_low, above_high))
    return [Decision(*pair) for pair in zip(p_for.tolist(), p_against.tolist(), strict=True)]


def every(decisions: Sequence[Decision], against: int | None = None) -> Decision:
    """Return the register's `every`: all have to support; one can contradict, at Bonferroni's price.

    p_for is the largest, p_against min(1, T · smallest). One that is undecided (NaN) withholds support.

    Args:
        decisions: of the curves of a test, or of the tests of a claim.
        against: T, how many of them may contradict; all where it is None.

    Source: lib/verdicts/register.yml, rule 6.
    """
    if not decisions:
        return UNDECIDED
    p_for, p_against = zip(*decisions, strict=True)
    known = [p for p in p_against if not np.isnan(p)]
    count = len(decisions) if against is None else against
    if count == 0:
        return Decision(float(np.max(p_for)), 1.0)
    return Decision(float(np.max(p_for)), min(1.0, count * min(known)) if known else np.nan)


def holm(decisions: dict[Label, Decision], others: int = 0) -> dict[Label, Decision]:
    """Adjust the p values of a family's claims by Holm's step-down method, those for and those against apart.

    In increasing order, p₍ᵢ₎ becomes max over j ≤ i of min(1, (k − j + 1) p₍ⱼ₎), with k the claims of the family.

    Args:
        decisions: claim -> decision; NaN, which decides nothing, counts as p = 1.
        others: further claims of the family that are decided elsewhere; they count as p = 1.

    Source: Holm, 1979; lib/verdicts/register.yml, rule 7.
    """
    if not decisions:
        return {}

    # statsmodels takes seconds to import, and only who adjusts needs it.
    from statsmodels.stats.multitest import multipletests

    def adjusted(values: tuple[float, ...]) -> list[float]:
        p = np.append(np.nan_to_num(values, nan=1.0), np.ones(others))
        return multipletests(p, method="holm")[1][: len(values)].tolist()

    pairs = zip(*map(adjusted, zip(*decisions.values(), strict=True)), strict=True)
    return {claim: Decision(*pair) for claim, pair in zip(decisions, pairs, strict=True)}


@dataclass(frozen=True)
class Tested:
    """The p values of a test's curves, by the name of the curve.

    Attributes:
        test: as registered.
        decisions: one a curve; empty where no curve can be tested.
        may_contradict: False where the test can only withhold support.
    """

    test: Component
    decisions: Mapping[str, Decision]
    may_contradict: bool


def some(decisions: Sequence[Decision]) -> Decision:
    """Return the p values of a claim about one of k curves that is not named.

    p_for = min(1, k·smallest): it holds on some curve. p_against = the largest: it fails on every one.

    Source: lib/verdicts/register.yml, `combine`.
    """
    if not decisions:
        return UNDECIDED
    p_for, p_against = (np.array(values) for values in zip(*decisions, strict=True))
    if np.isnan(p_for).all():
        return UNDECIDED
    return Decision(float(min(1.0, len(decisions) * np.nanmin(p_for))), float(p_against.max()))


def nested(claim: Claim, tests: Sequence[Tested]) -> Decision:
    """Return p_for = the largest over tests and p_against = min(1, T·smallest), each test's curves combined before.

    T counts the tests that may contradict and have a curve. A test without a curve withholds support.
    """
    return every(
        [over_curves(claim, one) for one in tests], sum(one.may_contradict and bool(one.decisions) for one in tests)
    )


def flat(tests: Sequence[Tested]) -> Decision:
    """Return the same with all curves of all tests at once."""
    decisions = [_silent(d, one) for one in tests for d in one.decisions.values()]
    if any(not one.decisions for one in tests):
        decisions.append(UNDECIDED)
    return every(decisions, sum(len(one.decisions) for one in tests if one.may_contradict))


def within(tests: Sequence[Tested]) -> Decision:
    """Return the p values of tests that have to hold on one and the same curve, which is not named."""
    names = [name for name in tests[0].decisions if all(name in one.decisions for one in tests)]
    count = sum(one.may_contradict for one in tests)
    return some([every([_silent(one.decisions[name], one) for one in tests], count) for name in names])


def _silent(decision: Decision, tested: Tested) -> Decision:
    return decision if tested.may_contradict else decision._replace(p_against=1.0)


def over_curves(claim: Claim, tested: Tested) -> Decision:
    """Return the p values of a test, its curves combined as the claim says."""
    if claim.combine is None:
        return _silent(_unstated(tested) if tested.test.quantifier == "unstated" else every(_all(tested)), tested)
    return _silent((some if claim.combine.curves == "some" else every)(_all(tested)), tested)


def combine(claim: Claim, tests: Sequence[Tested], pooling: str = "nested") -> Decision:
    """Return the p values of a claim before its family is adjusted.

    Version 1 says "as `every`" of several tests, which is read as nested, and takes the largest of both p values over
    curves where the paper does not say which it drew.

    Args:
        claim: as registered.
        tests: its tests with their curves.
        pooling: "nested", as registered, or "flat" in a universe.
    """
    if pooling == "flat":
        return flat(tests)
    if claim.combine is None:
        return every([over_curves(claim, one) for one in tests], sum(bool(one.decisions) for one in tests))
    if claim.combine.tests == "within":
        return within(tests)
    return nested(claim, tests)


def _all(tested: Tested) -> list[Decision]:
    return list(tested.decisions.values())


def _unstated(tested: Tested) -> Decision:
    if not tested.decisions:
        return UNDECIDED
    p_for, p_against = zip(*tested.decisions.values(), strict=True)
    return Decision(float(np.max(p_for)), float(np.max(p_against)))


def adjust(register: Register, raw: Mapping[int, Decision]) -> dict[int, Decision]:
    """Return the p values of claims, adjusted by Holm's method in each family of k claims.

    A claim of the family that is not testable, or not registered yet, counts with p = 1.
    """
    adjusted: dict[int, Decision] = {}
    for family in register.families.values():
        members = {n: raw[n] for n in family.claims if n in raw and n not in family.arithmetic}
        adjusted |= holm(members, others=max(0, family.k - len(members)))
    return adjusted


def adjust_one(claim: Claim, decision: Decision, raw: Mapping[int, Decision], register: Register) -> Decision:
    """Return a claim's p values, adjusted in its family, where all others of the family keep theirs.

    The same as `adjust`; it is apart because statsmodels collects garbage at every call, and universes are thousands.
    """
    family = register.families[claim.family]
    if claim.number in family.arithmetic or (claim.combine is not None and claim.combine.family == "none"):
        return decision
    others = [raw[n] for n in family.claims if n in raw and n != claim.number and n not in family.arithmetic]
    missing = max(0, family.k - len(others) - 1)
    return Decision(
        *(
            _holm_of_one(own, [*(other[side] for other in others), *[1.0] * missing])
            for side, own in enumerate(decision)
        )
    )


def _holm_of_one(own: float, others: Sequence[float]) -> float:
    """Return Holm's adjustment of one p value among others; NaN counts as 1."""
    p = np.nan_to_num([own, *others], nan=1.0)
    smaller = np.sort(p[p <= p[0]])
    return float(min(1.0, (smaller * (len(p) - np.arange(len(smaller)))).max()))
