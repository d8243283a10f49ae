"""What a test finds: the registered numbers are those that the spread, the seeds and the family give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lib.rows import RESULTS
from lib.verdicts.archive import Archive
from lib.verdicts.power import STUDENT, coverage, finds, planned, shift
from lib.verdicts.register import read

pytest.importorskip("yaml")


def test_the_registered_effects_are_those_that_the_seeds_find() -> None:
    register = read(2)
    for number, claim in register.claims.items():
        for test in claim.tests:
            if test.statistic in ("arithmetic", "conjunction"):
                assert test.finds is None
                continue
            assert test.finds == (finds(claim, test, register) or "unknown"), number
            # What is unknown has no row of round 1, or redraws residuals.
            assert (test.finds == "unknown") == (test.statistic in (*STUDENT, "argmax_tost") and test.spread is None)


@pytest.mark.parametrize(("seeds", "alpha"), [(5, 0.05), (8, 0.05 / 21)])
def test_a_shift_is_found_as_often_as_the_power_says(seeds: int, alpha: float) -> None:
    size = shift(seeds, alpha, 0.8)
    draws = np.random.default_rng(0).normal(size, 1, (20_000, seeds))
    p = stats.ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue
    assert (p < alpha).mean() == pytest.approx(0.8, abs=0.01)


def test_planned_cells_are_those_that_a_test_names() -> None:
    register = read(2)
    cells = planned(register.claims[61].tests[0], register, 2)
    assert {cell.depth for cell in cells} == {2, 4, 6, 8, 10} and {cell.initializer for cell in cells} == {"he"}
    assert len(cells) == 25 and all(seeds == set(range(8, 16)) for seeds in cells.values())
    # The runs of claim 37: 34 of `nonlazy`, and 60 of `setting`, of which 10 are among them.
    assert sum(map(len, planned(register.claims[37].tests[0], register, 2).values())) == 84


def test_a_conjunction_waits_for_the_rows_of_all_that_it_joins() -> None:
    register = read(2)
    rows = Archive.of(RESULTS, register)
    whole, *parts = (coverage(register.claims[number], register, rows, 2) for number in (65, 61, 62, 63, 64))
    assert max(part.planned for part in parts) <= whole.planned <= sum(part.planned for part in parts)
    assert whole.complete == all(part.complete for part in parts)


def test_a_row_that_two_sweeps_share_counts_once() -> None:
    """Of the three points of the line β = m^-c that claim 85 names, c = ½ lies on the map of 81 points."""
    register = read(2)
    there, wanted = coverage(register.claims[85], register, Archive.of(RESULTS, register), 2)
    assert there == wanted == (81 + 2) * 5


@pytest.mark.slow
def test_the_registered_spreads_are_those_of_round_1() -> None:
    """The largest standard deviation over seeds of the effect, among the curves of a test, in the published rows."""
    verdict = pytest.importorskip("lib.verdicts.verdict")
    from lib.verdicts import archive, effects, selection, statistics

    register = read(2)
    rows = archive.Archive.of(RESULTS, register)
    for number, claim in register.claims.items():
        for test in claim.tests:
            if test.statistic not in STUDENT:
                continue
            curves = verdict.gather(test, register, rows, selection.Choice(1)).curves
            if test.statistic == "inverted_u":
                samples = [side for curve in curves for sides in statistics._parts(curve) for side in sides]
            else:
                samples = [effects.effects(curve, test, register) for curve in curves]
            finite = [sample[np.isfinite(sample)] for sample in samples]
            spreads = [sample.std(ddof=1) for sample in finite if len(sample) >= claim.minimum_seeds]
            assert test.spread == (float(f"{max(spreads):.3g}") if spreads else None), number
