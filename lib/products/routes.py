"""Which library computes which product of a layer, and how: checked, looked up or timed, never left to chance."""

from __future__ import annotations

import functools
import json
import math
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib.processor import Processor
from lib.products.switch import switch

if TYPE_CHECKING:
    from torch import Tensor

_NARROW = 16  # numbers of two registers
# A layer's products: outputs from inputs, the gradient passed down, and the gradient added to the weights.
KINDS = ("forward", "down", "update")
# Relative error that a product in float32 may have against float64: MKL's is 2 to 6e-7, one rounded to bf16 has 3e-3.
_ALLOWED_ERROR = 1e-6
# torch leaves products of at most 16³ multiplications to MKL whatever its switch says, and counts a whole stack's: only
# a layer of more weights goes to oneDNN for any number of replicas and points.
_MOST_OF_MKL = 16**3
# Layers (fan_in, fan_out) at which an unknown processor is timed, by size, with the stack and the batch that are usual
# in this book; a route must be faster by this share to be taken.
_LADDER = ((784, 16), (128, 128), (784, 64), (256, 256), (512, 512))
_NARROW_LADDER = ((64, 10), (128, 10), (256, 10), (512, 10))
_STACK, _BATCH, _REPEATS, _GAIN = 5, 64, 9, 0.1


@dataclass(frozen=True)
class Routes:
    """Say by which route each product of a layer is computed.

    Sizes of layers alone decide, not the replicas or the points: a stack's numbers do not depend on its company.

    Attributes:
        forward, down, update: the fewest weights (fan_in × fan_out) of a layer whose products of this kind (`KINDS`)
            oneDNN computes, and not MKL; None: of no layer. A layer of at most 16³ weights is MKL's in any case.
        transposed: the fewest inputs of a layer with less than 16 outputs for which MKL computes yᵀ = Wᵀxᵀ instead of
            y = xW: its kernels are several times slower on rows of ten numbers; None: for no layer.
        grouped: the fewest channels of a convolutional network whose layers oneDNN computes as grouped convolutions,
            and not MKL from patches; None: of no network.
    """

    forward: int | None = None
    down: int | None = None
    update: int | None = None
    transposed: int | None = None
    grouped: int | None = None

    def of(self, kind: str, fan_in: int, fan_out: int) -> str:
        """Return "mkl", "transposed" or "onednn" for a product of a layer."""
        least = getattr(self, kind)
        if least is not None and fan_in * fan_out >= max(least, _MOST_OF_MKL + 1):
            return "onednn"
        narrow = self.transposed is not None and fan_out < _NARROW and fan_in >= self.transposed
        return "transposed" if narrow and kind != "down" else "mkl"

    def of_convolutions(self, channels: int, depth: int) -> str:
        """Return "columns" or "grouped" for a convolutional network.

        The layer on the pixels alone, whose inputs are few, is faster from patches.
        """
        return "grouped" if self.grouped is not None and channels >= self.grouped and depth > 2 else "columns"

    def described(self) -> str | dict[str, int]:
        """Return the routes as a row keeps them: "mkl" throughout, or what differs from it."""
        return {name: value for name, value in asdict(self).items() if value is not None} or "mkl"

    @staticmethod
    def of_description(described: Any) -> Routes:
        """Return the routes that a row describes; None, an early row's, is MKL; of several by epoch, the first.

        Raises:
            ValueError: this is no description.
        """
        if described is None or described == "mkl":
            return MKL
        try:
            if all(str(name).isdigit() for name in described):
                return Routes.of_description(described[min(described, key=int)])
            if all(type(value) is int and value > 0 for value in described.values()):
                return Routes(**described)
        except (TypeError, AttributeError, ValueError):
            pass
        raise ValueError(f"routes must be 'mkl' or like {{'forward': 8192, 'transposed': 16}}, got {described!r}.")


MKL = Routes()

# Measured: five replicas, batches of 64, torch 2.13 (oneDNN 3.12, MKL 2024.2). On other processors `timed` measures.
_RECORDED = {
    ("AMD", ("avx2",)): Routes(transposed=128),
    ("AMD", ("avx2", "avx512f", "avx512_bf16")): Routes(8192, 8192, 16384, transposed=128, grouped=8),
}


class Machine:
    """Compute and time products on this machine's processor; tests stand in for others.

    Attributes:
        processor: what computes.
        torch: the version of torch, whose libraries compute.
    """

    def __init__(self, processor: Processor | None = None) -> None:
        self.processor, self.torch = processor or Processor.here(), torch.__version__

    def multiply(self, route: str, a: Tensor, b: Tensor) -> Tensor:
        """Return a @ b of stacks by a route.

        Raises:
            RuntimeError: torch does not take the switch.
        """
        with switch:
            switch.to(route)
            return torch.bmm(a, b)

    def seconds(self, route: str, kind: str, fan_in: int, fan_out: int) -> float:
        """Return the time of one of a layer's products, sent by a route, as a step of training calls it."""
        multiply = _sample(route, kind, fan_in, fan_out)
        with switch:
            switch.to(route)
            multiply()
            start = time.perf_counter()
            multiply()
            return time.perf_counter() - start


