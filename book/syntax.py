"""The names of a Python source: where each is bound, and which functions are called with what."""

from __future__ import annotations

import ast
import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Builtins that read what they are given and keep no hold of it.
ITERATING = {"sorted", "tuple", "list", "set", "frozenset", "reversed", "len", "enumerate", "zip", "any", "all"}


@dataclass
class Scope:
    """The names bound in a module, a function or a comprehension; `inner` has the comprehensions' own."""

    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    inner: dict[ast.AST, Scope] = field(default_factory=dict)

    def find(self, name: str) -> Scope | None:
        """Return the innermost scope from here outwards that binds a name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.bindings:
            scope = scope.parent
        return scope

    def defines(self, name: str) -> bool:
        """Whether a name is bound here otherwise than by an import."""
        return any(binding.kind != "import" for binding in self.bindings.get(name, ()))


@dataclass
class Binding:
    """One way in which a name gets its value.

    `kind` is "value" (= node), "item" (one of what iterating over node yields), "parameter" or "rest" (of the Function
    that node is), "import" or "other".
    """

    kind: str
    node: Any
    scope: Scope


@dataclass
class Function:
    """A function's name, its positional parameters and the defaults, in the scope that it is defined in."""

    name: str
    positional: list[str]
    defaults: dict[str, ast.expr]
    method: bool
    scope: Scope


class Source:
    """One module, or the code cells of one chapter.

    `calls` has the calls by the name of what is called, `bare` the names that are used otherwise (passed on, renamed,
    listed), `divided` the right sides of `NAME / right`, `texts` the strings that are no docstrings; `loads` and
    `walks` count how often a name is read, and how often only to iterate over it.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.scope = Scope(None)
        self.calls: dict[str, list[tuple[ast.Call, Scope]]] = {}
        self.bare: set[str] = set()
        self.divided: dict[str, list[tuple[ast.expr, Scope]]] = {}
        self.texts: set[str] = set()
        self.loads: Counter[str] = Counter()
        self.walks: Counter[str] = Counter()
        for statement in tree.body:
            self._visit(statement, self.scope)

    def _visit(self, node: ast.AST, scope: Scope, in_class: bool = False) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node, scope, in_class)
            case ast.ClassDef(name=name):
                self._bind(name, "other", node, scope)
                self._children(node, Scope(scope), in_class=True)
            case ast.Lambda(args=arguments, body=body):
                inner = Scope(scope)
                for argument in ast.walk(arguments):
                    if isinstance(argument, ast.arg):
                        self._bind(argument.arg, "other", node, inner)
                self._visit(arguments, scope)
                self._visit(body, inner)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                inner = scope.inner[node] = Scope(scope)
                for generator in node.generators:
                    self._iterated(generator.iter, inner)
                    self._target(generator.target, "item", generator.iter, inner)
                    for condition in generator.ifs:
                        self._visit(condition, inner)
                for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                    self._visit(part, inner)
            case ast.For(target=target, iter=iterated) | ast.AsyncFor(target=target, iter=iterated):
                self._target(target, "item", iterated, scope)
                self._iterated(iterated, scope)
                for statement in [*node.body, *node.orelse]:
                    self._visit(statement, scope)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._target(target, "value", value, scope)
                self._visit(value, scope)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._target(target, "value", value, scope)
                self._visit(value, scope)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    self._bind((alias.asname or alias.name).partition(".")[0], "import", node, scope)
                    if alias.asname and alias.asname != alias.name:
                        self.bare.add(alias.name)
                        scope.bindings[alias.asname][-1].kind = "other"
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for name in names:
                    for place in (scope, scope.parent or scope, self.scope):
                        self._bind(name, "other", node, place)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                self.calls.setdefault(name, []).append((node, scope))
                if isinstance(node.func, ast.Attribute):
                    self._visit(node.func.value, scope)
                read = isinstance(node.func, ast.Name) and name in ITERATING
                for argument in [*node.args, *node.keywords]:
                    (self._iterated if read else self._visit)(argument, scope)
            case ast.Starred(value=value, ctx=ast.Load()):
                self._iterated(value, scope)
            case ast.BinOp(left=ast.Name(id=name) | ast.Attribute(attr=name), op=ast.Div(), right=right):
                self.divided.setdefault(name, []).append((right, scope))
                self._visit(right, scope)
            case ast.Name(id=name, ctx=ast.Load()):
                self.bare.add(name)
                self.loads[name] += 1
            case ast.Name(id=name):
                self._bind(name, "other", node, scope)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self._bind(name, "other", node, scope)
                self._children(node, scope)
            case ast.Attribute(attr=name):
                self.bare.add(name)
                self._visit(node.value, scope)
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Constant(value=str(text)):
                self.texts.add(text)
            case _:
                self._children(node, scope)

    def _iterated(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Name):
            self.walks[node.id] += 1
        self._visit(node, scope)

    def _children(self, node: ast.AST, scope: Scope, in_class: bool = False) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child, scope, in_class)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, method: bool) -> None:
        arguments = node.args
        positional = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
        defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
        defaults |= {
            argument.arg: default
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        }
        function = Function(node.name, positional, defaults, method, scope)
        self._bind(node.name, "other", node, scope)
        inner = Scope(scope)
        for name in [*positional, *(argument.arg for argument in arguments.kwonlyargs)]:
            self._bind(name, "parameter", function, inner)
        if arguments.vararg:
            self._bind(arguments.vararg.arg, "rest", function, inner)
        if arguments.kwarg:
            self._bind(arguments.kwarg.arg, "other", node, inner)
        for part in [*node.decorator_list, *arguments.defaults, *filter(None, arguments.kw_defaults)]:
            self._visit(part, scope)
        for statement in node.body:
            self._visit(statement, inner)

    def _target(self, target: ast.expr, kind: str, node: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, kind, node, scope)
        else:
            self._visit(target, scope)  # its names are bound otherwise

    def _bind(self, name: str, kind: str, node: Any, scope: Scope) -> None:
        scope.bindings.setdefault(name, []).append(Binding(kind, node, scope))


@functools.lru_cache(maxsize=1000)
def parsed(text: str) -> Source:
    """Parse a module; the same text is read once. Raises SyntaxError."""
    return Source(ast.parse(text))
