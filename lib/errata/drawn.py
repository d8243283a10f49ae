"""Entries that networks drawn or trained here decide: the lazy border, two measures of one name, two neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.adversarial import pgd
from lib.errata.entry import Entry
from lib.estimators import jacobian_spectrum, perturbation_stability, relative_change, spectral_norm_product
from lib.networks import FCN
from lib.prose import significant
from lib.theory.bounds import huang2021, theorem1
from lib.theory.initialization import lower_bound_constant
from lib.trends import Interval, mean_interval

SIZES = (64, 512, 4096)
_TARGETS = (0.9, 0.5, 0.7, 1.2)
_LEFT = 0.1  # of the loss of f = 0, where networks are compared
_STEPS = 20_000
_RADIUS = 0.01


def movement(width: int, c: float, seeds: int) -> np.ndarray:
    """Return ‖W_1 − W_1(0)‖/‖W_1(0)‖ of two-layer networks from β = m^-c at a tenth of the loss of f = 0, one a seed.

    Four points on a line with a constant second input, full-batch gradient descent in float64.

    Raises:
        RuntimeError: a network has not reached the loss.
    """
    place = torch.linspace(-0.5, 0.5, len(_TARGETS), dtype=torch.float64)
    x = nn.functional.normalize(torch.stack([place, torch.ones(len(_TARGETS))], dim=1))
    y = torch.tensor(_TARGETS, dtype=torch.float64)
    target = _LEFT * (y**2).mean() / 2
    networks = FCN(width, 2, 2, 1, f"power-{c:g}", replicas=seeds, dtype=torch.float64)
    start = [weight.detach().clone() for weight in networks.weights]
    lr = 0.2 / (1 + width ** (1 - 2 * c))
    for _ in range(_STEPS):
        loss = ((networks(x)[..., 0] - y) ** 2).mean(dim=1) / 2
        active = (loss > target).double()  # a seed that is there stays
        if not active.any():
            return relative_change(networks, start)[:, 0].numpy()
        gradients = torch.autograd.grad((loss * active).sum(), networks.weights)
        with torch.no_grad():
            for weight, gradient in zip(networks.weights, gradients, strict=True):
                weight -= lr * gradient
    raise RuntimeError(f"m = {width}, c = {c} has not reached the loss in {_STEPS:,} steps.")


def movements(exponents: Sequence[float], seeds: int) -> dict[float, np.ndarray]:
    """Return the logarithm of `movement` by c: rows are the widths 64, 512 and 4,096, columns seeds."""
    return {c: np.log([movement(width, c, seeds) for width in SIZES]) for c in exponents}


def slopes_of(moved: Mapping[float, np.ndarray]) -> dict[float, Interval]:
    """Return S_w, the slope of log movement on log m, by c (entry 5)."""
    return {c: mean_interval(np.polyfit(np.log(SIZES), logs, 1)[0]) for c, logs in moved.items()}


def products_with_gradient(depth: int = 4) -> list[float]:
    """Return ⟨W_l, ∂L/∂W_l⟩ of every layer of one network for a squared loss on random points: they are equal."""
    stream = torch.Generator().manual_seed(0)
    network = FCN(32, depth, 20, 3, "he", dtype=torch.float64)
    points = torch.randn(2, 50, 20, generator=stream, device="cpu", dtype=torch.float64)
    ((network(points[0])[0] - points[1][:, :3]) ** 2).sum().backward()
    return [(weight * weight.grad).sum().item() for weight in network.weights]


def two_measures(in_features: int, out_features: int, seeds: int, width: int = 256, depth: int = 4) -> Entry:
    """Entry 13: "the measure of Wu et al.". Both measures of untrained NTK networks, and of a tenth of them."""
    stream = torch.Generator().manual_seed(1)
    x = nn.functional.normalize(torch.randn(60, in_features, generator=stream, device="cpu"), dim=1)
    values = {}
    for alpha in (1.0, 10.0):
        networks = FCN(width, depth, in_features, out_features, "ntk", replicas=seeds, alpha=alpha)
        with torch.no_grad():
            labels = networks(x).argmax(dim=-1)
        kept = []
        for replica in range(seeds):
            one = networks.module(replica)
            attacked = pgd(one, x, labels[replica], radius=_RADIUS)[0]
            kept.append((one(attacked).argmax(dim=-1) == labels[replica]).double().mean().item())
        worst = jacobian_spectrum(networks, x)[..., -1].sqrt().mean(dim=1).numpy()
        average = perturbation_stability(networks, x).mean(dim=1).numpy()
        values[f"f / {alpha:g}"] = {
            "P, average": average.mean(),
            "worst, local Lipschitz constant": worst.mean(),
            "worst / average": (worst / average).mean(),
            f"stability of Wu et al., radius {_RADIUS:g}": float(np.mean(kept)),
            "product of spectral norms": spectral_norm_product(networks).mean().item(),
        }
    whole, tenth = values.values()
    wu = f"stability of Wu et al., radius {_RADIUS:g}"
    low, high = np.sqrt((in_features + 2) / min(out_features, in_features)), 1 / lower_bound_constant(in_features)
    texts = {
        "factor": f"{whole['worst / average']:.1f}",
        "factor_low": f"{low:.1f}",
        "factor_high": f"{high:.1f}",
        "P_drop": f"{whole['P, average'] / tenth['P, average']:.0f}",
        "wu_one": f"{whole[wu]:.2f}",
        "wu_ten": f"{tenth[wu]:.2f}",
        "table_huang": f"{huang2021(width, depth):.0f}",
        "table_ours": f"{theorem1(width, depth, in_features, out_features, 'ntk') / np.sqrt(2):.2f}",
    }
    table = pd.DataFrame(
        [{"measure": name} | {title: significant(column[name]) for title, column in values.items()} for name in whole]
    )
    holds = low * 0.99 <= whole["worst / average"] <= high and abs(whole[wu] - tenth[wu]) < 0.1
    outcome = "one name, two measures of opposite sign; Table 2 sets an average beside worst cases"
    return Entry("wording", outcome, texts, table).unless(bool(holds))


def two_neurons(theta: float) -> FCN:
    """Return f(x) = θ^{-1/2} (relu(w_1·x) − relu(w_2·x)) in the plane, with unit vectors at an angle θ."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0.0], [np.cos(theta), np.sin(theta)]]))
        network[2].weight.copy_(torch.tensor([[1.0, -1.0]]) * theta**-0.5)
    return FCN.from_modules([network])


