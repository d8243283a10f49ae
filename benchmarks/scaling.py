"""Does cost grow as the arithmetic does? The time of a step of training over its operations, over the width."""

from __future__ import annotations

from typing import Any

from benchmarks import descents
from benchmarks.roofline import operations
from benchmarks.timing import interleave, ratio
from lib import products
from lib.data import load
from lib.networks import FCN

WIDTHS = (256, 512, 1024, 2048, 4096)
CELLS = [{"depth": 6, "replicas": 1}]
# Flat within 1.5 times: the least time of an operation over the largest, among all widths.
FLAT = "least/most"
TARGETS = [{"settings": CELLS[0], "ratio": FLAT, "at_least": 1 / 1.5}]
PROTOCOL = {"data": "mnist, raw", "batch": descents.BATCH, "unit": "seconds of an operation of a step, one replica"}


class Scaling:
    """Measure training at the widths in turns.

    Raises:
        FileNotFoundError: MNIST is not in the data root.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.data = load("mnist", scaling="raw").to(device)

    def measure(
        self, cell: dict[str, Any], repeats: int, block: float, widths: tuple[int, ...] = WIDTHS
    ) -> dict[str, Any]:
        """Return the seconds of an operation at each width, and the ratio of the least to the largest."""
        L, R = cell["depth"], cell["replicas"]
        networks = {m: FCN(m, L, 784, 10, replicas=R, device=self.device) for m in widths}
        steps = {str(m): descents.ours(network, self.data) for m, network in networks.items()}
        seconds = interleave(steps, repeats, block, dict.fromkeys(steps, R))
        for m in widths:
            found = seconds[str(m)]
            count = operations(m, L, descents.BATCH)
            found.update({key: found[key] / count for key in ("min", "median", "max")})
            found["repeats"] = [value / count for value in found["repeats"]]
        turns = list(zip(*(seconds[str(m)]["repeats"] for m in widths), strict=True))
        flat = ratio({"repeats": [min(turn) for turn in turns]}, {"repeats": [max(turn) for turn in turns]})
        return {
            "settings": cell,
            "routes": products.current().described(),
            "contenders": seconds,
            "ratios": {FLAT: flat},
        }


def guess(cells: list[dict[str, Any]], repeats: int, block: float) -> float:
    """Return the seconds that cells will take, roughly: the widest does five slow steps a block."""
    return len(cells) * (repeats + 1) * (len(WIDTHS) * block + 5.0)
