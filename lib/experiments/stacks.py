"""Which configurations train together: runs of consecutive seeds of one cell."""

from __future__ import annotations

from collections.abc import Iterable

from lib.experiments.configuration import Configuration


def stacks(configurations: Iterable[Configuration]) -> list[list[Configuration]]:
    """Group configurations into runs of consecutive seeds of one cell, each of which trains as one `FCN`."""
    grouped: list[list[Configuration]] = []
    for configuration in sorted(configurations, key=lambda c: (repr(c.cell), c.seed)):
        last = grouped[-1][-1] if grouped else None
        if last and last.cell == configuration.cell and last.seed + 1 == configuration.seed:
            grouped[-1].append(configuration)
        else:
            grouped.append([configuration])
    return grouped
