"""The API pages: every module of `lib` once, and nothing public in it without a docstring, which Sphinx would drop."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import lib
from book.api import modules
from book.theme import _as_restructured_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = [(ROOT / "chapters" / f"{name}.md").read_text() for name in ("96_api", "97_api_rows")]
LISTED = re.findall(r"^\.\. modules:: (\S+)$", "\n".join(PAGES), re.MULTILINE)
WALKED = [m for m in pkgutil.walk_packages(lib.__path__, "lib.") if not m.name.endswith("__main__")]
PACKAGES = ["lib", *(m.name for m in WALKED if m.ispkg)]
MODULES = [m.name for m in WALKED if not m.ispkg]


def public(module: ModuleType) -> dict[str, object]:
    """Return the functions and classes that a module defines for others."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value))
        and getattr(value, "__module__", None) == module.__name__
    }


def test_every_package_is_on_a_page_once():
    assert sorted(LISTED) == sorted(PACKAGES), (
        "a new package needs `.. modules::` in chapters/96_api.md or 97_api_rows.md"
    )


def test_a_package_shows_every_module_of_its_own():
    assert sorted(name for package in PACKAGES for name in modules(package)) == sorted(MODULES)


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_pass_names_on_and_define_none(name):
    package = importlib.import_module(name)
    assert package.__doc__ and not public(package)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_public_in_a_module_lacks_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for label, value in public(module).items():
        assert value.__doc__, f"{name}.{label} has no docstring"


def test_names_that_packages_pass_on_come_from_modules_that_are_shown():
    for name in PACKAGES:
        for label in getattr(importlib.import_module(name), "__all__", ()):
            value = getattr(importlib.import_module(name), label)
            if inspect.isclass(value) or inspect.isroutine(value):
                assert value.__module__ in MODULES and label in public(importlib.import_module(value.__module__))


def test_docstrings_become_restructured_text():
    lines = ["‖J‖ is `J(x)` or |x|, for *all* and *args, `a|b`", ">>> f(`x`)|y", "``kept`` and :class:`this`"]
    _as_restructured_text(None, "function", "f", None, None, lines)
    assert lines == [
        r"‖J‖ is ``J(x)`` or \|x\|, for *all* and \*args, ``a|b``",
        ">>> f(`x`)|y",
        "``kept`` and :class:`this`",
    ]
