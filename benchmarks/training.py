"""Training: a tutorial's loop, autograd in memory, a `torch.func` ensemble, JAX, ours, and the floor under ours."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import descents, roofline
from benchmarks.peers import Jax
from benchmarks.timing import clock, interleave, ratio
from lib import products
from lib.data import load
from lib.data.files import data_root
from lib.networks import FCN
from lib.torchvision_compat import import_torchvision

WIDTHS, WIDE, DEPTHS, REPLICAS = (16, 64, 256, 1024), (4096,), (2, 6, 10), (1, 5)
CONTENDERS = ("tutorial", "autograd", "ensemble", "ours", "floor")
# Beside those where JAX is installed, and where the device multiplies in bf16.
PEER, LOW, PEER_LOW = "jax", "ours in bf16", "jax in bf16"
LOW_FLOOR = "floor in bf16"  # of a processor
PROTOCOL = {
    "data": "mnist, raw",
    "batch": descents.BATCH,
    "unit": "seconds of one step of one replica",
}
_FLOPS_GUESS = 3e10  # of one thread on narrow products, for the estimate of the time alone


def settings(device: str) -> list[dict[str, Any]]:
    """Return the cells, the cheapest first."""
    cells = [{"width": m, "depth": L, "replicas": R} for m in WIDTHS for L in DEPTHS for R in REPLICAS]
    if torch.device(device).type == "cuda":
        # Where the products fill the device: a share of its roof is asked for.
        cells += [{"width": m, "depth": L, "replicas": 1} for m in WIDE for L in DEPTHS[:2]]
    return cells


def targets(device: str) -> list[dict[str, Any]]:
    """Return what this project asked for, at R = 5: speed over two loops, and share of the bare products' speed."""
    if torch.device(device).type == "cuda":
        cells = [{"width": m, "depth": L, "replicas": 5} for m in WIDTHS if m <= 256 for L in DEPTHS]
        wide = [cell for cell in settings(device) if cell["width"] in WIDE]
        return [
            *({"settings": cell, "ratio": "tutorial/ours", "at_least": 30} for cell in cells),
            *({"settings": cell, "ratio": "roof/ours", "at_least": 0.5} for cell in wide),
        ]
    names = ("jax/ours", "floor/ours", f"jax/{LOW}")
    asked = {(16, 10): (1.1, 0.55), (64, 10): (1.0, 0.75), (64, 2): (1.1, 0.6)}
    asked |= {(256, 6): (1.3, 0.84, 1.5), (1024, 6): (1.15, 0.85, 2.0)}
    return [
        {"settings": {"width": m, "depth": L, "replicas": 5}, "ratio": name, "at_least": least}
        for (m, L), values in asked.items()
        for name, least in zip(names, values, strict=False)
    ]


def guess(cells: list[dict[str, Any]], repeats: int, block: float) -> float:
    """Return the seconds that cells will take, roughly: blocks of fixed length, or of the fewest steps where those are
    longer; ours runs a block to warm up before each."""
    seconds = 0.0
    for cell in cells:
        flops = 6 * descents.BATCH * (784 * cell["width"] + cell["width"] ** 2 * (cell["depth"] - 2))
        alone = 5 * flops / (_FLOPS_GUESS * torch.get_num_threads())
        stacked = alone * cell["replicas"]
        seconds += (repeats + 1) * (2 * max(block, alone) + 4 * max(block, stacked))
    return seconds


class Training:
    """Measure cells of `settings` on a device.

    Raises:
        FileNotFoundError: MNIST is not in the data root.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.data = load("mnist", scaling="raw").to(device)
        datasets, transforms = import_torchvision().datasets, import_torchvision().transforms
        self.images = datasets.MNIST(str(data_root(None)), train=True, transform=transforms.ToTensor())
        self.roof: roofline.Roof | None = None
        self.peer: Jax | None = None  # where it runs

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return the seconds of each contender and the ratios of what ran side by side."""
        m, L, R = cell["width"], cell["depth"], cell["replicas"]
        network = FCN(m, L, 784, 10, replicas=R, dtype=torch.float32, device=self.device)
        alone = FCN(m, L, 784, 10, dtype=torch.float32, device=self.device)
        contenders = {
            "tutorial": descents.tutorial(alone, self.images),
            "autograd": descents.autograd(alone, self.data),
            "ensemble": descents.ensemble(network, self.data),
            "ours": descents.ours(network, self.data),
            "floor": descents.floor(network, self.data),
        }
        compiled = {}
        for name, precision in self._precisions(m).items():
            if precision == "bf16":
                contenders[LOW] = descents.ours(network, self.data, precision)
                if torch.device(self.device).type == "cpu":
                    contenders[LOW_FLOOR] = descents.floor_in_bf16(network, self.data)
            if self.peer is not None:
                told = {"width": m, "depth": L, "replicas": R, "batch": descents.BATCH, "lr": descents.LR}
                contenders[name], compiled[name] = self.peer.contender("train", **told, precision=precision)
        replicas = {name: 1 if name in ("tutorial", "autograd") else R for name in contenders}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the DataLoader's order
            seconds = interleave(contenders, repeats, block, replicas)
        if self.peer is not None:
            self.peer.forget()
        ratios = {f"{name}/ours": ratio(seconds[name], seconds["ours"]) for name in contenders if name != "ours"}
        if {PEER, LOW} <= seconds.keys():
            ratios[f"{PEER}/{LOW}"] = ratio(seconds[PEER], seconds[LOW])
        if LOW_FLOOR in seconds:
            ratios[f"{LOW_FLOOR}/{LOW}"] = ratio(seconds[LOW_FLOOR], seconds[LOW])
        for name, spent in compiled.items():
            seconds[name]["seconds of compiling"] = spent
        if torch.device(self.device).type == "cuda":
            self.roof = self.roof or roofline.measure(self.device)
            floor = roofline.seconds_of_a_step(self.roof, m, L, R, descents.BATCH)
            share = {"repeats": [floor.seconds] * repeats}
            ratios["roof/ours"] = {**ratio(share, seconds["ours"]), "limit": floor.limit, "roof": self.roof._asdict()}
        return {"settings": cell, "routes": products.current().described(), "contenders": seconds, "ratios": ratios}

    def _precisions(self, width: int) -> dict[str, str]:
        """Return what JAX is asked for at a width, by name: float32, and bf16 where this device has it."""
        try:
            products.refuse_precision("bf16", [width], self.device)
        except ValueError:
            return {PEER: "fp32"}
        return {PEER: "fp32", PEER_LOW: "bf16"}


def warm_up(device: str) -> None:
    """Let clocks and caches of a resting machine come up before the first block."""
    x = torch.randn(512, 512, device=device)
    start = clock(device)
    while clock(device) - start < 1:
        x = (x @ x).clamp_(-1, 1)
