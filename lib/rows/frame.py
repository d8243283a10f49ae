"""Rows → a table, a column at a time: a dictionary a line would take ten times the memory and the time."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

# So many values stay Python objects before they become columns of numbers.
_CHUNK = 2**16


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one line a measurement: the row's key, configuration, provenance and failure, then what was measured.

    Of a name that stands in several of these the last counts. Of several rows of one key the last counts, in the place
    of the first.

    Args:
        rows: a store, or what can be gone through twice.
    """
    collecting = gc.isenabled()
    gc.disable()  # rows hold no circles, and looking for some takes a quarter of the time
    try:
        return _table(rows).frame()
    finally:
        if collecting:
            gc.enable()


def _table(rows: Iterable[Mapping[str, Any]]) -> _Table:
    table, keys = _Table(), set()
    for row in rows:
        if row["key"] in keys:
            table = _Table()
            for last in {row["key"]: row for row in rows}.values():
                table.add(last)
            break
        keys.add(row["key"])
        table.add(row)
    return table


class _Block:
    """Rows that say the same things in the same order, as one long list of values that becomes columns now and then."""

    def __init__(self, outer: tuple[str, ...], inner: tuple[tuple[str, ...], ...]) -> None:
        self.outer = {name: at for at, name in enumerate(outer)}
        self.inner, at = [], len(outer)
        for names in inner:
            self.inner.append({name: at + offset for offset, name in enumerate(names)})
            at += len(names)
        self.length, self.waiting = at, []
        self.rows, self.lines = array("q"), array("q")  # of each row its place, and the place of its first line
        self.chunks: list[list[Any]] = []

    def settle(self) -> None:
        """Turn the waiting values into columns."""
        if self.waiting:
            self.chunks.append([_compact(self.waiting[at :: self.length]) for at in range(self.length)])
            self.waiting = []


def _compact(values: list[Any]) -> Any:
    """Return an array where all values are numbers, undefined (None) ones among them, else the list."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return np.array(values)
    if kinds <= {int, float, type(None)} and float in kinds:
        return np.array(values, dtype=float)
    return values


class _Table:
    def __init__(self) -> None:
        self.blocks: dict[tuple[tuple[str, ...], ...], _Block] = {}
        self.names: dict[str, None] = {}
        self.counts = array("q")
        self.lines = 0
        self.last: tuple[tuple[tuple[str, ...], ...], _Block | None] = ((), None)

    def add(self, row: Mapping[str, Any]) -> None:
        measurements, configuration, provenance = row["measurements"], row["configuration"], row["provenance"]
        if not measurements:
            return
        shape = (tuple(configuration), tuple(provenance), *map(tuple, measurements))
        before, block = self.last
        if block is None or shape != before:  # rows mostly follow others of their shape: comparing beats hashing
            block = self._block(shape)
            self.last = (shape, block)
        block.rows.append(len(self.counts))
        block.lines.append(self.lines)
        self.counts.append(len(measurements))
        self.lines += len(measurements)
        block.waiting.append(row["key"])
        block.waiting.extend(configuration.values())
        block.waiting.extend(provenance.values())
        block.waiting.append(row.get("failure"))
        block.waiting.extend(chain.from_iterable(map(dict.values, measurements)))
        if len(block.waiting) > _CHUNK:
            block.settle()

    def _block(self, shape: tuple[tuple[str, ...], ...]) -> _Block:
        block = self.blocks.get(shape)
        if block is None:
            outer, inner = ("key", *shape[0], *shape[1], "failure"), shape[2:]
            block = self.blocks[shape] = _Block(outer, inner)
            self.names |= dict.fromkeys(name for names in inner for name in (*outer, *names))
        return block

    def frame(self) -> pd.DataFrame:
        for block in self.blocks.values():
            block.settle()
        row_of_line = np.repeat(np.arange(len(self.counts)), self.counts)
        columns = {}
        for name in self.names:
            if any(name in names for block in self.blocks.values() for names in block.inner):
                columns[name] = _assembled(self._on_lines(name), self.lines)
            else:
                said = _assembled(self._on_rows(name), len(self.counts))
                columns[name] = said.take(row_of_line).reset_index(drop=True)
        return pd.DataFrame(columns, copy=False)

    def _on_rows(self, name: str) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield places among the rows, and the values there."""
        for block in self.blocks.values():
            if name in block.outer:
                yield from _placed(block.rows, block.chunks, block.outer[name])

    def _on_lines(self, name: str) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield places among the lines, and the values there."""
        for block in self.blocks.values():
            for line, names in enumerate(block.inner):
                at = names.get(name, block.outer.get(name))
                if at is not None:
                    yield from ((first + line, values) for first, values in _placed(block.lines, block.chunks, at))


def _placed(places: array, chunks: list[list[Any]], at: int) -> Iterator[tuple[np.ndarray, Any]]:
    all_places, start = np.frombuffer(places, dtype=np.int64), 0
    for chunk in chunks:
        yield all_places[start : start + len(chunk[at])], chunk[at]
        start += len(chunk[at])


def _assembled(placed: Iterable[tuple[np.ndarray, Any]], length: int) -> pd.Series:
    """Return a column of which some places may be missing."""
    parts = list(placed)
    kinds = {values.dtype if isinstance(values, np.ndarray) else object for _, values in parts}
    whole = sum(len(places) for places, _ in parts) == length
    if object in kinds:
        column = np.full(length, np.nan, dtype=object)
    elif whole and kinds == {np.dtype(np.int64)}:
        column = np.empty(length, np.int64)
    else:
        column = np.full(length, np.nan)
    for places, values in parts:
        listed = isinstance(values, list)  # of lists, perhaps: NumPy must not look into them
        column[places] = np.fromiter(values, dtype=object, count=len(values)) if listed else values
    return pd.Series(column.tolist() if object in kinds else column)
