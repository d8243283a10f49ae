"""What docstrings show is what happens, and what they explain are the arguments that are there."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lib

ROOT = Path(__file__).parents[2]

NAMES = (module.name for module in pkgutil.walk_packages(lib.__path__, "lib."))
MODULES = [name for name in NAMES if not name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    assert sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name))) > 3


def test_functions_explain_the_arguments_that_they_have():
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--select=D417,DOC102", "lib", "book", "benchmarks"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_classes_explain_the_arguments_of_their_init():
    """The linter looks at functions alone."""
    explained = 0
    for module in map(importlib.import_module, MODULES):
        for name, of in inspect.getmembers(module, inspect.isclass):
            section = re.search(r"^Args:\n((?:    .*\n?)+)", inspect.getdoc(of) or "", re.MULTILINE)
            if of.__module__ == module.__name__ and "__init__" in vars(of) and section:
                words = re.findall(r"^    (\S[\w, ]*):", section[1], re.MULTILINE)
                names = [word for group in words for word in group.split(", ")]
                assert sorted(names) == sorted(set(inspect.signature(of.__init__).parameters) - {"self"}), name
                explained += 1
    assert explained > 10
