"""Configurations → rows → figures and verdicts."""

from lib.experiments.configuration import Configuration
from lib.experiments.store import Store
from lib.experiments.sweep import sweep

__all__ = ["Configuration", "Store", "sweep"]
