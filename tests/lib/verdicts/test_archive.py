"""Which cells a sweep has."""

import numpy as np

from lib.verdicts.archive import _trainings


def test_a_sweep_has_no_cells_in_bf16():
    shared = {"dataset": "mnist", "scaling": "raw", "momentum": 0.0, "samples": 60000.0, "lr": 1e-3, "epochs": 50.0}
    shared |= {"schedule": "paper", "batch_size": 64.0, "loss": "cross_entropy", "weight_decay": 0.0, "alpha": 1.0}
    factors = {name: np.array([value, value]) for name, value in shared.items()}
    definition = {"dataset": "mnist", "scalings": ["raw"], "momenta": [0.0]}
    assert _trainings(factors, "grid", definition).tolist() == [True, True]
    factors["precision"] = np.array(["", "bf16"])
    assert _trainings(factors, "grid", definition).tolist() == [True, False]