def stability_of_two_neurons(theta: float) -> float:
    """Return P of `two_neurons` over all directions: c_2 θ^{-1/2} (θ/π + 2 sin(θ/2) (1/2 − θ/2π))."""
    both = (0.5 - theta / (2 * np.pi)) * 2 * np.sin(theta / 2)
    return lower_bound_constant(2) * theta**-0.5 * (theta / np.pi + both)


def laws_of_robustness(thetas: Sequence[float] = (0.3, 0.03, 0.003)) -> Entry:
    """Entry 15: "consistent with". P and the largest gradient of two neurons as their angle closes."""
    angle = (torch.arange(100_000) + 0.5) * 2 * torch.pi / 100_000
    circle = torch.stack([angle.cos(), angle.sin()], dim=1).double()
    found = {
        theta: (
            perturbation_stability(two_neurons(theta), circle).mean().item(),
            stability_of_two_neurons(theta),
            jacobian_spectrum(two_neurons(theta), circle)[..., -1].sqrt().max().item(),
        )
        for theta in thetas
    }
    P, closed, steepest = (np.array(values) for values in zip(*found.values(), strict=True))
    table = pd.DataFrame(
        {
            "θ": [f"{theta:g}" for theta in thetas],
            "P, measured": [f"{value:.4f}" for value in P],
            "P, closed form": [f"{value:.4f}" for value in closed],
            "Lip, largest gradient": [f"{value:.4f}" for value in steepest],
        }
    )
    texts = {"two_P": f"{P[0]:.3f} to {P[-1]:.3f}", "two_Lip": f"{steepest[0]:.1f} to {steepest[-1]:.1f}"}
    apart = bool((np.diff(P) < 0).all() and (np.diff(steepest) > 0).all())
    outcome = "no contradiction is possible, so no support either; a lower bound does not say that width helps"
    return Entry("wording", outcome, texts, table).unless(apart and np.allclose(P, closed, rtol=1e-2))