def refusal(machine: Machine) -> str | None:
    """Return why products do not go to oneDNN on a machine; None where they may: they are other and as precise.

    A processor with AMX rounds them to bf16 under the same switch, one without AVX-512 leaves them to MKL, and another
    torch may have no such switch: what comes out is looked at, not what it is called.
    """
    stream = torch.Generator("cpu").manual_seed(0)
    a, b = (torch.randn(2, *shape, generator=stream, device="cpu") for shape in ((64, 784), (784, 256)))
    exact = a.double() @ b.double()
    try:
        plain, other = (machine.multiply(route, a, b) for route in ("mkl", "onednn"))
    except RuntimeError as error:
        return str(error)
    if torch.equal(plain, other):
        return f"products on {machine.processor} stay with MKL: oneDNN's need AVX-512"
    error = float(torch.linalg.vector_norm(other - exact) / torch.linalg.vector_norm(exact))
    if not error <= _ALLOWED_ERROR:
        return f"oneDNN's products on {machine.processor} have a relative error of {error:.0e}, more than float32's"
    return None


def choose(machine: Machine, folder: Path | None = None) -> tuple[Routes, str | None]:
    """Return the routes of a machine, and why oneDNN, or any choice, is refused where it is.

    Args:
        machine: whose products.
        folder: where the times of an unknown processor are kept; the user's cache when None. Where nothing can be
            kept, MKL computes: two processes that time for themselves might differ.
    """
    refused = refusal(machine)
    maker = machine.processor.name.split()[0] if machine.processor.name else ""
    recorded = _RECORDED.get((maker, machine.processor.instructions))
    try:
        found = recorded or _kept(machine, _cache() if folder is None else folder, with_onednn=refused is None)
    except (OSError, RuntimeError) as error:
        return MKL, f"the times of the products on {machine.processor} cannot be kept ({error})"
    return found if refused is None else Routes(transposed=found.transposed), refused


def timed(machine: Machine, with_onednn: bool = True) -> Routes:
    """Return the routes that are faster on a machine, from its times at a ladder of layers.

    A route is taken from the smallest layer on at which, and at all larger ones, it is faster: for oneDNN by kind of
    product, for transposing both of a narrow layer's together.
    """

    def gains(route: str, kind: str, layer: tuple[int, int]) -> bool:
        best = {"mkl": math.inf, route: math.inf}
        for _ in range(_REPEATS):
            for way in best:
                best[way] = min(best[way], machine.seconds(way, kind, *layer))
        return best[route] < (1 - _GAIN) * best["mkl"]

    least: dict[str, int | None] = dict.fromkeys(KINDS)
    for kind in KINDS if with_onednn else ():
        for layer in reversed(_LADDER):
            if not gains("onednn", kind, layer):
                break
            least[kind] = math.prod(layer)
    inputs = None
    for layer in reversed(_NARROW_LADDER):
        if not all(gains("transposed", kind, layer) for kind in ("forward", "update")):
            break
        inputs = layer[0]
    return Routes(**least, transposed=inputs)


@functools.lru_cache(maxsize=2)
def _sample(route: str, kind: str, fan_in: int, fan_out: int) -> Callable[[], Tensor]:
    """Return a product of a layer, with what makes its result what the plain product's is."""
    with torch.device("cpu"):  # whatever torch's default device is
        weights, h = torch.randn(_STACK, fan_in, fan_out), torch.randn(_STACK, _BATCH, fan_in)
        delta = torch.randn(_STACK, _BATCH, fan_out)
        above, gradient = torch.empty(_STACK, fan_out, _BATCH), torch.empty(_STACK, fan_out, fan_in)
    if route == "transposed":
        if kind == "forward":
            return lambda: delta.copy_(torch.bmm(weights.mT, h.mT, out=above).mT)
        return lambda: weights.add_(torch.bmm(delta.mT, h, out=gradient).mT, alpha=1e-20)
    if kind == "forward":
        return lambda: torch.bmm(h, weights, out=delta)
    if kind == "down":
        return lambda: torch.bmm(delta, weights.mT, out=h)
    return lambda: weights.baddbmm_(h.mT, delta, beta=1, alpha=1e-20)


def _cache() -> Path:
    return Path.home() / ".cache" / "robustness-book"


def _kept(machine: Machine, folder: Path, with_onednn: bool) -> Routes:
    """Return the routes that were timed on this machine once; time them where they were not.

    Of two processes that time at once the one that is first decides for both.
    """
    whose = {"processor": str(machine.processor), "torch": machine.torch, "onednn": with_onednn}
    path = folder / f"products-{zlib.crc32(json.dumps(whose).encode()):08x}.json"
    found = _read(path, whose)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps({**whose, "routes": timed(machine, with_onednn).described()}).encode()
    handle, unfinished = tempfile.mkstemp(dir=folder, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            if _read(path, whose) is None:  # what lies there is damaged
                os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    found = _read(path, whose)
    if found is None:
        raise OSError(f"{path} cannot be read back")
    return found


def _read(path: Path, whose: Mapping[str, Any]) -> Routes | None:
    """Return kept routes; None where there are none, or not of this processor and torch."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Routes.of_description(saved["routes"]) if whose.items() <= saved.items() else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
