"""Perturbation stability beside other notions of robustness, on the same networks and along their training."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from scipy import stats
from torch import nn

from lib import training
from lib.adversarial import pgd
from lib.data import Dataset
from lib.estimators import (
    finite_stability,
    jacobian,
    jacobian_spectrum,
    monte_carlo_stability,
    perturbation_stability,
    relative_stability,
    spectral_norm_product,
)
from lib.networks import FCN
from lib.seeds import generator
from lib.trends import Interval, mean_interval

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_DRAWS = 128  # of a perturbation, the same for the finite and for the linear change: their noise cancels
_ROBUST = 0.95  # share of perturbations under which a point must be correct to be probabilistically robust


def scaled(network: FCN, factor: float) -> FCN:
    """Return a copy of a network whose last layer, and so its output, is multiplied by a factor."""
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.weights[-1].mul_(factor)
    return twin


def largest_change(network: FCN, x: Float[Tensor, "n d"], epsilon: float, steps: int = 5) -> Float[Tensor, "R n"]:
    """Search the largest ‖f(x+δ) − f(x)‖ with ‖δ‖ = ε by gradient ascent; a lower bound of it.

    It starts from both ends of the direction that is worst to first order.

    Args:
        network: R replicas.
        x: points.
        epsilon: ε, the length of the perturbation.
        steps: of the ascent.
    """
    top = torch.linalg.svd(jacobian(network, x), full_matrices=False).Vh[..., 0, :]
    before, best = network(x).detach(), []
    for sign in (1, -1):
        delta = sign * epsilon * top
        for _ in range(steps):
            delta.requires_grad_()
            change = (network(x + delta) - before).norm(dim=-1)
            (gradient,) = torch.autograd.grad(change.sum(), delta)
            best.append(change.detach())
            delta = epsilon * nn.functional.normalize(gradient, dim=-1)
    return torch.stack(best).amax(dim=0)


def finite_over_linear(network: FCN, x: Float[Tensor, "n d"], shares: Sequence[float]) -> pd.DataFrame:
    """Compare the change of the output with its first-order value: one line a length of the perturbation and replica.

    Columns: epsilon, in mean lengths of an input; seed, the replica; ratio, the mean change over ε P; worst, the
    largest change found over ε ‖J‖_2.

    Args:
        network: R replicas.
        x: points.
        shares: lengths ε in mean lengths of an input.
    """
    norm = jacobian_spectrum(network, x)[..., -1].sqrt().mean(dim=1)
    typical, rows = x.norm(dim=1).mean().item(), []
    for share in shares:
        epsilon = typical * share
        finite, _ = finite_stability(network, x, epsilon, samples=_DRAWS)
        linear, _ = monte_carlo_stability(network, x, epsilon, samples=_DRAWS)
        average = finite.mean(dim=1) / linear.mean(dim=1)
        worst = largest_change(network, x, epsilon).mean(dim=1) / epsilon / norm
        rows += [
            {"epsilon": share, "seed": seed, "ratio": a, "worst": w}
            for seed, (a, w) in enumerate(zip(average.tolist(), worst.tolist(), strict=True))
        ]
    return pd.DataFrame(rows)


def correct_under_noise(
    network: FCN, x: Float[Tensor, "n d"], y: Tensor, radius: float, draws: int = 20
) -> Float[Tensor, "R n"]:
    """Return the share of perturbations, uniform in the ball of a radius, under which each point is correct."""
    stream = generator(0, "noise")
    direction = torch.randn(draws, *x.shape, generator=stream, device="cpu")
    length = radius * torch.rand(draws, len(x), 1, generator=stream, device="cpu") ** (1 / x.shape[1])
    noise = length * nn.functional.normalize(direction, dim=-1)
    labels = network((x + noise).flatten(0, 1)).argmax(dim=-1)
    return (labels.view(-1, draws, len(x)) == y).double().mean(dim=1)


def metrics(network: FCN, x: Float[Tensor, "n d"], y: Tensor, radius: float) -> dict[str, Float[Tensor, " R"]]:
    """Measure a stack by every notion of robustness that chapter 2 compares: one value a replica, by its name there.

    Args:
        network: R replicas.
        x: points.
        y: their labels.
        radius: of attacks and noise; a second noise is √d times longer.
    """
    clean = network(x).argmax(dim=-1)
    moved = network(pgd(network, x, y, radius)).argmax(dim=-1)
    local = jacobian_spectrum(network, x)[..., -1].sqrt()
    near = correct_under_noise(network, x, y, radius)
    far = correct_under_noise(network, x, y, radius * math.sqrt(x.shape[1]))
    return {
        "accuracy": (clean == y).double().mean(dim=1),
        "P": perturbation_stability(network, x).mean(dim=1),
        "relative stability": relative_stability(network, x),
        "local Lipschitz, mean": local.mean(dim=1),
        "local Lipschitz, max": local.amax(dim=1),
        "global Lipschitz bound": spectral_norm_product(network),
        "stability, Wu et al.": (moved == clean).double().mean(dim=1),
        "adversarial accuracy": ((clean == y) & (moved == y)).double().mean(dim=1),
        "probabilistic, ρ = 5%": (near >= _ROBUST).double().mean(dim=1),
        "noise accuracy": near.mean(dim=1),
        "noise accuracy, √d longer": far.mean(dim=1),
    }


def metrics_over_training(
    images: Dataset,
    widths: Sequence[int],
    depths: Sequence[int],
    seeds: int,
    epochs: int,
    lr: float,
    points: int,
    radius: float,
) -> pd.DataFrame:
    """Train He networks at a constant rate and measure them early, in the middle and at the end (see `metrics`).

    Returns one line a network and stage: the metrics, depth, width, epoch and seed (the replica).
    """
    x, y = images.x_test[:points], images.y_test[:points]
    stages = {max(1, epochs // 20), max(1, epochs // 4), epochs}
    frames = []
    for depth in depths:
        for width in widths:
            network = FCN(width, depth, images.in_features, images.out_features, "he", replicas=seeds)

            def measure(moment, network=network, width=width, depth=depth) -> None:
                if moment.epoch in stages:
                    found = metrics(network, x, y, radius)
                    frame = pd.DataFrame({name: value.numpy() for name, value in found.items()})
                    cell = {"depth": depth, "width": width, "epoch": int(moment.epoch), "seed": range(seeds)}
                    frames.append(frame.assign(**cell))

            training.train(network, images, epochs=epochs, lr=lr, schedule="constant", observe=measure)
    return pd.concat(frames, ignore_index=True)


def errors_of_draws(
    network: nn.Module, x: Float[Tensor, "1 ..."], exact: float, counts: Sequence[int], repeats: int
) -> pd.DataFrame:
    """Return how far sampled P is from the exact one, relative to it: one line a number of draws and seed.

    Args:
        network: anything that an estimator takes.
        x: one point.
        exact: P there.
        counts: numbers of draws, in the column draws.
        repeats: seeds 0, 1, ... of each number.
    """
    lines = [
        (count, seed, abs(monte_carlo_stability(network, x, samples=int(count), seed=seed)[0].item() / exact - 1))
        for count in counts
        for seed in range(repeats)
    ]
    return pd.DataFrame(lines, columns=["draws", "seed", "error"])


def rank_correlation(cells: pd.DataFrame, quantity: str, target: str) -> Interval:
    """Return Spearman's correlation of two columns over the cells of each seed: mean and interval over seeds."""
    return mean_interval([stats.spearmanr(one[quantity], one[target]).statistic for _, one in cells.groupby("seed")])


