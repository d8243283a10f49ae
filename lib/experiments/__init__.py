"""Configurations → rows → figures and verdicts."""

from pathlib import Path

from lib.experiments.configuration import Configuration
from lib.experiments.store import Store
from lib.experiments.sweep import sweep
from lib.experiments.task import Task

__all__ = ["Configuration", "Store", "Task", "published", "sweep"]


def published(experiment: str) -> Store:
    """Return the store of an experiment's published rows, results/<experiment>.jsonl of this checkout.

    Raises:
        FileNotFoundError: the checkout has no such rows.

    Used by: every chapter that draws published rows.
    """
    results = Path(__file__).parents[2] / "results"
    path = results / f"{experiment}.jsonl"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in results.glob("*.jsonl"))) or "none"
        raise FileNotFoundError(f"there are no published rows named {experiment!r}; published are: {there}.")
    return Store(path)
