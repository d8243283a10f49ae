"""The built API pages name every public function, class and method of `lib`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

from anatomy import Anatomy

import lib


def test_every_public_name_has_its_place(site: Path):
    ids = set().union(*(Anatomy((site / "chapters" / f"{p}.html").read_text()).ids for p in ("96_api", "97_api_rows")))
    wanted = {}
    for info in pkgutil.walk_packages(lib.__path__, "lib."):
        if info.ispkg or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for label, value in vars(module).items():
            ours = not label.startswith("_") and getattr(value, "__module__", None) == info.name
            if ours and (inspect.isclass(value) or inspect.isroutine(value)):
                wanted[f"{info.name}.{label}"] = value
    assert len(wanted) > 200
    assert sorted(set(wanted) - ids) == []
