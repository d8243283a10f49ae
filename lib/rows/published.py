"""The rows that this checkout publishes, by the name of their experiment."""

from __future__ import annotations

from pathlib import Path

from lib.rows.store import Store

RESULTS = Path(__file__).parents[2] / "results"


def published(experiment: str) -> Store:
    """Return the store of an experiment's published rows, results/<experiment>.jsonl of this checkout.

    Raises:
        FileNotFoundError: the checkout has no such rows.
        ValueError: a row has not the digest that it was published with.
    """
    path = RESULTS / f"{experiment}.jsonl"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in RESULTS.glob("*.jsonl"))) or "none"
        raise FileNotFoundError(f"there are no published rows named {experiment!r}; published are: {there}.")
    store = Store(path)
    store.digests().refuse()
    return store
