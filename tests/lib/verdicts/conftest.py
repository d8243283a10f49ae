"""Registers, simulated curves and simulated rows that the tests of the verdicts share."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lib.verdicts import register as registers
from lib.verdicts.archive import Archive
from lib.verdicts.cells import Cells, read
from lib.verdicts.claims import Component, Margin, Register
from lib.verdicts.selection import Curve


@pytest.fixture(autouse=True)
def _frozen() -> None:
    """Spare what is there from garbage collection: statsmodels collects in every call of Holm's method."""
    gc.freeze()


@pytest.fixture(scope="session")
def rules() -> dict[int, Register]:
    """Both versions of the register."""
    return {version: registers.read(version) for version in (1, 2)}


@pytest.fixture(scope="session")
def archive(rules: dict[int, Register]) -> Archive:
    """The published rows."""
    return Archive(read(), rules[2])


@pytest.fixture(scope="session")
def test_of() -> Callable[..., Component]:
    """Make a registered test."""

    def make(statistic: str = "t", margin: float = 0.0, **changes: Any) -> Component:
        plain = Component(
            statistic=statistic,
            sweeps=("grid",),
            settings="primary",
            cells=(),
            trained=False,
            column="P",
            transform="log",
            moment="epoch_50",
            effect="level",
            center=0.0,
            margin=Margin("simulated", margin, "a simulation"),
            against="always",
            alternative="greater",
        )
        return dataclasses.replace(plain, **changes)

    return make


@pytest.fixture(scope="session")
def curves_of() -> Callable[..., list[Curve]]:
    """Make a curve of each matrix of a stack (curves, cells, seeds), over an axis and with factors of the cells."""

    def make(stack: np.ndarray, axis: Any = None, versus: np.ndarray | None = None, **factors: Any) -> list[Curve]:
        cells, seeds = stack.shape[1:]
        columns = {name: np.broadcast_to(np.asarray(values), cells) for name, values in factors.items()}
        return [
            Curve(
                {},
                matrix,
                None if axis is None else np.asarray(axis, dtype=float),
                columns,
                np.arange(seeds),
                np.full((cells, seeds), "key"),
                None if versus is None else versus[i],
            )
            for i, matrix in enumerate(stack)
        ]

    return make


@pytest.fixture(scope="session")
def row_of() -> Callable[..., dict[str, Any]]:
    """Make the row of a training at the paper's settings with the same measurements at its start, middle and end."""

    def make(initializer: str, depth: int, width: int, seed: int, P: float | None, **values: Any) -> dict[str, Any]:
        settings = {"dataset": "mnist", "scaling": "raw", "initializer": initializer, "width": width, "depth": depth}
        settings |= {"seed": seed, "samples": None, "epochs": 50, "batch_size": 64, "lr": 1e-3, "schedule": "paper"}
        settings |= {"loss": "cross_entropy", "momentum": 0.0, "weight_decay": 0.0, "alpha": 1.0}
        seen = {"P": P, "P_train": P, "test_accuracy": 0.95, "kappa": 0.05, "train_loss": depth / 10 + 1 / width}
        seen |= {"relative_stability": P, "relative_change": [20.0] * depth}
        seen |= {"noise_accuracy_0.5": 1 / (1 + P), "pgd_accuracy_0.05": 1 / (2 + P)} if P else {}
        seen |= values
        return {
            "schema": 1,
            "key": f"{initializer[:4]}{depth:02d}{width:04d}{seed:02d}",
            "configuration": settings,
            "measurements": [{"epoch": epoch, "reached": None, **seen} for epoch in (0, 1, 10, 25, 50)],
            "failure": None,
        }

    return make


@pytest.fixture(scope="session")
def simulated(rules: dict[int, Register], row_of: Callable[..., dict[str, Any]]) -> Callable[..., list[dict[str, Any]]]:
    """Make the rows of round 1 on the grid with P = f(initializer, L, m) times a seed's noise."""

    def make(P: Callable[[str, int, int], float], noise: float = 0.01, seed: int = 0) -> list[dict[str, Any]]:
        stream = np.random.default_rng(seed)
        cells = [("he", L, m) for L in (2, 4, 6, 8, 10) for m in (16, 32, 64, 128, 256)]
        cells += [("he", 2, m) for m in (512, 1024)] + [("he", L, 512) for L in (6, 8)]
        cells += [("power-2", 2, 2**k) for k in range(4, 11)]
        cells += [("lecun", L, m) for L in (2, 4, 6, 8, 10) for m in (16, 32, 64, 128, 256)]
        cells += [("ntk", L, m) for L in (2, 4, 6, 8, 10) for m in (16, 32, 64, 128)]
        return [
            row_of(*cell, replica, float(P(*cell) * np.exp(noise * stream.standard_normal())))
            for cell in cells
            for replica in range(3, 8)
        ]

    return make


@pytest.fixture(scope="session")
def archive_of(rules: dict[int, Register]) -> Callable[[list[dict[str, Any]]], Archive]:
    """Make an archive of trainings."""
    return lambda rows: Archive({"": Cells("", [(f"line {i}", row) for i, row in enumerate(rows, 1)])}, rules[2])
