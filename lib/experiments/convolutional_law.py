"""Convolutional networks drawn at initialization, beside the exact second moment of their derivative."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pandas as pd
import torch

from lib.convolutional import CNN
from lib.seeds import generator
from lib.theory.initialization_convolutional import mean_square_gain, rms_stability
from lib.trends import mean_interval

# Networks of a stack: what they keep of a pass stays small.
_AT_ONCE = 25


def drawn_beside_law(
    image: tuple[int, int, int],
    out_features: int,
    initializers: Iterable[str],
    widths: Iterable[int],
    depths: Iterable[int],
    draws: int,
) -> pd.DataFrame:
    """Draw networks in every combination and compare E‖J‖_F²/d, at one random point, with its exact value.

    Args:
        image: (channels, height, width) of the point, whose pixels are standard Gaussian: no patch of it is zero.
        out_features: o.
        initializers: combined with the widths and depths.
        widths: m channels.
        depths: L.
        draws: networks a cell, with seeds of their own.

    Returns:
        One line a cell: initializer, depth, width, exact (the exact P_rms at ε = 1), measured (that of the networks),
        ratio (mean over networks of ‖J‖_F²/d, over its expectation), low, high (its Student t interval), draws.
    """
    lines = []
    for cell, (name, depth, width) in enumerate(product(initializers, depths, widths)):
        expected = mean_square_gain(width, depth, image, out_features, name)
        squares = []
        for begin in range(0, draws, _AT_ONCE):
            count, seed = min(_AT_ONCE, draws - begin), cell * draws + begin
            network = CNN(width, depth, image, out_features, name, replicas=count, seed=seed, dtype=torch.float32)
            x = torch.randn(1, network.in_features, generator=generator(cell, "points"), device="cpu")
            trace = network.jacobian_gram(x).diagonal(dim1=-2, dim2=-1).sum(dim=-1)[:, 0]
            squares += (trace / network.in_features / expected).tolist()
        ratio = mean_interval(squares)
        exact = rms_stability(width, depth, image, out_features, name)
        where = {"initializer": name, "depth": depth, "width": width, "exact": exact}
        found = {"measured": exact * ratio.mean**0.5, "ratio": ratio.mean, "low": ratio.low, "high": ratio.high}
        lines.append(where | found | {"draws": draws})
    return pd.DataFrame(lines)
