"""Data sets: flattened, scaled and verified before use. `load` reads a benchmark, `Dataset` holds anything else."""

from lib.data.dataset import Dataset
from lib.data.loading import NAMES, SCALINGS, load
from lib.data.noise import random_labels

__all__ = ["NAMES", "SCALINGS", "Dataset", "load", "random_labels"]
