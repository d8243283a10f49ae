"""The parameters of a chapter: declared in its `parameters` cell, checked before anything runs.

A declaration is one typed, commented assignment a line; the comment ends with the allowed values in brackets:

    epochs: int = 5  # training epochs [1..500]
    lr: float = 1e-3  # learning rate (0..10]
    scaling: str = "unit"  # input scaling [unit | raw | standard]
    widths: list[int] = [16, 32]  # widths of the hidden layers [2..16384]

A round end excludes its bound, `inf` leaves a side open, and for a list the values are checked one by one.
"""

from __future__ import annotations

import ast
import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from book.errors import BookError, nearest

Value = int | float | bool | str | list

KINDS: dict[str, tuple[type, str]] = {
    "int": (int, "an integer"),
    "float": (float, "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "a string"),
}
_INTERVAL = re.compile(r"(?P<left>[\[(])\s*(?P<low>[^\s\[(|.]\S*?)\s*\.\.\s*(?P<high>\S+?)\s*(?P<right>[\])])\s*$")
_CHOICES = re.compile(r"\[(?P<choices>[^\[\]]*)\]\s*$")


@dataclass(frozen=True)
class Interval:
    """Numbers between two bounds, each included or not."""

    low: float
    high: float
    low_included: bool
    high_included: bool
    text: str

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.low_included else value > self.low
        below = value <= self.high if self.high_included else value < self.high
        return above and below

    def __str__(self) -> str:
        return f"in {self.text}"


@dataclass(frozen=True)
class Choices:
    """A short list of values."""

    values: tuple[Value, ...]

    def __contains__(self, value: Value) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return "one of " + " | ".join(str(value) for value in self.values)


@dataclass(frozen=True)
class Parameter:
    """One declaration: name, kind, default, allowed values, help, and where its value stands in the cell."""

    name: str
    kind: str
    many: bool
    default: Value
    allowed: Interval | Choices | None
    help: str
    line: int
    columns: tuple[int, int]

    @property
    def requirement(self) -> str:
        """Say what a value must be, e.g. `a list of integers, each in [2..16384]`."""
        noun = KINDS[self.kind][1]
        if self.many:
            noun = "a list that is not empty, each value " + noun
        return noun if self.allowed is None else f"{noun} {self.allowed}"

    def accept(self, value: Any, chapter: str) -> Value:
        """Return the value in its declared type, or raise one sentence that says what is allowed."""
        accepted = self._typed(value)
        if accepted is None:
            choices = self.allowed.values if isinstance(self.allowed, Choices) else ()
            wrong = next((item for item in value if item not in choices), "") if isinstance(value, list) else value
            raise BookError(
                f"{chapter}: the parameter {self.name} cannot be {shown(value)}; it must be {self.requirement}"
                f"{nearest(wrong, map(str, choices)) or '.'}"
            )
        return accepted

    def _typed(self, value: Any) -> Value | None:
        if self.many:
            if not isinstance(value, list) or not value:
                return None
            items = [self._typed_one(item) for item in value]
            return None if any(item is None for item in items) else items
        return self._typed_one(value)

    def _typed_one(self, value: Any) -> int | float | bool | str | None:
        wanted = KINDS[self.kind][0]
        if wanted is float and type(value) is int:
            try:
                value = float(value)
            except OverflowError:
                return None
        if type(value) is not wanted:  # not isinstance: True is no integer here
            return None
        if wanted is float and not math.isfinite(value):  # `inf` is no literal of Python's either
            return None
        return None if self.allowed is not None and value not in self.allowed else value


def parse_cell(source: str, chapter: str) -> dict[str, Parameter]:
    """Read the declarations of a `parameters` cell, in order; the defaults are checked as any value is."""
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise BookError(
            f"{chapter}: the parameters cell is not valid Python (line {error.lineno}): {error.msg}."
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BookError(f"{chapter}: the parameters cell is not valid Python: {error}.") from None
    lines = source.splitlines()
    parameters: dict[str, Parameter] = {}
    for node in body:
        parameter = _declaration(node, lines[node.lineno - 1], chapter)
        if parameter.name in parameters:
            raise BookError(f"{chapter}: the parameters cell declares {parameter.name} twice.")
        default = parameter.accept(parameter.default, f"{chapter} (default)")
        parameters[parameter.name] = replace(parameter, default=default)
    return parameters


def _declaration(node: ast.stmt, line: str, chapter: str) -> Parameter:
    where = f'{chapter}: the parameters cell has "{line.strip()}"'
    form = "write one line a parameter, like `epochs: int = 5  # training epochs [1..500]`"
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
        raise BookError(f"{where}, which is no typed assignment; {form}.")
    if node.end_lineno != node.lineno:
        raise BookError(f"{where}, which runs over several lines; {form}.")
    annotation = ast.unparse(node.annotation)
    kind, many = (annotation[5:-1], True) if annotation.startswith("list[") else (annotation, False)
    if kind not in KINDS:
        raise BookError(f"{where} of type {annotation}; the types are {', '.join(KINDS)} and lists of them.")
    try:
        default = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise BookError(f"{where}, whose value is not a literal; {form}.") from None
    rest = line.encode()[node.end_col_offset :].decode().strip()
    if not rest.startswith("#"):
        raise BookError(f"{where}, which has no comment; {form}.")
    help_text, allowed = _allowed(rest.lstrip("# "), kind, where)
    return Parameter(
        node.target.id, kind, many, default, allowed, help_text, node.lineno - 1,
        (node.value.col_offset, node.value.end_col_offset or 0),
    )  # fmt: skip


def _allowed(comment: str, kind: str, where: str) -> tuple[str, Interval | Choices | None]:
    """Split a comment into its help and the allowed values at its end."""
    if kind == "bool":
        return comment, None
    if kind in ("int", "float") and (found := _INTERVAL.search(comment)):
        try:
            low, high = float(found["low"]), float(found["high"])
        except ValueError:
            raise BookError(f"{where}, whose bounds {found[0].strip()} are not numbers.") from None
        text = found[0].strip()
        return comment[: found.start()].strip(), Interval(low, high, found["left"] == "[", found["right"] == "]", text)
    if found := _CHOICES.search(comment):
        texts = [item.strip() for item in found["choices"].split("|")]
        if all(texts):
            try:
                values = tuple(KINDS[kind][0](text) for text in texts)
            except ValueError:
                raise BookError(f"{where}, whose allowed values {found[0].strip()} are not of type {kind}.") from None
            return comment[: found.start()].strip(), Choices(values)
    raise BookError(
        f"{where}, whose comment does not end with the allowed values; write [low..high], (low..high] or [one | other]."
    )


def fill(source: str, parameters: dict[str, Parameter], values: dict[str, Value]) -> str:
    """Write values into the cell in the place of the defaults; types, comments and unchanged lines stay as they are."""
    lines = source.splitlines()
    for parameter in parameters.values():
        value = values[parameter.name]
        if value != parameter.default:
            raw, (start, end) = lines[parameter.line].encode(), parameter.columns
            lines[parameter.line] = (raw[:start] + literal(value).encode() + raw[end:]).decode()
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Write any value for a sentence, in at most 80 characters."""
    text = " ".join(json.dumps(value, ensure_ascii=False, default=str).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def literal(value: Value) -> str:
    """Write a value as Python source."""
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
