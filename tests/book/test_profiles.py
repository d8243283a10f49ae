"""Profiles, overrides and their precedence."""

from __future__ import annotations

import pytest

from book.chapters import choose
from book.profiles import parse_overrides, read_profile, resolve


def test_override_beats_profile_beats_default(project, chapters):
    profile = read_profile(project, "quick", chapters)
    assert profile.time_limit == 120
    selected = list(chapters)
    assert resolve(chapters, selected, None, {})["01_width"]["widths"] == [2, 4]
    assert resolve(chapters, selected, profile, {})["01_width"]["widths"] == [2, 8]
    values = resolve(chapters, selected, profile, {"widths": [3], "depth": 4})
    assert values["01_width"] == {"widths": [3], "lr": 1e-3, "scaling": "unit", "biased": False}
    assert values["02_depth"] == {"depth": 4}
    assert values["00_overview"] == {}


def test_an_override_reaches_only_the_selected_chapters(project, chapters, refused):
    profile = read_profile(project, "quick", chapters)
    values = resolve(chapters, ["01_width"], profile, {"lr": 2})
    assert values["01_width"]["lr"] == 2.0
    message = refused(lambda: resolve(chapters, ["01_width"], profile, {"depth": 4}))
    assert message == ('01_width has no parameter "depth". The parameters are: biased, lr, scaling, widths.')


def test_an_unknown_override_names_the_nearest_parameter(project, chapters, refused):
    message = refused(lambda: resolve(chapters, list(chapters), None, {"widhts": [3]}))
    assert 'none of the selected chapters has a parameter "widhts"; did you mean "widths"?' in message


def test_overrides_are_yaml():
    given = parse_overrides(["widths=[16, 32]", "lr=1e-3", "scaling=raw", "biased=true", "name=a=b"])
    assert given == {"widths": [16, 32], "lr": 1e-3, "scaling": "raw", "biased": True, "name": "a=b"}
    assert type(given["lr"]) is float


@pytest.mark.parametrize(
    ("assignments", "sentence"),
    [
        (["lr"], '-p takes name=value, not "lr".'),
        (["=3"], '-p takes name=value, not "=3".'),
        (["lr=1", "lr=2"], "-p gives lr twice."),
        (["widths=[1, 2"], "-p widths=[1, 2 (line 1) is not valid YAML"),
    ],
)
def test_malformed_overrides_are_refused(assignments, sentence, refused):
    assert sentence in refused(lambda: parse_overrides(assignments))


def test_an_unknown_profile_names_the_nearest(project, chapters, refused):
    message = refused(lambda: read_profile(project, "quik", chapters))
    assert message == 'There is no profile "quik"; did you mean "quick"? The profiles are: quick, wide.'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("01_widht: {lr: 1}\ntime_limit: 9", 'names the unknown chapter "01_widht"; did you mean "01_width"?'),
        ("01_width: {lrr: 1}\ntime_limit: 9", '01_width has no parameter "lrr"'),
        ("01_width: {lr: 0}\ntime_limit: 9", "01_width: the parameter lr cannot be 0"),
        ("01_width: [1]\ntime_limit: 9", "01_width must be a mapping of parameters to values, not [1]."),
        ("01_width: {lr: 1", "is not valid YAML"),
        (
            "01_width: {lr: 1}\n01_width: {lr: 2}\ntime_limit: 9",
            '(line 2) is not valid YAML: the key "01_width" is given',
        ),
        ("- 1", "must be a mapping of names to values, not list."),
        ("01_width: {lr: 1}", "time_limit must be a number of seconds a chapter in (0..31536000], not null."),
        ("time_limit: 0", "not 0."),
        ("time_limit: true", "not true."),
    ],
)
def test_a_typo_in_a_profile_is_one_sentence_that_names_the_file(project, chapters, text, sentence, refused):
    (project.params / "wide.yml").write_text(text, encoding="utf-8")
    message = refused(lambda: read_profile(project, "wide", chapters))
    assert message.startswith("params/wide.yml") and sentence in message


def test_an_unreadable_profile_is_one_sentence(project, chapters, refused):
    (project.params / "wide.yml").write_bytes(b"time_limit: 9 # \xff")
    assert "params/wide.yml is not UTF-8 text" in refused(lambda: read_profile(project, "wide", chapters))
    (project.params / "wide.yml").unlink()
    (project.params / "wide.yml").mkdir()
    assert "params/wide.yml cannot be read" in refused(lambda: read_profile(project, "wide", chapters))


def test_the_number_of_a_chapter_is_enough(chapters):
    assert choose("01", chapters) == choose("01_width", chapters) == "01_width"


def test_an_unknown_chapter_names_the_nearest(chapters, refused):
    assert refused(lambda: choose("01_widht", chapters)) == (
        'There is no chapter "01_widht"; did you mean "01_width"? The chapters are: 00_overview, 01_width, 02_depth.'
    )
