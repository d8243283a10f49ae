"""What the README tells three kinds of people to type is there, and takes what it is given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import assignments.__main__
import lib.scorecard.__main__
from book.__main__ import _parser
from book.chapters import read_chapters
from book.profiles import parse_overrides, resolve
from book.project import Project
from lib.experiments import planned

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"(?ms)^```console\n(.*?)^```", TEXT)
    for line in block.splitlines()
]
COMMANDS += [shlex.split(line) for line in re.findall(r"`((?:make|python -m) [^`]+)`", TEXT)]


def of(*words: str) -> list[list[str]]:
    return [command[len(words) :] for command in COMMANDS if command[: len(words)] == list(words)]


def test_every_command_is_of_a_kind_that_is_looked_at():
    kinds = (["make"], ["source"], ["papermill"], ["docker"], ["python", "-P", "-m", "lib.estimators"])
    kinds += tuple(["python", "-m", name] for name in ("book", "lib.experiments", "lib.scorecard", "assignments"))
    assert len(COMMANDS) > 15
    assert [command for command in COMMANDS if not any(command[: len(kind)] == kind for kind in kinds)] == []


def test_targets_of_make_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {target for (target, *_) in of("make")}
    assert {"book", "test"} <= targets
    assert all(re.search(rf"(?m)^{target}:", makefile) for target in targets)


def test_the_book_takes_its_commands_and_chapters_their_parameters():
    chapters = read_chapters(Project(ROOT))
    runs = [_parser().parse_args(command) for command in of("python", "-m", "book")]
    named = [(run.chapter, parse_overrides(run.parameter)) for run in runs if hasattr(run, "chapter")]
    for notebook, _, *options in of("papermill"):
        pairs = zip(options[1::3], options[2::3], strict=True)
        named.append((Path(notebook).stem, parse_overrides([f"{name}={value}" for name, value in pairs])))
    assert len(named) >= 2
    for name, overrides in named:
        assert overrides and set(overrides) <= set(resolve(chapters, [name], None, overrides)[name])


def test_experiments_that_are_named_are_planned_and_rows_that_are_named_are_there():
    known = {name for name, *_ in planned.by_round()}
    for action, *names in of("python", "-m", "lib.experiments"):
        if action in ("run", "hours"):
            assert set(names) <= known
        else:
            assert action in ("status", "audit") and all((ROOT / name).is_file() for name in names)


@pytest.mark.parametrize(
    ("module", "main"),
    [("assignments", assignments.__main__.main), ("lib.scorecard", lib.scorecard.__main__.main)],
)
def test_other_commands_have_a_help(module, main, capsys):
    for command in of("python", "-m", module):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0 and capsys.readouterr().out.startswith("usage: ")


def test_links_lead_to_files():
    paths = [*re.findall(r"\]\(([^)#:]+)\)", TEXT), *re.findall(r"`((?:chapters|results|tests|lib)/[\w./-]*)`", TEXT)]
    assert len(paths) > 8 and [path for path in paths if not (ROOT / path).exists()] == []


def test_pages_are_named_by_their_titles():
    """In the README, *Title* (`chapters/NN_name.md`)."""
    named = re.findall(r"""[*"]([^*"\n]+)[*"] \(`(chapters/\w+\.md)`\)""", TEXT)
    assert len(named) >= 3
    for title, path in named:
        heading = re.search(r"(?m)^# (.+)$", (ROOT / path).read_text(encoding="utf-8"))[1]
        assert heading.startswith(title)
