"""What verdicts.json says of each claim, and how it is made, checked and written: one object a claim."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lib.rows.behind import last_change
from lib.verdicts.archive import Archive
from lib.verdicts.computations import COMPUTATIONS, STORED, Computed
from lib.verdicts.effects import pooled_correlation
from lib.verdicts.multiverse import DIGITS, Multiverse, confidence, explore, status
from lib.verdicts.power import Coverage, coverage
from lib.verdicts.published import DETAILS, PATH, VERDICTS, read_file
from lib.verdicts.register import PATHS, read
from lib.verdicts.selection import Curve
from lib.verdicts.verdict import Finding, Verdict, combined, judge

SCHEMA = Path(__file__).with_name("schema.json")
ROUNDS = (1, 2)
# What is not compared when verdicts are made again: a rebuilt file cannot know the commit that it will be in.
UNCOMPARED = ("commit",)


def make(folder: Path | str = PATH.parent) -> dict[str, Any]:
    """Return the content of verdicts.json for the published rows of a folder.

    Raises:
        ValueError: a row or the register cannot be used, or a stored computation is missing.
    """
    registers = {version: read(version) for version in PATHS}
    rules = registers[max(registers)]
    archive = Archive.of(folder, rules)
    computed = _computed(Path(folder) / PATH.name)
    covered = {n: coverage(claim, rules, archive, max(ROUNDS)) for n, claim in rules.claims.items()}
    missing = {n: f"not testable yet: {one}" for n, one in covered.items() if not one.complete}
    verdicts = {
        (version, round): judge(register, archive, round, computed, missing if round == max(ROUNDS) else None)
        for version, register in registers.items()
        for round in ROUNDS
    }
    claims = []
    for number, claim in rules.claims.items():
        # Until its last row lands, a claim's multiverse is that of the first round.
        round = 1 if number in missing else max(ROUNDS)
        raw = {n: verdict.raw for n, verdict in verdicts[rules.version, round].items()}
        multiverse = explore(claim, rules, archive, round, raw, computed.get(number))
        claims.append(_claim(number, verdicts, covered[number], multiverse, round, Path(folder)))
    return {
        "schema": 1,
        "registers": {str(version): digest(path) for version, path in PATHS.items()},
        "later": {str(number): reason for number, reason in rules.later.items()},
        "claims": claims,
    }


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(content: Mapping[str, Any], path: Path | str = PATH) -> None:
    """Write verdicts and their details beside them, each file at once or not at all.

    The details tell which verdicts they are of: where the second file could not be written, readers refuse both.

    Raises:
        ValueError: the content breaks the schema.
        OSError: a file cannot be written; it then holds what it held before.
    """
    check(content)
    path = Path(path)
    short, details = zip(*map(_divided, content["claims"]), strict=True)
    text = _text({**content, "claims": short})
    of = hashlib.sha256(text.encode()).hexdigest()
    lines = ",\n".join(f'"{claim["number"]}": {_line(long)}' for claim, long in zip(short, details, strict=True))
    _write(path, text)
    _write(path.with_name(DETAILS.name), f'{{"of": "{of}",\n"claims": {{\n{lines}\n}}}}\n')


# What of a claim stands in the file of details.
_LONG = {"multiverse": {"curve"}, "first_round": {"tests", "rows"}, "meanwhile": {"tests", "rows"}}


def _divided(claim: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what verdicts.json says of a claim, and the details."""
    short, details = dict(claim), {}
    for name, long in _LONG.items():
        if claim[name]:
            short[name] = {field: value for field, value in claim[name].items() if field not in long}
            details[name] = {field: claim[name][field] for field in claim[name] if field in long}
    return short, details


def _write(path: Path, text: str) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # a temporary file is private
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(
            f"{path} could not be written ({error.strerror}); it holds what it held: free some space or make its "
            "folder writable, and run `python -m lib.verdicts` again."
        ) from error


