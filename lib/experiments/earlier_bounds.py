"""What the bounds of Table 2 are held against: P and norms of the Jacobian of NTK networks, drawn and trained here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from lib import data, training
from lib.estimators import jacobian_spectrum, lazy_training_ratio, local_lipschitz, spectral_norm_product
from lib.estimators.stability import stability_of_spectrum
from lib.networks import FCN
from lib.seeds import generator
from lib.theory.bounds import huang2021, theorem1, wu2021
from lib.theory.initialization import mean_stability
from lib.trends import Interval, mean_interval, slopes_by_seed

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

# Seeds 0, 1 and 2 are a pilot's, and never decide.
FIRST_SEED = 3


def unit_points(count: int, in_features: int) -> Float[Tensor, "count d"]:
    """Return points drawn uniformly from the unit sphere, the same in every run."""
    gaussian = torch.randn(count, in_features, generator=generator(FIRST_SEED, "points"), device="cpu")
    return torch.nn.functional.normalize(gaussian)


def norms(network: FCN, x: Float[Tensor, "n d"]) -> dict[str, np.ndarray]:
    """Return P, ‖J‖_F and ‖J‖_2, each the mean over points, one number a replica (P, jacobian_frobenius, _spectral)."""
    eigenvalues = jacobian_spectrum(network, x)
    values = {
        "P": stability_of_spectrum(eigenvalues, x.shape[1]),
        "jacobian_frobenius": eigenvalues.sum(dim=-1).sqrt(),
        "jacobian_spectral": eigenvalues[..., -1].sqrt(),
    }
    return {name: value.mean(dim=1).numpy() for name, value in values.items()}


def untrained(
    widths: Sequence[int],
    depths: Sequence[int],
    x: Float[Tensor, "n d"],
    out_features: int,
    seeds: int,
    lipschitz_points: int = 0,
    widest_lipschitz: int = 0,
    radius: float = 0.5,
    steps: int = 6,
) -> pd.DataFrame:
    """Measure NTK networks before training: one line a network.

    Columns: width, depth, seed (from 0), d, those of `norms`, the two older bounds, and lipschitz, the largest ‖J‖_2
    that is found within `radius` of the first points; NaN above the width `widest_lipschitz`.

    Args:
        widths: of the networks.
        depths: of the networks.
        x: points at which J is taken.
        out_features: o.
        seeds: networks a cell.
        lipschitz_points: points around which the worst gradient is searched for.
        widest_lipschitz: the largest width at which it is.
        radius: of the ball around each point.
        steps: of the search.
    """
    cells = []
    for depth in depths:
        for width in widths:
            network = FCN(width, depth, x.shape[1], out_features, "ntk", replicas=seeds, seed=FIRST_SEED)
            cell = pd.DataFrame(norms(network, x)).assign(lipschitz=np.nan)
            if lipschitz_points and width <= widest_lipschitz:
                found = local_lipschitz(network, x[:lipschitz_points], radius, steps)
                cell["lipschitz"] = found.mean(dim=1).numpy()
            cells.append(cell.assign(width=width, depth=depth, seed=range(seeds), d=x.shape[1]))
    return _with_older_bounds(pd.concat(cells, ignore_index=True))


def trained_on_digits(
    widths: Sequence[int],
    depths: Sequence[int],
    seeds: int,
    epochs: int,
    lr: float,
    lipschitz_points: int,
    radius: float,
    steps: int,
) -> pd.DataFrame:
    """Train NTK networks on the digits at a constant rate and measure them on test points: one line a network.

    The columns of `untrained`, with kappa, the lazy training ratio, and accuracy on the test set.
    """
    digits = data.load("digits")
    test, cells = digits.x_test[:100], []
    for depth in depths:
        for width in widths:
            network = FCN(width, depth, digits.in_features, digits.out_features, "ntk", replicas=seeds, seed=FIRST_SEED)
            initial = [weight.detach().clone() for weight in network.weights]
            training.train(network, digits, epochs, lr=lr, schedule="constant")
            found = local_lipschitz(network, test[:lipschitz_points], radius, steps)
            hits = network(digits.x_test).argmax(dim=-1) == digits.y_test
            cell = pd.DataFrame(norms(network, test)).assign(
                lipschitz=found.mean(dim=1).numpy(),
                kappa=lazy_training_ratio(network, initial).numpy(),
                accuracy=hits.double().mean(dim=1).numpy(),
            )
            cells.append(cell.assign(width=width, depth=depth, seed=range(seeds), d=digits.in_features))
    return _with_older_bounds(pd.concat(cells, ignore_index=True))


def _with_older_bounds(cells: pd.DataFrame) -> pd.DataFrame:
    sizes = list(zip(cells["width"], cells["depth"], strict=True))
    older = {"Wu et al.": wu2021, "Huang et al.": huang2021}
    return cells.assign(**{name: [bound(m, L) for m, L in sizes] for name, bound in older.items()})


def with_table_2(cells: pd.DataFrame, in_features: int, out_features: int) -> pd.DataFrame:
    """Return cells of NTK networks (width, depth) with the bounds of Table 2, all constants 1, and the exact mean P.

    Source: Table 2 of Zhu et al. 2022.
    """
    sizes = list(zip(cells["width"], cells["depth"], strict=True))
    zhu = [theorem1(m, L, in_features, out_features, "ntk") / math.sqrt(2) for m, L in sizes]
    exact = [mean_stability(m, L, in_features, out_features, "ntk") for m, L in sizes]
    return _with_older_bounds(cells.assign(**{"Zhu et al.": zhu})).assign(exact=exact)


def steepest_in_width(cells: pd.DataFrame, quantities: Sequence[str]) -> tuple[str, int, Interval]:
    """Return the quantity and the depth at which it grows with the steepest power of the width, and that power."""
    powers = {
        (quantity, depth): mean_interval(slopes_by_seed(part, quantity, "width"))
        for quantity in quantities
        for depth, part in cells.groupby("depth")
    }
    (quantity, depth), power = max(((k, p) for k, p in powers.items() if p.seeds), key=lambda one: one[1].mean)
    return quantity, depth, power


def products_of_norms(
    widths: Sequence[int], depths: Sequence[int], in_features: int, out_features: int, replicas: int = 3
) -> pd.DataFrame:
    """Return Π ‖W_l‖₂ at the slides' NTK initialization, the mean of a few networks: one line a cell, depth first.

    Columns: depth, width, product, over_huang (in units of Huang et al.'s bound) and over_all (in units of what its
    proof gives where the first and the last matrix are as wide as they are).
    """
    lines = []
    for depth in depths:
        for width in widths:
            network = FCN(width, depth, in_features, out_features, "ntk-slides", replicas=replicas, seed=FIRST_SEED)
            product = spectral_norm_product(network).mean().item()
            edges = (1 + math.sqrt(in_features / width)) * (1 + math.sqrt(out_features / width))
            over = product / huang2021(width, depth)
            lines.append((depth, width, product, over, over / edges))
    return pd.DataFrame(lines, columns=["depth", "width", "product", "over_huang", "over_all"])
