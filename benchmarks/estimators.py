"""Exact P: ours, torch's `vmap(jacrev)` with the same integral, JAX's without it, and Monte Carlo at equal error."""

from __future__ import annotations

from typing import Any

import torch
from torch.func import jacrev, vmap

from benchmarks.peers import Jax
from benchmarks.timing import interleave, ratio, summary, timed
from lib import products
from lib.data import Dataset, load
from lib.estimators import monte_carlo_stability, perturbation_stability
from lib.estimators.spectrum import spectrum_of_gram
from lib.estimators.stability import stability_of_spectrum
from lib.networks import FCN

CELLS = [
    {"width": 16, "depth": 2, "points": 1000},
    {"width": 64, "depth": 10, "points": 1000},
    {"width": 256, "depth": 2, "points": 1000},
    {"width": 256, "depth": 6, "points": 1000},
    {"width": 1024, "depth": 6, "points": 200},
]
TARGETS = [{"settings": {"width": 256, "depth": 6, "points": 1000}, "ratio": "jacrev/ours", "at_least": 4}]
PROTOCOL = {
    "data": "mnist, raw, test images; He networks at initialization",
    "unit": "seconds of P at all points, one replica",
    "Monte Carlo": "measured with fewer draws and scaled linearly to the number that equal error takes",
}
_FEW, _MANY, _PERCENT = 2, 2048, 0.01


def jacrev_stability(network: FCN, x: torch.Tensor) -> torch.Tensor:
    """Return P by the means of `torch.func`: the Jacobian of every example, and from there the same integral."""
    module = network.module(0)
    with torch.no_grad():
        jacobians = vmap(jacrev(module))(x)
        gram = (jacobians @ jacobians.mT).double()
        return stability_of_spectrum(spectrum_of_gram(gram), x.shape[1])


class Estimators:
    """Measure cells of `CELLS` on a device.

    Raises:
        FileNotFoundError: MNIST is not in the data root.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        whole = load("mnist", scaling="raw")
        self.x = whole.x_test.to(device)
        self.data = Dataset(whole.x_test, whole.y_test)
        self.peer: Jax | None = None  # where it runs

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return seconds of P at the cell's points, and ratios; Monte Carlo's draws at equal and at 1 % error."""
        network = FCN(cell["width"], cell["depth"], 784, 10, dtype=torch.float32, device=self.device)
        x = self.x[: cell["points"]]
        spread, error = self._errors(network, x)
        contenders = {
            "ours": timed(lambda: perturbation_stability(network, x), self.device),
            "jacrev": timed(lambda: jacrev_stability(network, x), self.device),
            "few": timed(lambda: monte_carlo_stability(network, x, samples=_FEW), self.device),
            "many": timed(lambda: monte_carlo_stability(network, x, samples=_MANY), self.device),
        }
        compiled = None
        if self.peer is not None:
            told = {"width": cell["width"], "depth": cell["depth"], "points": len(x)}
            contenders["jax jacrev"], compiled = self.peer.contender("jacobians", **told)
        seconds = interleave(contenders, repeats, block, dict.fromkeys(contenders, 1), least=1)
        if self.peer is not None:
            self.peer.forget()
            seconds["jax jacrev"]["seconds of compiling"] = compiled
        few, many = (seconds.pop(name)["repeats"] for name in ("few", "many"))
        draws = {"monte carlo, equal error": (spread / error) ** 2, "monte carlo, 1 % error": (spread / _PERCENT) ** 2}
        for name, count in draws.items():
            scaled = [low + (high - low) / (_MANY - _FEW) * (count - _FEW) for low, high in zip(few, many, strict=True)]
            seconds[name] = {**summary(scaled), "draws": round(count), "draws measured": _MANY}
        return {
            "settings": cell,
            "routes": products.current().described(),
            "contenders": seconds,
            "ratios": {f"{name}/ours": ratio(seconds[name], seconds["ours"]) for name in seconds if name != "ours"},
            "error of ours": error,
            "spread of a draw": spread,
        }

    def _errors(self, network: FCN, x: torch.Tensor) -> tuple[float, float]:
        """Return medians over points: σ/P of one draw of ‖Jδ‖, and the relative error of ours against float64."""
        mean, error = monte_carlo_stability(network, x, samples=_MANY)
        exact = perturbation_stability(FCN.from_modules([network.module(0).double()]), x.double())
        ours = perturbation_stability(network, x)
        spread = (error * _MANY**0.5 / mean).median()
        # Rounding can leave no error at all at a point; the median over points is what float32 gives.
        return float(spread), max(float((ours / exact - 1).abs().median()), 1e-9)


def guess(cells: list[dict[str, Any]], repeats: int, block: float) -> float:
    """Return the seconds that cells will take, roughly."""
    return len(cells) * (repeats + 2) * 4 * max(block, 1.0)
