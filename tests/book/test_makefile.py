"""The environment that `make` sets up, with stand-ins for Python and pip."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Stands for the system's Python, and, copied there, for the one of .venv; `pip install` fails while a file says so.
PYTHON = """\
#!/bin/sh
echo "$@" >> calls
case "$*" in
  "-c "*) exit ${OLD:-0} ;;
  "-m venv --clear .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip install "*) test ! -e interrupted ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).parents[2] / "Makefile", tmp_path)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_text("")
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(tree: Path, target: str, *variables: str, **environment: str) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Call make; return its result and the calls of Python, without the questions about versions."""
    (tree / "calls").write_text("")
    done = subprocess.run(
        ["make", target, "PYTHON=./python", *variables],
        cwd=tree,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | environment,
    )
    calls = (tree / "calls").read_text().splitlines()
    return done, [call for call in calls if not call.startswith(("-c", "-m pip --version", "    "))]


INSTALL = "-m pip install --quiet --disable-pip-version-check -r requirements.txt"
BUILD = "-m book build --profile quick"


def test_the_environment_is_set_up_once(tree):
    assert make(tree, "book")[1] == ["-m venv --clear .venv", INSTALL, BUILD]
    assert make(tree, "book")[1] == [BUILD]
    assert make(tree, "book", "PROFILE=paper")[1] == ["-m book build --profile paper"]
    assert make(tree, "test")[1] == ["-m pytest -n auto -m not slow and not nightly"]
    assert make(tree, "serve")[1] == [BUILD, "-m book serve"]


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt", "pyproject.toml"])
def test_changed_pins_are_installed(tree, name):
    make(tree, "book")
    stamp = (tree / ".venv" / "installed").stat().st_mtime
    os.utime(tree / name, (stamp + 1, stamp + 1))
    assert make(tree, "book")[1] == [INSTALL, BUILD]


def test_an_interrupted_installation_is_done_again(tree):
    (tree / "interrupted").touch()
    done, calls = make(tree, "book")
    assert done.returncode and calls == ["-m venv --clear .venv", INSTALL]
    (tree / "interrupted").unlink()
    done, calls = make(tree, "book")
    assert not done.returncode and calls == [INSTALL, BUILD]


def test_an_old_or_a_missing_python_is_one_sentence(tree):
    done, calls = make(tree, "book", OLD="1")
    assert done.returncode and calls == []
    assert "./python is older than Python 3.11; install 3.11 or newer" in done.stderr
    done, calls = make(tree, "book", "PYTHON=")
    assert done.returncode and "No Python was found; install Python 3.11 or newer" in done.stderr


def test_help_lists_the_targets_and_sets_up_nothing(tree):
    done, calls = make(tree, "help")
    assert calls == []
    for target in ("book", "test", "test-slow", "serve", "data", "bench", "clean", "help"):
        assert f"make {target} " in done.stdout


def test_clean_keeps_the_environment_and_the_data(tree):
    make(tree, "book")
    for folder in ("_build", "data"):
        (tree / folder).mkdir()
    make(tree, "clean")
    assert not (tree / "_build").exists() and (tree / "data").is_dir() and (tree / ".venv" / "installed").is_file()
