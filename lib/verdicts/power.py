"""Which rows a claim waits for, and how small an effect their seeds can find."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats

from lib.theory.parameters import number_of_parameters
from lib.verdicts.archive import BLOCK, PLANES, Archive, kind_of, within_row
from lib.verdicts.claims import AXIS_FACTORS, Claim, Component, Register


class Coverage(NamedTuple):
    """How many of the registered rows are there, trained or failed."""

    there: int
    planned: int

    @property
    def complete(self) -> bool:
        """Return whether the claim may be judged: looking at half of the rows is a second chance."""
        return self.there == self.planned

    def __str__(self) -> str:
        return f"{self.there} of {self.planned} rows"


def coverage(claim: Claim, register: Register, archive: Archive, round: int) -> Coverage:
    """Return how many rows of a claim's registered cells a round has, of how many.

    A network that shares its row with others counts as that row; sweeps that are optional do not count. A conjunction
    waits for the rows of the claims that it joins.

    Source: lib/verdicts/register.yml, rule 2.
    """
    planned, there = _rows(claim, register, archive, round)
    return Coverage(len(there), len(planned))


def _rows(claim: Claim, register: Register, archive: Archive, round: int) -> tuple[set[Any], set[Any]]:
    """Return the rows that a claim's tests need, and those of them that are there."""
    planned: set[tuple[Any, ...]] = set()
    there: set[tuple[Any, ...]] = set()
    for test in claim.tests:
        if test.statistic == "conjunction":
            for number in test.of:
                needed, found = _rows(register.claims[number], register, archive, round)
                planned |= needed
                there |= found
            continue
        if test.statistic == "arithmetic":
            continue
        for sweep in test.sweeps:
            definition = register.vocabulary["sweeps"][sweep]
            if definition.get("optional"):
                continue
            kind = kind_of(sweep)
            within = within_row(sweep)
            found = _there(archive, register, sweep, round)
            for cell in _cells(sweep, definition, round):
                if not _wanted(test, cell, register, sweep) or _given_up(register, sweep, cell):
                    continue
                seeds = register.seeds(sweep, round, int(cell["width"]), cell.get("initializer", ""))
                row = tuple(item for item in sorted(_in_the_plane(sweep, cell).items()) if item[0] not in within)
                planned |= {(kind, row, seed) for seed in seeds}
                there |= {(kind, row, seed) for seed in seeds if seed in found.get(tuple(sorted(cell.items())), ())}
    return planned, there


