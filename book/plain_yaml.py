"""YAML as a person means it: numbers are what they look like, and a value is what stands there.

YAML 1.1, which PyYAML reads, takes 064 for 52, 1:30 for 90, `on` for true and 1e-3 for a text. Here a number is decimal
unless it says 0x, 0o or 0b; only true and false are booleans; there are no dates, no aliases, and of the tags only
those of plain values.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from book.errors import BookError

# Longer numbers and texts are no parameters; reading them could take for ever.
_LONGEST_NUMBER = 400
_LONGEST = 1_000_000
_DECIMAL = r"[0-9]+(?:_[0-9]+)*"
_INT = re.compile(rf"[-+]?(?:{_DECIMAL}|0x[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0o[0-7]+(?:_[0-7]+)*|0b[01]+(?:_[01]+)*)")
_FLOAT = re.compile(rf"[-+]?(?:{_DECIMAL}(?:\.(?:{_DECIMAL})?)?|\.{_DECIMAL})(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_BASES = {"0x": 16, "0o": 8, "0b": 2}


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars above, which refuses a key given twice, aliases and foreign tags."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - PyYAML's name for a class's own table
    yaml_constructors: dict = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, f"the alias *{event.anchor} is not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (list, dict)):
                raise _wrong(key_node, "a key must be a plain value")
            if key in mapping:
                raise _wrong(key_node, f'the key "{key}" is given twice')
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


def _wrong(node: yaml.Node, sentence: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, sentence, node.start_mark)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if not _INT.fullmatch(text):
        raise _wrong(node, f'"{text[:40]}" is not an integer')
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if len(digits) > _LONGEST_NUMBER:
        raise _wrong(node, f"a number has {len(digits)} digits, more than {_LONGEST_NUMBER}")
    base = _BASES.get(digits[:2], 10)
    return sign * int(digits[2:] if base != 10 else digits, base)


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node)
    if found := _NO_NUMBER.fullmatch(text):
        return float(f"{found[1] or ''}inf" if found[2] else "nan")
    if not _FLOAT.fullmatch(text):
        raise _wrong(node, f'"{text[:40]}" is not a number')
    if math.isinf(number := float(text.replace("_", ""))):
        raise _wrong(node, f'"{text[:40]}" is larger than any number here')
    return number


def _truth(loader: _Loader, node: yaml.ScalarNode) -> bool:
    text = loader.construct_scalar(node)
    if text not in _BOOL:
        raise _wrong(node, f'"{text[:40]}" is neither true nor false')
    return _BOOL[text]


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{pattern})\Z")


_DIGITS = list("-+.0123456789")
for _tag, _pattern, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", "|".join(_BOOL), list("tTfF")),
    ("int", _INT.pattern, _DIGITS),
    ("float", f"{_FLOAT.pattern}|{_NO_NUMBER.pattern}", _DIGITS),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole(_pattern), _first)
for _tag, _construct in (
    ("null", lambda loader, node: None),
    ("bool", _truth),
    ("int", _integer),
    ("float", _real),
    ("str", lambda loader, node: loader.construct_scalar(node)),
    ("seq", lambda loader, node: loader.construct_sequence(node, deep=True)),
    ("map", lambda loader, node: loader.construct_mapping(node, deep=True)),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct)
_Loader.add_constructor(None, lambda loader, node: _refuse(node))


def _refuse(node: yaml.Node) -> None:
    raise _wrong(node, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')[:40]} is not allowed")


def parse_yaml(text: str, where: str) -> Any:
    """Parse one YAML value; `where` names its origin in the error."""
    where = " ".join(where[:200].split())
    where = where if len(where) <= 80 else f"{where[:77]}..."
    if len(text) > _LONGEST:
        raise BookError(f"{where} is longer than the {_LONGEST:,} characters that a value may have.")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise BookError(f"{where}{line} is not valid YAML: {problem}.") from error
    except RecursionError as error:
        raise BookError(f"{where} is not valid YAML: its brackets nest too deeply.") from error
    except ValueError as error:  # of a character that PyYAML cannot read
        raise BookError(f"{where} is not valid YAML: {' '.join(str(error).split())}.") from error
