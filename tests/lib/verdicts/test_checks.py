"""YAML is read strictly: a key once, numbers as they look, and every defect with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.verdicts.checks import Place, load_strict

pytest.importorskip("yaml")


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_are_what_they_look_like(tmp_path: Path) -> None:
    text = "{a: 010, b: 1:30, c: no, d: 1e-3, e: -2, f: 0.80, g: true, h: ~, i: 2026-11-29, j: 1_000}"
    read = load_strict(written(tmp_path, text))
    # PyYAML by itself reads 8, 90, false, '1e-3' and 1000.
    assert [read[key] for key in "abcj"] == ["010", "1:30", "no", "1_000"]
    assert [read[key] for key in "defgh"] == [0.001, -2, 0.8, True, None]
    assert read["i"].isoformat() == "2026-11-29"


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "rules:\n  alpha: 0.05\n  power: 0.8\n  alpha: 0.1\n")
    with pytest.raises(
        ValueError, match=r"rules.yml, line 4: 'alpha' stands twice in one mapping, first in line 2; rem"
    ):
        load_strict(path)
    with pytest.raises(ValueError, match="stands twice"):  # not of equal values
        load_strict(path, repeated=("alpha",))


def test_a_file_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not YAML") as caught:
        load_strict(written(tmp_path, "claims: ["))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"line 1: a key must be a text or an integer, got 0\.5; quote it"):
        load_strict(written(tmp_path, "0.5: half"))


def test_a_defect_names_file_line_field_and_remedy(tmp_path: Path) -> None:
    place = Place("claim 3", load_strict(written(tmp_path, "number: 3\nwidths:\n- 16\n- '32'\ntrained: 1\n")))
    with pytest.raises(ValueError, match=r"^rules.yml, line 2: claim 3: widths must be an integer, got '32'\.$"):
        place.typed("widths", "list of integers")
    with pytest.raises(ValueError, match=r"line 5: claim 3: trained must be true or false, got 1"):
        place.typed("trained", "flag")
    with pytest.raises(ValueError, match=r"line 2: claim 3: a key must be one of .*'widths'; did you mean 'width'"):
        place.keys(["number"], ["width", "trained"])
    with pytest.raises(ValueError, match=r"line 1: claim 3: axis is missing; every entry needs number, axis"):
        place.keys(["number", "axis"], ["widths", "trained"])
