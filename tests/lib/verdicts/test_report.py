"""verdicts.json: what it holds follows from the rows, follows its schema, and is written whole or not at all."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from lib.verdicts import report
from lib.verdicts.__main__ import main
from lib.verdicts.published import DETAILS, PATH, VERDICTS, published_content
from lib.verdicts.register import PATHS


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return published_content()


@pytest.mark.slow
def test_the_published_verdicts_are_those_of_the_rows(content: dict[str, Any]) -> None:
    """A rebuilt file differs from the published one in nothing but the commits."""
    made = json.loads(json.dumps(report.make()))
    for one in (made, content := copy.deepcopy(content)):
        for claim in one["claims"]:
            claim.pop("commit")
    assert {c["number"]: c for c in made["claims"]} == {c["number"]: c for c in content["claims"]}
    assert made == content


def test_every_registered_claim_has_its_object(content: dict[str, Any], rules) -> None:
    report.check(content)
    assert [claim["number"] for claim in content["claims"]] == list(rules[2].claims)
    assert content["registers"] == {str(version): report.digest(path) for version, path in PATHS.items()}
    assert {int(number) for number in content["later"]} | set(rules[2].claims) == set(range(1, 87))


def test_what_is_not_judged_yet_says_how_many_rows_it_waits_for(content: dict[str, Any]) -> None:
    for claim in content["claims"]:
        there, planned = claim["coverage"]["there"], claim["coverage"]["planned"]
        if there < planned:
            assert claim["verdict"] == "not testable"
            assert claim["reason"] == f"not testable yet: {there} of {planned} rows"
            # What the rows that are there say is nobody's to see; until then round 1 stands, by the same rules.
            assert not (claim["tests"] or claim["rows"] or claim["seeds"] or claim["p"]["for"])
            assert claim["meanwhile"]["verdict"] == claim["first_round"]["version_2"]
        else:
            assert claim["meanwhile"] is None
        assert claim["first_round"]["verdict"]


def test_correlations_over_all_cells_are_reported_beside_those_that_decide(content: dict[str, Any]) -> None:
    by_number = {claim["number"]: claim for claim in content["claims"]}
    (noise,) = by_number[22]["tests"][0]["curves"]
    mean, low, high = noise["pooled"]
    assert low < mean < high < 0 < noise["effect"]  # Simpson's paradox
    assert by_number[61]["tests"][0]["curves"][0]["pooled"] is None


def test_shares_and_fragility_follow_from_the_universes(content: dict[str, Any]) -> None:
    seen = 0
    for claim in content["claims"]:
        if not (multiverse := claim["multiverse"]):
            assert claim["fragile"] is None
            continue
        words = [VERDICTS[u[-4]] for u in multiverse["curve"]]
        testable = [word for word in words if word != "not testable"]
        for word, share in multiverse["shares"].items():
            assert share == pytest.approx(testable.count(word) / len(testable) if testable else 0, abs=1e-5)
        decided = [word for word in testable if word != "inconclusive"]
        few = 2 * len(decided) < len(testable)
        disagree = 3 * decided.count(multiverse["verdict"]) < 2 * len(decided)
        if multiverse["verdict"] != "not testable" and testable:
            assert claim["fragile"] == (few or disagree)
            seen += 1
        assert words[0] == multiverse["verdict"]  # the registered universe is the first
    assert seen > 40


def test_the_schema_forbids_what_it_does_not_know(content: dict[str, Any]) -> None:
    for change in (
        lambda c: c.update(extra=1),
        lambda c: c["claims"][0].update(extra=1),
        lambda c: c["claims"][1]["tests"][0].update(extra=1),
        lambda c: c["claims"][0].update(verdict="proved"),
        lambda c: c["claims"][0].pop("p"),
    ):
        broken = copy.deepcopy(content)
        change(broken)
        with pytest.raises(ValueError, match=r"verdicts: .*run `python -m lib.verdicts`"):
            report.check(broken)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, content: dict[str, Any], monkeypatch) -> None:
    path = tmp_path / "verdicts.json"
    report.write(content, path)
    before = path.read_bytes()
    assert published_content(path) == content
    broken = {**content, "schema": 2}
    with pytest.raises(ValueError, match="schema"):
        report.write(broken, path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report.os, "fsync", full)
    with pytest.raises(OSError, match=r"could not be written .No space left on device.; it holds what it held"):
        report.write(content, path)
    assert path.read_bytes() == before and {file.name for file in tmp_path.iterdir()} == {path.name, DETAILS.name}


def test_details_of_other_verdicts_are_refused_and_can_be_made_again(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "verdicts.json"
    report.write(content, path)
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")  # as after a kill between the two
    with pytest.raises(ValueError, match=r"was made for other verdicts; run `python -m lib.verdicts`"):
        published_content(path)
    report.write(content, path)
    assert published_content(path) == content
    path.with_name(DETAILS.name).unlink()
    with pytest.raises(FileNotFoundError, match=r"verdict-details.json is missing; run `python -m lib.verdicts`"):
        published_content(path)


def test_what_lies_in_git_is_small_and_follows_the_schema() -> None:
    assert max(PATH.stat().st_size, DETAILS.stat().st_size) < 1_000_000
    report.check(json.loads(PATH.read_text(encoding="utf-8")))


def test_a_claim_is_shown_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "56"]) == 0
    shown = capsys.readouterr().out
    for text in ("Claim 56", "Round 1, rules 1: contradicted", "inverted_u", "depth = 6", "Multiverse", "Rows ("):
        assert text in shown
    assert main(["show", "99"]) == 1
    assert "claim must be a number from 1 to 86, got 99." in capsys.readouterr().err
