"""The directive of the API pages, `.. modules:: lib.estimators`: each module of a package, from its docstrings."""

from __future__ import annotations

import importlib
import pkgutil
from typing import ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


def modules(package: str) -> list[str]:
    """Return the names of a package's own modules: not its packages, which have a place of their own, nor commands."""
    path = importlib.import_module(package).__path__
    return sorted(f"{package}.{m.name}" for m in pkgutil.iter_modules(path) if not m.ispkg and m.name != "__main__")


class Modules(SphinxDirective):
    """Show a package and everything public in its modules, in a container that style sheets and tests know."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        package = self.arguments[0]
        lines = [f".. automodule:: {package}", ""]
        for name in modules(package):
            lines += [f".. automodule:: {name}", "   :members:", ""]
        shown = nodes.container(classes=["docstrings"])
        self.state.nested_parse(StringList(lines, source=f"modules of {package}"), self.content_offset, shown)
        return [shown]
