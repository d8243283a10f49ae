"""Which modules a source imports, read from its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def imported_names(source: str, package: str = "") -> Iterator[str]:
    """Yield the dotted names that a source imports anywhere outside `if TYPE_CHECKING:`.

    `from a import b` yields `a` and `a.b`, since b may be a module. A source that does not parse imports nothing: it
    fails when it runs, and its own text is part of the key.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending.extend(node.orelse)
        else:
            pending.extend(ast.iter_child_nodes(node))


def without_magics(source: str) -> str:
    """Replace IPython's `%magic` and `!command` lines by `pass`, so that the rest parses."""
    lines = source.splitlines()
    return "\n".join(
        line[: len(line) - len(line.lstrip())] + "pass" if line.lstrip().startswith(("%", "!")) else line
        for line in lines
    )
