"""Version 1 of the register is what round 1 was judged by, to the byte, and is read by the same loader."""

from __future__ import annotations

import hashlib

import pytest

from lib.rows import SEEDS
from lib.verdicts.checks import load_strict
from lib.verdicts.register import PATHS, read

yaml = pytest.importorskip("yaml")

FROZEN = "092d4eff28381b8270806ce2cb3b0bde6730e730a6cd6171c386232fb16f6d44"


def test_version_1_is_frozen_to_the_byte() -> None:
    assert hashlib.sha256(PATHS[1].read_bytes()).hexdigest() == FROZEN


def test_version_1_is_read_as_it_was() -> None:
    register = read(1)
    assert (register.version, len(register.claims), set(register.later)) == (1, 66, {25, 52, 57, 68})
    assert all(claim.combine is None and not claim.multiverse for claim in register.claims.values())
    assert all(test.quantifier in ("every", "unstated") for c in register.claims.values() for test in c.tests)
    # The family's size is the number of its registered claims with a p value.
    assert register.families["A"].k == 24 - 1
    assert register.families["E slides"].k == 1
    assert dict(register.vocabulary) == yaml.safe_load(PATHS[1].read_text(encoding="utf-8"))


def test_version_1_repeats_a_key_and_nothing_else_may() -> None:
    with pytest.raises(
        ValueError, match=r"register-1.yml, line \d+: 'log_width' stands twice in one mapping, first in"
    ):
        load_strict(PATHS[1])


def test_claims_keep_their_numbers_and_statements() -> None:
    old, new = read(1).claims, read(2).claims
    assert set(old) < set(new)
    changed = {number for number in old if old[number].statement != new[number].statement}
    assert not changed


def test_seeds_of_a_cell_by_sweep_round_and_width() -> None:
    register = read(2)
    assert register.seeds("grid", 1, 512) == range(3, 8)
    assert (register.seeds("grid", 2, 256), register.seeds("grid", 2, 512)) == (range(8, 16), range(8, 13))
    assert register.seeds("wide", 1, 512) == range(0)
    assert register.seeds("line", 2, 1000, "power-2") == range(10, 15)
    assert register.seeds("line", 2, 1000, "power-2.5") == range(10, 17)
    assert register.seeds("untrained", 2, 16) == SEEDS["untrained-network"][2]
    with pytest.raises(ValueError, match="round must be one of 1, 2, got 3"):
        register.seeds("grid", 3)