def _text(content: Mapping[str, Any]) -> str:
    """Return the content as JSON, one claim a line, so that a change shows which claims it touched."""
    head = ",\n".join(f"{_line(name)}: {_line(value)}" for name, value in content.items() if name != "claims")
    claims = ",\n".join(map(_line, content["claims"]))
    return f'{{{head},\n"claims": [\n{claims}\n]}}\n'


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def check(content: Mapping[str, Any]) -> None:
    """Raise ValueError unless a content follows the schema, which knows every field.

    Raises:
        ImportError: jsonschema is not installed.
    """
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for error in Draft202012Validator(schema).iter_errors(content):
        where = "/".join(map(str, error.absolute_path)) or "the file"
        raise ValueError(f"verdicts: {where}: {error.message}; run `python -m lib.verdicts` to make it again.")


def _computed(path: Path) -> dict[int, Computed]:
    """Return the outcomes of arithmetic tests: computed here, or as stored where that needs torch and data."""
    found = {number: compute() for number, compute in COMPUTATIONS.items()}
    claims = read_file(path)["claims"] if path.exists() else []
    stored = {claim["number"]: claim["computation"] for claim in claims}
    for number, compute in STORED.items():
        kept = stored.get(number)
        found[number] = Computed(**kept) if kept else compute()
    return found


def _claim(
    number: int,
    verdicts: Mapping[tuple[int, int], Mapping[int, Verdict]],
    covered: Coverage,
    multiverse: Multiverse | None,
    round: int,
    folder: Path,
) -> dict[str, Any]:
    newest = verdicts[2, 2][number]
    claim = newest.claim
    judged = verdicts[2, round][number]
    computed = next((test.computed for test in judged.tests if test.computed), None)
    fragile = multiverse.fragile(judged.word) if multiverse else None
    without_seed = None if multiverse is None else multiverse.left_out.values()
    return {
        "number": number,
        "statement": claim.statement,
        "reading": claim.reading,
        "source": claim.source,
        "family": claim.family,
        **_judgement(newest, 2, 2),
        "coverage": {"there": covered.there, "planned": covered.planned},
        "version_1": verdicts[1, 2][number].word if number in verdicts[1, 2] else None,
        "first_round": _first(number, verdicts),
        # What stands until the last row of round 2 lands: the same rules on the rows of round 1.
        "meanwhile": _judgement(judged, 2, round) if round == 1 else None,
        "computation": None if computed is None else dict(vars(computed)),
        "multiverse": None if multiverse is None else _multiverse(multiverse, judged.word, round),
        "fragile": fragile,
        "replication": {"status": status(newest.word), "confidence": confidence(newest.word, without_seed, fragile)},
        "commit": _commit(judged, folder),
    }


def _first(number: int, verdicts: Mapping[tuple[int, int], Mapping[int, Verdict]]) -> dict[str, Any]:
    """Return the verdict of the first round: by version 1, as it was published, and by version 2 beside it."""
    by_2 = verdicts[2, 1][number]
    if number in verdicts[1, 1]:
        return _judgement(verdicts[1, 1][number], 1, 1) | {"version_2": by_2.word}
    return _judgement(by_2, 2, 1) | {"version_2": by_2.word}


def _judgement(verdict: Verdict, version: int, round: int) -> dict[str, Any]:
    """Return a verdict with all that it rests on."""
    results = [result for test in verdict.tests for result in test.results]
    return {
        "verdict": verdict.word,
        "reason": verdict.reason,
        "rules": version,
        "round": round,
        "p": {"for": _plain(verdict.raw.p_for), "against": _plain(verdict.raw.p_against)},
        "p_adjusted": {"for": _plain(verdict.adjusted.p_for), "against": _plain(verdict.adjusted.p_against)},
        "seeds": sorted({seed for result in results for seed in result.seeds}),
        "tests": [_test(verdict, test) for test in verdict.tests],
        "rows": _rows(verdict),
    }


