"""What products of lower precision gain, and by how much P and κ move: float32 beside TF32 (on CUDA) and bf16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from benchmarks import descents, training
from benchmarks.timing import Contender, interleave, ratio, summary
from lib.data import Dataset, load
from lib.estimators import lazy_training_ratio, perturbation_stability
from lib.networks import FCN
from lib.products.precision import LEAST_WIDTH, refuse_precision
from lib.training import train

CELLS = [{"width": m, "depth": L, "replicas": 5} for m in (256, 1024, 4096) for L in (2, 6)]
PROTOCOL = {
    **training.PROTOCOL,
    "changes": "of P over 10,000 test points and of κ, after one epoch at learning rate 1e-3: relative, seed by seed",
}


@contextmanager
def tf32() -> Iterator[None]:
    """Let float32 products on CUDA use TF32's ten bits of mantissa."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision = before


class Precisions:
    """Compare trainings that differ in the precision of their products alone.

    Raises:
        ValueError: the device has float32 alone.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if not self.lower(LEAST_WIDTH):
            raise ValueError(f"the benchmark precisions needs TF32 or bf16, and --device {device} has float32 alone.")
        self.data = load("mnist", scaling="raw").to(device)

    def lower(self, width: int) -> list[str]:
        """Return what this device multiplies in beside float32, at a width."""
        found = ["tf32"] if torch.device(self.device).type == "cuda" else []
        try:
            refuse_precision("bf16", [width], self.device)
        except ValueError:
            return found
        return [*found, "bf16"]

    def measure(self, cell: dict[str, Any], repeats: int, block: float) -> dict[str, Any]:
        """Return the seconds, and the relative changes of P and κ, one a seed."""
        names = ["float32", *self.lower(cell["width"])]
        contenders = {name: self._contender(cell, name) for name in names}
        seconds = interleave(contenders, repeats, block, dict.fromkeys(contenders, cell["replicas"]))
        (P, kappa), *others = (self._measures(cell, name) for name in names)
        changes = {
            name: {"P": summary((its_P / P - 1).tolist()), "kappa": summary((its_kappa / kappa - 1).tolist())}
            for name, (its_P, its_kappa) in zip(names[1:], others, strict=True)
        }
        ratios = {f"float32/{name}": ratio(seconds["float32"], seconds[name]) for name in names[1:]}
        return {"settings": cell, "contenders": seconds, "ratios": ratios, "changes": changes}

    def _network(self, cell: dict[str, Any]) -> FCN:
        m, L, R = cell["width"], cell["depth"], cell["replicas"]
        return FCN(m, L, 784, 10, replicas=R, dtype=torch.float32, device=self.device)

    def _contender(self, cell: dict[str, Any], name: str) -> Contender:
        run = descents.ours(self._network(cell), self.data, "bf16" if name == "bf16" else "fp32")

        def block(steps: int) -> float:
            with tf32() if name == "tf32" else nullcontext():
                return run(steps)

        return block

    def _measures(self, cell: dict[str, Any], name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Train an epoch in a precision; return P and κ of every seed, measured in full float32."""
        network = self._network(cell)
        start = [weight.detach().clone() for weight in network.weights]
        with tf32() if name == "tf32" else nullcontext():
            data = Dataset(self.data.x, self.data.y, classes=self.data.classes)
            train(network, data, epochs=1, lr=descents.LR, precision="bf16" if name == "bf16" else "fp32")
        P = perturbation_stability(network, self.data.x_test).mean(dim=1)
        return P.double().cpu(), lazy_training_ratio(network, start).cpu()