def _in_the_plane(sweep: str, cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a cell by which its row is told: the line β = m^-c is part of the map, at (2c, 0)."""
    if sweep != "line":
        return cell
    rest = {name: value for name, value in cell.items() if name != "initializer"}
    return rest | {"gamma": 2 * float(cell["initializer"].removeprefix("power-")), "gamma_prime": 0.0}


def _cells(sweep: str, definition: Mapping[str, Any], round: int) -> Iterator[dict[str, Any]]:
    """Yield the settings of every cell that a sweep registers for a round."""
    shared = {"scaling": definition.get("scalings"), "momentum": definition.get("momenta")}
    shared |= {name: definition.get(name) for name in ("samples", "lr", "epochs")}
    for block in definition["blocks"]:
        if round not in block.get("rounds", (round,)):
            continue
        factors = {**shared, **{BLOCK[name]: values for name, values in block.items() if name in BLOCK}}
        factors |= PLANES.get(sweep, {})
        names = [name for name, values in factors.items() if values]
        for values in itertools.product(*(factors[name] for name in names)):
            yield {name: float(v) if isinstance(v, int) else v for name, v in zip(names, values, strict=True)}


def _there(archive: Archive, register: Register, sweep: str, round: int) -> dict[tuple[Any, ...], set[int]]:
    """Return, for each cell of a sweep, the seeds of a round that have a row or a failure."""
    if kind_of(sweep) not in archive.pools:
        return {}
    cells = archive.pools[kind_of(sweep)]
    rows = archive.there(register, sweep, round)
    example = next(_cells(sweep, register.vocabulary["sweeps"][sweep], round), {})
    found: dict[tuple[Any, ...], set[int]] = {}
    for cell in np.flatnonzero(rows.any(axis=1)):
        settings = tuple(sorted((name, cells.factors[name][cell].item()) for name in example))
        found[settings] = set(cells.seeds[rows[cell]].tolist())
    return found


def _wanted(test: Component, cell: Mapping[str, Any], register: Register, sweep: str) -> bool:
    if "scaling" in cell and test.settings == "primary":
        primary = register.vocabulary["primary_setting"]
        if (cell["scaling"], cell["momentum"]) != (primary["scaling"], primary["momentum"]):
            return False
    named = {"initializer": test.initializers, "depth": test.depths, "width": test.widths, "samples": test.samples}
    named |= {"in_features": test.features, "architecture": test.architectures, "strength": test.strengths}
    if test.levels is not None:
        factor = AXIS_FACTORS[test.axis]
        if factor == "exponent":
            named["initializer"] = tuple(f"power-{c:g}" for c in test.levels)
        else:
            named[factor] = test.levels
    if any(values is not None and name in cell and cell[name] not in values for name, values in named.items()):
        return False
    # Labels can be fitted only with enough weights; the experiment trains no other networks.
    if sweep != "random-labels":
        return True
    weights = number_of_parameters(cell["width"], int(cell["depth"]), int(cell["in_features"]), 1)
    return weights >= 2 * cell["samples"]


def _given_up(register: Register, sweep: str, cell: Mapping[str, Any]) -> bool:
    return any(
        sweep == entry["sweep"]
        and cell["initializer"] in entry["initializers"]
        and cell["depth"] in entry["depths"]
        and cell["width"] in entry["widths"]
        for entry in register.vocabulary["given_up"]
    )


# Statistics whose p_for comes from Student's t; the others say what they find without a spread, or not at all.
STUDENT = ("t", "tost", "page_t", "inverted_u")
_DIGITS = 3


def finds(claim: Claim, test: Component, register: Register, round: int = 2) -> float | None:
    """Return the smallest effect of a test that is found with the register's power at the first step of Holm.

    For a Student test the distance from the center (tost: from an end of its interval, inwards) at which a one-sided
    test has that power, with the registered spread. eta_squared: the η² above the center. clopper_pearson: how far
    below the center the share of failures has to lie, if all planned runs fit. None where nothing says it: no row of
    round 1 has the effect, or the statistic redraws residuals.

    Source: lib/verdicts/register.yml, rule 17.
    """
    cells = planned(test, register, round)
    counts = [len(seeds) for seeds in cells.values()]
    power = register.vocabulary["power"]
    alpha = claim.alpha / register.families[claim.family].k
    if claim.combine.curves == "some":  # the smallest p of the curves counts
        alpha /= math.prod(len(_named(test)[name]) for name in test.curves)
    if test.statistic == "eta_squared":
        groups = len(test.levels)
        found = _share_above(test.center, groups, groups * min(counts), alpha, power)
    elif test.statistic == "clopper_pearson":
        found = _share_below(test.center, sum(counts), alpha, power)
    elif test.statistic in STUDENT and test.spread is not None:
        if test.statistic == "inverted_u":  # and here that of the inner levels
            alpha /= len({getattr(cell, AXIS_FACTORS[test.axis]) for cell in cells}) - 2
        found = shift(min(counts), alpha, power) * test.spread
    else:
        return None
    return float(f"{found:.{_DIGITS}g}")


def shift(seeds: int, alpha: float, power: float) -> float:
    """Return the mean, in units of the spread over seeds, that a one-sided t test at α finds with a power.

    δ with P(T > t_{1−α, n−1}) = power, T noncentral t with n − 1 degrees of freedom and noncentrality δ√n.

    >>> round(shift(5, 0.05, 0.8), 2)
    1.36
    """
    critical = stats.t.isf(alpha, seeds - 1)

    def excess(size: float) -> float:
        return float(stats.nct.sf(critical, seeds - 1, size * math.sqrt(seeds))) - power

    return float(optimize.brentq(excess, 0.0, 2 * critical + 10))


class Cell(NamedTuple):
    """A cell of the register's sweeps: sweeps that share a training have it once."""

    task: str
    dataset: str
    scaling: str
    momentum: float
    initializer: str
    depth: int
    width: int
    architecture: str = ""
    strength: float = 0.0


def planned(test: Component, register: Register, round: int) -> dict[Cell, set[int]]:
    """Return the cells that a test names, in the sweeps that are not optional, each with the round's seeds."""
    cells: dict[Cell, set[int]] = {}
    for name in test.sweeps:
        sweep = register.vocabulary["sweeps"][name]
        if sweep.get("optional"):
            continue
        for block in sweep["blocks"]:
            if round not in block.get("rounds", (round,)):
                continue
            sizes = (block["initializers"] or [""], block["depths"], block["widths"])
            attacked = (block.get("architectures", [""]), block.get("strengths", [0.0]))
            for setting in itertools.product(sweep.get("scalings", [""]), sweep.get("momenta", [0])):
                if test.settings == "primary" and setting not in (("raw", 0), ("", 0)):
                    continue
                for initializer, depth, width, *more in itertools.product(*sizes, *attacked):
                    task, dataset = sweep.get("task", ""), sweep.get("dataset", "")
                    cell = Cell(task, dataset, *setting, initializer, depth, width, *more)
                    if all(getattr(cell, factor) in named for factor, named in _named(test).items()):
                        cells.setdefault(cell, set()).update(register.seeds(name, round, width, initializer))
    return cells


def _named(test: Component) -> dict[str, tuple[object, ...]]:
    """Return by factor the levels that a test names; what it leaves open is not there."""
    named = {"initializer": test.initializers, "depth": test.depths, "width": test.widths}
    named |= {"architecture": test.architectures, "strength": test.strengths}
    factor = AXIS_FACTORS.get(test.axis or "")
    if factor in named:
        named[factor] = test.levels
    return {name: values for name, values in named.items() if values}


def _share_above(center: float, groups: int, count: int, alpha: float, power: float) -> float:
    """Return how far η² has to lie above the center."""
    degrees = groups - 1, count - groups
    critical = stats.ncf.isf(alpha, *degrees, count * center / (1 - center))

    def excess(eta: float) -> float:
        return float(stats.ncf.sf(critical, *degrees, count * eta / (1 - eta))) - power

    return float(optimize.brentq(excess, center, 1 - 1e-6)) - center


def _share_below(center: float, runs: int, alpha: float, power: float) -> float:
    """Return how far the share of failures has to lie below the center; all of it if no number of failures helps."""
    allowed = int(stats.binom.ppf(alpha, runs, center)) - 1
    while stats.binom.cdf(allowed + 1, runs, center) < alpha:
        allowed += 1
    if allowed < 0:
        return center
    return center - float(optimize.brentq(lambda share: stats.binom.cdf(allowed, runs, share) - power, 0.0, center))