@lru_cache(maxsize=1)
def _largest_correlation() -> float:
    return read().vocabulary["largest_correlation"]


def _pooled(curve: Curve) -> list[float | None]:
    """Return the correlation over all cells with its interval, of a test that averages those within initializations."""
    return [_plain(value) for value in pooled_correlation(curve, _largest_correlation())[:3]]


def _test(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    test, p = finding.test, combined(verdict.claim, finding)
    return {
        "statistic": test.statistic,
        "effect": test.effect,
        "column": test.column,
        "transform": test.transform,
        "moment": test.moment,
        "axis": test.axis,
        "alternative": test.alternative,
        "center": test.center,
        "margin": test.margin.value,
        "supported_if": test.supported_if,
        "contradicted_if": test.contradicted_if,
        "may_contradict": finding.may_contradict,
        "p": {"for": _plain(p.p_for), "against": _plain(p.p_against)},
        "curves": [
            {
                "where": {name: _plain(value) for name, value in curve.where.items()},
                "levels": [_plain(level) for level in curve.levels.tolist()],
                "effect": _plain(result.effect),
                "low": _plain(result.low),
                "high": _plain(result.high),
                "p_for": _plain(result.decision.p_for),
                "p_against": _plain(result.decision.p_against),
                "tau": _plain(result.tau),
                "pooled": _pooled(curve) if test.effect == "spearman" else None,
                "seeds": list(result.seeds),
            }
            for curve, result in zip(finding.curves, finding.results, strict=True)
        ],
        "left_out": list(finding.left_out),
    }


def _rows(verdict: Verdict) -> list[str]:
    """Return the keys of the rows behind a verdict; a difference has those of both arms."""
    keys: set[str] = set()
    for test in verdict.tests:
        for curve in test.curves:
            keys.update(key for key in " ".join(curve.keys[np.isfinite(curve.matrix)].tolist()).split(" ") if key)
    return sorted(keys)


def _multiverse(multiverse: Multiverse, word: str, round: int) -> dict[str, Any]:
    """Return the specification curve: each universe by its options' places on the axes, its word, effect, interval."""
    words = [universe.word for universe in multiverse.universes]
    names = list(multiverse.universes[0].choices)
    axes = {name: list(dict.fromkeys(universe.choices[name] for universe in multiverse.universes)) for name in names}
    return {
        "round": round,
        "verdict": word,
        "universes": len(words),
        "testable": sum(one != "not testable" for one in words),
        "shares": {name: round_(share) for name, share in multiverse.shares().items()},
        "axes": axes,
        "curve": [
            [
                *(options.index(universe.choices[name]) for name, options in axes.items()),
                VERDICTS.index(universe.word),
                *(_plain(value, 4) for value in (universe.effect, universe.low, universe.high)),
            ]
            for universe in multiverse.universes
        ],
        "without_seed": {str(seed): found for seed, found in multiverse.left_out.items()},
    }


def round_(value: float) -> float:
    """Return a number with the digits that verdicts.json keeps."""
    return float(f"{value:.{DIGITS}g}")


def _plain(value: Any, digits: int = DIGITS) -> Any:
    """Return a value as JSON has it: few digits, null for what is not finite."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def _commit(verdict: Verdict, folder: Path) -> str | None:
    """Return the commit of the last change of the files that hold the rows of a verdict; None outside of git."""
    sweeps = sorted({sweep for test in verdict.tests for sweep in test.test.sweeps if test.curves})
    return _last_change(folder, tuple(sweeps)) if sweeps else None


@lru_cache(maxsize=256)
def _last_change(folder: Path, sweeps: Sequence[str]) -> str | None:
    definitions = read(2).vocabulary["sweeps"]
    names = {name for sweep in sweeps for name in definitions.get(sweep, {}).get("experiments", [sweep])}
    return last_change(folder, [f"{name}.jsonl" for name in sorted(names)])
