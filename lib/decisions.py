"""The register's statistical rules: from one number a seed to the two p values of a decision."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import stats

from lib.trends import p_above

Claim = TypeVar("Claim", bound=Hashable)

# Fewer replicates never decide a registered claim.
MINIMUM_SEEDS = 5


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


def decide_beyond(
    values: np.ndarray | list[float], alternative: str, center: float = 0.0, margin: float = 0.0
) -> Decision:
    """Return the register's rule `t`: is the mean over at least five seeds beyond `center` ("greater" or "less")?

    p_for is that of "not beyond center", p_against that of "beyond center + margin" (center − margin for "less").

    Raises:
        ValueError: the alternative is neither.

    Source: lib/experiments/register.yml, statistic t. Used by: chapters 05 to 07 and 14.
    """
    if alternative not in ("greater", "less"):
        raise ValueError(f"alternative must be greater or less, got {alternative!r}.")
    sign = 1 if alternative == "greater" else -1
    values = sign * np.asarray(values, dtype=float)
    if np.isfinite(values).sum() < MINIMUM_SEEDS:
        return Decision(np.nan, np.nan)
    return Decision(p_above(values, sign * center), p_above(-values, -(sign * center + margin)))


def decide_equal(values: np.ndarray | list[float], center: float, margin: float) -> Decision:
    """Return the register's rule `tost`: does the mean over at least five seeds lie in center ± margin?

    p_for is the larger one-sided p of "above the lower end" and "below the upper end"; p_against twice the smaller of
    the opposite two.

    Source: lib/experiments/register.yml, statistic tost. Used by: chapters 05 and 06.
    """
    values = np.asarray(values, dtype=float)
    if np.isfinite(values).sum() < MINIMUM_SEEDS:
        return Decision(np.nan, np.nan)
    low, high = center - margin, center + margin
    p_for = max(p_above(values, low), p_above(-values, -high))
    return Decision(p_for, min(1.0, 2 * min(p_above(-values, -low), p_above(values, high))))


def decide_trend(
    blocks: np.ndarray | list[list[float]], axis: np.ndarray | list[float], alternative: str, margin: float = 0.0
) -> Decision:
    """Return the register's rule `page_t`: do values rise ("greater") or fall ("less") along an axis, seed by seed?

    The effect of a seed is its least-squares slope times the length of the axis. p_for is the larger of the exact p of
    Page's L (seeds are blocks; left out for two levels) and that of "no change"; p_against is that of "a change of
    `margin` or more". A seed that lacks a value is left out.

    Args:
        blocks: the (transformed) measurement, one line a seed and one column a level of the axis.
        axis: the levels, increasing.

    Raises:
        ValueError: the alternative is neither, or the columns are not as many as the levels.

    Source: lib/experiments/register.yml, statistic page_t, effect change. Used by: chapters 06, 07 and 14.
    """
    blocks, axis = np.asarray(blocks, dtype=float), np.asarray(axis, dtype=float)
    if blocks.ndim != 2 or blocks.shape[1] != len(axis):
        raise ValueError(f"blocks must have one column for each of {len(axis)} levels, got the shape {blocks.shape}.")
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    if len(blocks) < MINIMUM_SEEDS:
        return decide_beyond([], alternative)
    changes = np.polyfit(axis, blocks.T, 1)[0] * np.ptp(axis)
    change = decide_beyond(changes, alternative, margin=margin)
    if len(axis) == 2:
        return change
    ordered = blocks if alternative == "greater" else blocks[:, ::-1]
    page = stats.page_trend_test(ordered, method="exact").pvalue
    return change._replace(p_for=max(change.p_for, page))


def decide_rare(failures: int, runs: int, center: float) -> Decision:
    """Return the register's rule `clopper_pearson`: is the share of runs that fail below `center`?

    With X ~ Bin(runs, center), p_for is P(X ≤ failures) and p_against P(X ≥ failures); without runs both are 1.

    Raises:
        ValueError: not 0 ≤ failures ≤ runs, or the center is not in (0, 1).

    Source: lib/experiments/register.yml, statistic clopper_pearson. Used by: chapter 06.
    """
    if not (0 <= failures <= runs and 0 < center < 1):
        raise ValueError(
            f"failures must lie in 0..runs and center in (0, 1), got {failures} of {runs} runs and center {center}."
        )
    law = stats.binom(runs, center)
    return Decision(float(law.cdf(failures)), float(law.sf(failures - 1)))


def decide_every(decisions: list[Decision]) -> Decision:
    """Return the register's `every`: all curves have to support; one can contradict, at Bonferroni's price.

    A curve with too few seeds (NaN) leaves the claim undecided.

    Source: lib/experiments/register.yml, rule 6. Used by: chapters 05 to 07 and 14.
    """
    if not decisions:
        return Decision(np.nan, np.nan)
    p_for, p_against = zip(*decisions, strict=True)
    return Decision(float(np.max(p_for)), float(np.minimum(1.0, len(decisions) * np.min(p_against))))


def holm(decisions: dict[Claim, Decision], others: int = 0) -> dict[Claim, Decision]:
    """Adjust the p values of a family's claims by Holm's step-down method, those for and those against apart.

    In increasing order, p₍ᵢ₎ becomes max over j ≤ i of min(1, (k − j + 1) p₍ⱼ₎), with k the claims of the family.

    Args:
        decisions: claim -> decision; NaN, which decides nothing, counts as p = 1.
        others: further claims of the family that are decided elsewhere; they count as p = 1.

    Source: Holm, 1979; lib/experiments/register.yml, rule 7. Used by: chapters 05 and 07.
    """
    if not decisions:
        return {}

    def adjusted(values: tuple[float, ...]) -> list[float]:
        p = np.append(np.nan_to_num(values, nan=1.0), np.ones(others))
        order = np.argsort(p, kind="stable")
        p[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p), 0, -1) * p[order]))
        return p[: len(values)].tolist()

    pairs = zip(*map(adjusted, zip(*decisions.values(), strict=True)), strict=True)
    return {claim: Decision(*pair) for claim, pair in zip(decisions, pairs, strict=True)}
