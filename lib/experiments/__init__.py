"""What is trained and measured, and what it becomes: configurations → rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib.rows import Store, Task, published

if TYPE_CHECKING:
    from lib.experiments.configuration import Configuration
    from lib.sweeps import sweep

__all__ = ["Configuration", "Store", "Task", "published", "sweep"]


def __getattr__(name: str) -> Any:
    # What trains imports torch, which takes seconds: who reads or counts rows need not wait for it.
    if name == "Configuration":
        from lib.experiments.configuration import Configuration

        return Configuration
    if name == "sweep":
        from lib.sweeps import sweep

        return sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
