"""Which results a chapter reads: the names that it gives to `published` and `recorded`, followed to their literals.

A name may pass through constants, tuples, loops, comprehensions and the arguments of functions, in the chapter and in
the modules that it imports. Whatever else it comes from, such as a dictionary, a parameter of the chapter or a listing,
is unknown, and then all files count: a page may be computed once too often, and is never stale.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from book.imports import without_magics
from book.syntax import Binding, Function, Scope, Source

_FOLDER = "RESULTS"  # the constant of a module that owns a folder of results
_PATH = re.compile(r"(\S*/)?results(/\S*)?")
_REBUILT = {"sorted", "tuple", "list", "set", "frozenset", "reversed"}  # calls that yield what their argument yields


class Unknown(Exception):
    """A name that the text does not tell."""


class Reads:
    """What a chapter's cells and the modules behind them read, by name.

    `modules` are the modules that the cells reach, without those that define the readers.
    """

    def __init__(self, cells: Iterable[str], modules: Iterable[Source]) -> None:
        cells = list(cells)
        # A command line may read what it likes, and so may what does not parse.
        self._hidden = any(
            "results" in line for cell in cells for line in cell.splitlines() if line.lstrip().startswith(("%", "!"))
        )
        try:
            trees = [ast.parse(without_magics(cell)) for cell in cells]
        except SyntaxError:
            trees, self._hidden = [], True
        whole = ast.Module([statement for tree in trees for statement in tree.body], [])
        self._sources = [Source(whole), *modules]
        self._following: set[int] = set()

    def names(self, reader: str) -> frozenset[str]:
        """Return the names given to a reader, a function whose first argument is one; raises Unknown."""
        found: frozenset[str] = frozenset()
        for source in self._sources:
            if reader in source.bare:
                raise Unknown
            for call, scope in source.calls.get(reader, ()):
                given = call.args[:1] or [keyword.value for keyword in call.keywords]
                if not given:
                    raise Unknown
                for node in given:
                    found |= self._value(node, scope)
        return found

    def files(self) -> frozenset[str]:
        """Return the files of a folder of results that are named beside it, as `RESULTS / "name"`; raises Unknown."""
        found: frozenset[str] = frozenset()
        if self._hidden:
            raise Unknown
        for source in self._sources:
            if _FOLDER in source.bare or any(_PATH.fullmatch(text) for text in source.texts):
                raise Unknown
            for right, scope in source.divided.get(_FOLDER, ()):
                found |= self._value(right, scope)
        return found

    def _value(self, node: ast.expr, scope: Scope) -> frozenset[str]:
        """Return the strings that an expression may be."""
        match node:
            case ast.Constant(value=str(text)):
                return frozenset({text})
            case ast.IfExp(body=body, orelse=orelse):
                return self._value(body, scope) | self._value(orelse, scope)
            case ast.Name(id=name):
                return self._followed(name, scope, items=False)
        raise Unknown

    def _items(self, node: ast.expr, scope: Scope) -> frozenset[str]:
        """Return the strings that iterating over an expression may yield."""
        match node:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return self._union(elements, scope)
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _REBUILT:
                return self._items(argument, scope)
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
                return self._value(element, scope.inner[node])
            case ast.Name(id=name):
                return self._followed(name, scope, items=True)
        raise Unknown

    def _union(self, nodes: Iterable[ast.expr], scope: Scope) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for node in nodes:
            found |= self._items(node.value, scope) if isinstance(node, ast.Starred) else self._value(node, scope)
        return found

    def _followed(self, name: str, scope: Scope, items: bool) -> frozenset[str]:
        home = scope.find(name)
        if home is None:
            raise Unknown
        found: frozenset[str] = frozenset()
        for binding in home.bindings[name]:
            if id(binding) in self._following:
                continue
            self._following.add(id(binding))
            try:
                found |= self._bound(name, binding, items)
            finally:
                self._following.discard(id(binding))
        return found

    def _bound(self, name: str, binding: Binding, items: bool) -> frozenset[str]:
        match binding.kind:
            case "value" if not items:
                return self._value(binding.node, binding.scope)
            case "value" if isinstance(binding.node, (ast.Tuple, ast.Name)) or not self._may_change(name):
                return self._items(binding.node, binding.scope)
            case "item" if not items:
                return self._items(binding.node, binding.scope)
            case "parameter" | "rest" if not items or binding.kind == "rest" or not self._may_change(name):
                return self._given(binding.node, name, binding.kind == "rest", items)
            case "import":
                return self._imported(name, items)
        raise Unknown

    def _may_change(self, name: str) -> bool:
        """Whether a list of this name is used for anything but iterating over it."""
        return any(source.loads[name] > source.walks[name] for source in self._sources)

    def _imported(self, name: str, items: bool) -> frozenset[str]:
        """Follow a constant into whichever module defines one of this name."""
        homes = [source.scope for source in self._sources[1:] if source.scope.defines(name)]
        if not homes:
            raise Unknown
        return frozenset().union(*(self._followed(name, home, items) for home in homes))

    def _given(self, function: Function, name: str, rest: bool, items: bool) -> frozenset[str]:
        """Return what the calls of a function give to one of its parameters, or to its `*rest`."""
        if function.method or any(function.name in source.bare for source in self._sources):
            raise Unknown
        found: frozenset[str] = frozenset()
        if not rest and name in function.defaults:
            node, outer = function.defaults[name], function.scope
            found |= self._items(node, outer) if items else self._value(node, outer)
        for source in self._sources:
            for call, scope in source.calls.get(function.name, ()):
                named = {keyword.arg: keyword.value for keyword in call.keywords}
                if None in named:
                    raise Unknown
                if rest:
                    if not items:
                        raise Unknown
                    before = call.args[: len(function.positional)]
                    if any(isinstance(argument, ast.Starred) for argument in before):
                        raise Unknown
                    found |= self._union(call.args[len(function.positional) :], scope)
                    continue
                node = named.get(name)
                if node is None and name in function.positional:
                    place = function.positional.index(name)
                    if any(isinstance(argument, ast.Starred) for argument in call.args[: place + 1]):
                        raise Unknown
                    node = call.args[place] if place < len(call.args) else None
                if node is not None:
                    found |= self._items(node, scope) if items else self._value(node, scope)
        return found
