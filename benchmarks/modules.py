"""Exact P of modules that are not ours: seconds beside loops of `torch.autograd.grad`, and memory where it is large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from benchmarks.timing import interleave, ratio, summary, timed
from lib.estimators import perturbation_stability
from lib.estimators.costs import with_cost
from lib.estimators.spectrum import spectrum_of_gram
from lib.estimators.stability import stability_of_spectrum
from lib.seeds import generator
from lib.torchvision_compat import import_torchvision

_MOST = 1.5 * 2**30
CELLS = [
    {"module": "MLP 784-256-256-10", "outputs": 10, "points": 1000},
    {"module": "small CNN", "outputs": 10, "points": 256},
    {"module": "ResNet-18", "outputs": 10, "points": 128},
    {"module": "ResNet-18", "outputs": 1000, "points": 128},
]
TARGETS = [
    *({"settings": cell, "ratio": "loop/ours", "at_least": 0.95} for cell in CELLS[:2]),
    *({"settings": cell, "ratio": "1.5 GiB/ours", "at_least": 1} for cell in CELLS[2:]),
]
PROTOCOL = {
    "data": "Gaussian inputs, 784 or 3 x 32 x 32 of them; weights at torch's initialization",
    "unit": "seconds of P at all points",
    "loops": "loop: an output of a point at a time; batches: an output of all points at a time; func: all at once; "
    "none of them checks",
    "memory": "by which the process grows at its peak, one call",
}


def module_of(cell: dict[str, Any]) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the module of a cell, in eval mode, and the shape of its inputs."""
    torch.manual_seed(0)
    if cell["module"] == "ResNet-18":
        import_torchvision()
        from torchvision.models import resnet18

        module, shape = resnet18(num_classes=cell["outputs"]), (3, 32, 32)
    elif cell["module"] == "small CNN":
        convolutions = nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU()
        module, shape = nn.Sequential(*convolutions, nn.Flatten(), nn.LazyLinear(10)), (3, 32, 32)
    else:
        layers = nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        module, shape = nn.Sequential(*layers), (784,)
    return module.eval(), shape


def loop_stability(network: nn.Module, x: Tensor, at_once: int) -> Tensor:
    """Return P by rows of J from `torch.autograd.grad`, one output after the other, so many points at once."""
    parts = []
    for part in x.split(at_once):
        leaf = part.clone().requires_grad_()
        f = network(leaf)
        rows = [torch.autograd.grad(f[:, k].sum(), leaf, retain_graph=True)[0].flatten(1) for k in range(f.shape[1])]
        parts.append(torch.stack(rows, dim=1))
    jacobians = torch.cat(parts)
    with torch.no_grad():
        wide = jacobians if jacobians.shape[1] <= jacobians.shape[2] else jacobians.mT
        return stability_of_spectrum(spectrum_of_gram((wide @ wide.mT).double()), x[0].numel())


def func_stability(network: nn.Module, x: Tensor) -> Tensor:
    """Return P by `torch.func`, all rows of J at all points at once."""
    with torch.no_grad():
        jacobians = vmap(jacrev(lambda point: network(point[None])[0]))(x).flatten(2)
        return stability_of_spectrum(spectrum_of_gram((jacobians @ jacobians.mT).double()), x[0].numel())


class Modules:
    """Measure cells of `CELLS` on a device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return seconds, ratios and the peak of ours in bytes; where memory is asked for, one call is all."""
        network, shape = module_of(cell)
        x = torch.randn(cell["points"], *shape, generator=generator(0, "points"))
        network(x[:1])  # gives lazy layers their size
        network, x = network.to(self.device), x.to(self.device)
        perturbation_stability(network, x[:2])  # what torch imports at first use
        _, cost = with_cost(lambda: perturbation_stability(network, x), x.device)
        found: dict[str, Any] = {"settings": cell, "bytes": cost.bytes}
        if any(target["settings"] == cell and "GiB" in target["ratio"] for target in TARGETS):
            share = {} if cost.bytes is None else {"1.5 GiB/ours": summary([_MOST / cost.bytes])}
            return {**found, "contenders": {"ours": summary([cost.seconds])}, "ratios": share}
        ways: dict[str, Callable[[], Tensor]] = {
            "ours": lambda: perturbation_stability(network, x),
            "loop": lambda: loop_stability(network, x, 1),
            "batches": lambda: loop_stability(network, x, len(x)),
            "func": lambda: func_stability(network, x),
        }
        contenders = {name: timed(way, self.device) for name, way in ways.items()}
        seconds = interleave(contenders, repeats, block, dict.fromkeys(contenders, 1), least=1)
        ratios = {f"{name}/ours": ratio(seconds[name], seconds["ours"]) for name in ("loop", "batches", "func")}
        return {**found, "contenders": seconds, "ratios": ratios}


def guess(cells: list[dict[str, Any]], repeats: int, block: float) -> float:
    """Return the seconds that cells will take, roughly: on two cores a thousand outputs of ResNet-18 take minutes."""
    return sum(
        cell["outputs"] / 3 if "ResNet" in cell["module"] else 3 * (repeats + 3) * max(block, 1) for cell in cells
    )
