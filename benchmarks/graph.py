"""What one launch of a captured graph gains over a launch an operation, and that both take the same step."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import descents, training
from benchmarks.timing import interleave, ratio, timed
from lib.data import Dataset, load
from lib.networks import FCN
from lib.training.descent import Descent
from lib.training.losses import target_rows

CELLS = [{"width": m, "depth": L, "replicas": 5} for m in (16, 256, 1024) for L in (2, 6)]
PROTOCOL = {
    **training.PROTOCOL,
    "difference": "largest difference of two weights after the steps of a first block, over the largest weight",
}


class Graph:
    """Time the same steps as a graph and one launch after the other.

    Raises:
        ValueError: the device captures no graphs.
    """

    def __init__(self, device: str) -> None:
        if torch.device(device).type != "cuda":
            raise ValueError(f"the benchmark graph needs a CUDA device, got --device {device}.")
        self.device, self.data = device, load("mnist", scaling="raw").to(device)

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return the seconds, and how far the weights of the two are apart after equal steps."""
        ways = {name: Steps(cell, self.data, launches=name == "launches") for name in ("graph", "launches")}
        for steps in ways.values():
            for _ in range(20):
                steps()
        contenders = {name: timed(steps, self.device, cell["replicas"]) for name, steps in ways.items()}
        difference = ways["graph"].apart(ways["launches"])
        seconds = interleave(contenders, repeats, block, dict.fromkeys(ways, cell["replicas"]))
        ratios = {"launches/graph": ratio(seconds["launches"], seconds["graph"])}
        return {"settings": cell, "contenders": seconds, "ratios": ratios, "difference": difference}


class Steps:
    """Take the library's steps on one order of batches; with `launches`, without its graph."""

    def __init__(self, cell: dict[str, Any], data: Dataset, launches: bool) -> None:
        device = data.x.device
        self.network = FCN(
            cell["width"],
            cell["depth"],
            data.in_features,
            10,
            replicas=cell["replicas"],
            dtype=torch.float32,
            device=device,
        )
        self.orders = descents.batches(data, cell["replicas"])
        rows = target_rows(data.y, self.network)
        self.descent = Descent(self.network, None, data.x, rows, descents.BATCH, "cross_entropy", 0.0, 0.0)
        self.launches = launches

    def __call__(self) -> None:
        index = next(self.orders)
        if self.launches:
            self.descent.index.copy_(index.reshape(-1))
            self.descent.step(descents.LR)
        else:
            self.descent(index, descents.LR)

    def apart(self, other: Steps) -> float:
        """Return the largest difference of two weights over the largest weight."""
        pairs = list(zip(self.network.weights, other.network.weights, strict=True))
        largest = max(float(one.detach().abs().max()) for one, _ in pairs)
        return max(float((one - two).detach().abs().max()) for one, two in pairs) / largest
