"""The experiments whose rows are published under results/: which configurations each of them trains."""

from __future__ import annotations

from collections.abc import Callable

from lib.experiments.configuration import Configuration


def pilot() -> list[Configuration]:
    """Return Fig. 4a on MNIST at the paper's settings, small: He, raw pixels, three seeds. Decides nothing."""
    return [
        Configuration("mnist", "raw", "he", width=width, depth=depth, seed=seed)
        for depth in (2, 4, 6, 8, 10)
        for width in (16, 32, 64, 128)
        for seed in range(3)
    ]


EXPERIMENTS: dict[str, Callable[[], list[Configuration]]] = {"pilot": pilot}
