"""Networks that fit noise, as tables: rows beside the laws, changes along the width, a run here, the cheapest fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from lib.data import Dataset, random_labels
from lib.experiments.noise_fitting import NoiseFitting
from lib.rows import ROUNDS, Store, in_round, published
from lib.sweeps import sweep
from lib.theory.initialization import lower_bound_constant
from lib.theory.robustness_laws import smallest_lipschitz
from lib.trends import Interval, log_interval

PAIRS = ["samples", "in_features"]
# Narrower networks did not all reach the error; fewer widths make no trend.
_NARROWEST, _LEVELS = 8, 3


def published_noise() -> pd.DataFrame:
    """Return the published measurements of networks that fit random labels, with what the laws say of them.

    Beside the columns of the rows: p, the number of weights; law, √(n/k); universal, √(nd/p); ratio and
    universal_ratio, Lip over them.
    """
    return _beside_laws(in_round(published("random-labels").frame(), *ROUNDS))


def noise_here(
    samples: int, in_features: int, widths: Iterable[int], depth: int, seeds: int, steps: int
) -> pd.DataFrame:
    """Fit random labels with networks of one's own and return their measurements as `published_noise` does.

    Args:
        samples: n.
        in_features: d of the data.
        widths: of the networks.
        depth: the same of all.
        seeds: networks a cell, seeds from 0 on.
        steps: most steps of a training.
    """
    tasks = [
        NoiseFitting(samples, in_features, width, depth, seed, steps=steps)
        for width in sorted(set(widths))
        for seed in range(seeds)
    ]
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "live.jsonl")
        sweep(tasks, store)
        rows = store.frame()
    numbers = dict.fromkeys(["lipschitz", "P", "spectral_product", "kappa"], float)
    return _beside_laws(rows[rows["step"].notna()].astype(numbers))


def _beside_laws(rows: pd.DataFrame) -> pd.DataFrame:
    p = rows["width"] * (rows["in_features"] + 1) + rows["width"] ** 2 * (rows["depth"] - 2)
    law = np.sqrt(rows["samples"] / rows["width"])
    universal = np.sqrt(rows["samples"] * rows["in_features"] / p)
    ratios = {"ratio": rows["lipschitz"] / law, "universal_ratio": rows["lipschitz"] / universal}
    return rows.assign(p=p, law=law, universal=universal, **ratios)


def curves(rows: pd.DataFrame) -> dict[tuple[int, int], pd.DataFrame]:
    """Return the rows of each n and d that has at least three widths from 8 neurons on, by (n, d)."""
    wide = rows[rows["width"] >= _NARROWEST]
    return {key: part for key, part in wide.groupby(PAIRS) if part["width"].nunique() >= _LEVELS}


def fitted_change(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Return the change of log column over the width, as one regression on log2 k fits it, one number a seed."""
    changes = []
    for _, one in rows.groupby("seed"):
        exponent = np.log2(one["width"])
        slope = np.polyfit(exponent, np.log(one[column]), 1)[0]
        changes.append(slope * (exponent.max() - exponent.min()))
    return np.array(changes)


def doubling(parts: Mapping[tuple[int, int], pd.DataFrame], column: str, wide: int) -> float:
    """Return the change of a column over the doubling of the width that ends at place `wide`, mean over curves."""
    logs = [np.log(part.pivot(index="seed", columns="width", values=column)) for part in parts.values()]
    steps = [(table.iloc[:, wide] - table.iloc[:, wide - 1]).mean() for table in logs]
    return float(np.exp(np.mean(steps)) - 1)


def changes_from(
    parts: Mapping[tuple[int, int], pd.DataFrame], columns: Iterable[str], narrowest: int
) -> dict[tuple[int, int], dict[str, Interval]]:
    """Return the factor by which columns change from a width on, with its interval over seeds, by (n, d) and column."""
    columns = list(columns)
    return {
        key: {
            column: log_interval(np.exp(fitted_change(part[part["width"] >= narrowest], column))) for column in columns
        }
        for key, part in parts.items()
    }


def least_lipschitz(rows: pd.DataFrame) -> dict[tuple[int, int], float]:
    """Return Λ of each n and d, what any interpolant pays: the geometric mean over the data sets of the seeds."""
    seeds = rows.groupby(["in_features", "samples"])["seed"].unique()

    def least(n: int, d: int) -> float:
        drawn = (random_labels(n, d, int(seed)) for seed in seeds[d, n])
        return log_interval([smallest_lipschitz(data.x, data.y) for data in drawn]).mean

    return {(n, d): least(int(n), int(d)) for d, n in seeds.index}


def over_the_average_floor(rows: pd.DataFrame) -> list[float]:
    """Return P at the training points over c_d (1 − √(1−ε))/max‖x_i‖, the floor without parameters, of every row."""
    found: list[float] = []
    for (n, d, seed), part in rows.groupby([*PAIRS, "seed"]):
        longest = random_labels(int(n), int(d), int(seed)).x.norm(dim=1).max().item()
        floor = lower_bound_constant(int(d)) * (1 - np.sqrt(part["train_mse"])) / longest
        found += (part["P_train"] / floor).tolist()
    return found


def one_neuron_a_point(data: Dataset) -> torch.nn.Sequential:
    """Return the two-layer network that interpolates with one neuron a point.

    f = Σ_i y_i relu(u_i·x − b_i)/(‖x_i‖ − b_i), u_i = x_i/‖x_i‖ and b_i = max over j ≠ i of u_i·x_j.

    Raises:
        ValueError: a point is not the longest one in its own direction.
    """
    length = data.x.norm(dim=1, keepdim=True)
    u = data.x / length
    others = (u @ data.x.T).fill_diagonal_(-inf).amax(dim=1)
    if (others >= length[:, 0]).any():
        raise ValueError("data must have every point longest in its own direction; take a larger dimension.")
    network = torch.nn.Sequential(
        torch.nn.Linear(data.in_features, data.n), torch.nn.ReLU(), torch.nn.Linear(data.n, 1, bias=False)
    )
    with torch.no_grad():
        network[0].weight.copy_(u)
        network[0].bias.copy_(-others)
        network[2].weight.copy_(data.y / (length[:, 0] - others))
    return network