def means_by_cell(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each metric over seeds in words: one line a metric, one column a cell."""
    means = cells.drop(columns=["epoch", "seed"]).groupby(["depth", "width"]).mean()
    columns = {
        f"L = {depth}, m = {width}": [f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in line]
        for (depth, width), line in means.iterrows()
    }
    return pd.DataFrame({"metric": list(means)} | columns)


def metrics_of_scaled(
    network: FCN, x: Float[Tensor, "n d"], y: Tensor, attacked: Float[Tensor, "R n d"], factors: Sequence[float]
) -> pd.DataFrame:
    """Measure a network whose output is multiplied by factors, which changes no prediction: one line a factor.

    Columns: factor, P, relative stability, predictions changed (of all replicas and points), accuracy under attack (at
    given attacked points), test loss.
    """
    before, lines = network(x).argmax(dim=-1), []
    for factor in factors:
        larger = scaled(network, factor)
        lines.append(
            {
                "factor": f"{factor:g}",
                "P": perturbation_stability(larger, x).mean().item(),
                "relative stability": relative_stability(larger, x).mean().item(),
                "predictions changed": int((larger(x).argmax(dim=-1) != before).sum()),
                "accuracy under attack": (larger(attacked).argmax(dim=-1) == y).double().mean().item(),
                "test loss": training.evaluate(larger, x, y)[0].mean().item(),
            }
        )
    return pd.DataFrame(lines)
