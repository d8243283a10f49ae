"""The engine: tasks → rows, on this machine or a cluster. It knows no task by its type."""

from lib.sweeps.sweep import sweep

__all__ = ["sweep"]
