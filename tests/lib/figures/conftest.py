"""Rows as published trainings have them, small and with known gaps."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

MOMENTS = {
    "start": 0,
    "epoch 1": 1,
    "epoch 5": 5,
    "epoch 10": 10,
    "loss 1": 3.5,
    "loss 0.5": 8.5,
    "epoch 25": 25,
    "end": 50,
}


@pytest.fixture(autouse=True)
def drawn():
    with mpl.rc_context():
        mpl.use("agg")
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def trainings():
    """Trainings of every initialization, setting, depth and width that the chapters compare; P grows with depth."""
    rng = np.random.default_rng(0)
    lines = []
    for name in ("he", "lecun", "ntk", "power-2"):
        for scaling in ("raw", "standard", "unit"):
            for momentum in (0.0, 0.9):
                for depth in (2, 6, 8, 10):
                    for width in (16, 64, 256):
                        for seed in (3, 4, 5):
                            for moment, epoch in MOMENTS.items():
                                lines.append((name, scaling, momentum, depth, width, seed, moment, epoch))
    names = ["initializer", "scaling", "momentum", "depth", "width", "seed", "moment", "epoch"]
    rows = pd.DataFrame(lines, columns=names)
    noise = rng.lognormal(sigma=0.05, size=len(rows))
    rows["key"] = rows[names[:6]].astype(str).agg("-".join, axis=1)
    rows["reached"] = [float(m.split()[1]) if m.startswith("loss") else np.nan for m in rows["moment"]]
    rows["P"] = rows["depth"] * noise
    rows["kappa"] = rows["epoch"] / rows["width"] * noise
    for column in ("relative_stability", "test_accuracy", "train_accuracy", "noise_accuracy_0.5", "pgd_accuracy_0.05"):
        rows[column] = 0.9 * np.minimum(noise, 1)
    rows["relative_change"] = [[0.1 * (layer + 1) for layer in range(depth)] for depth in rows["depth"]]
    rows["trained"] = (rows["width"] > 16) | (rows["depth"] == 2)
    return rows
