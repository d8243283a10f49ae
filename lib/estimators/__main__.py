"""Measure a network of your own: P exact and sampled, relative stability, κ against a checkpoint, local Lipschitz."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lib.command_line import answer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lib.estimators.measures import Measure

_BAR = 24


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit status, 1 where something is wrong, told in one sentence."""
    options = _parser().parse_args(arguments)
    return answer(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the network's own code prints is no result
            network, x, y, initial = _read(options)
            found = _measured(options, network, x, y, initial)
    except BaseException:
        _clear()  # the bar, so that what went wrong stands alone
        raise
    print(_as_json(options, network, x, found) if options.json else _as_table(options, network, x, found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.estimators", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="package.module:function, a factory without arguments")
    parser.add_argument("data", metavar="DATA.npz", help="array x (n, ...) and, for the accuracy, classes y (n)")
    parser.add_argument("--weights", metavar="FILE", help="safetensors that the network gets (default: as it is made)")
    parser.add_argument("--initial", metavar="FILE", help="safetensors of the weights from which κ counts")
    parser.add_argument("--epsilon", type=float, default=1.0, help="ε in the units of x (default: 1)")
    parser.add_argument("--samples", type=int, default=1000, help="draws of the sampled P; 0 leaves it out")
    parser.add_argument("--radius", type=float, help="of the balls of the local Lipschitz constant (default: none)")
    parser.add_argument("--steps", type=int, default=30, help="ascent steps in each ball (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every point's value")
    return parser


# torch takes seconds: --help and a mistyped option do without it.


def _read(options: argparse.Namespace) -> tuple[nn.Module, Tensor, Tensor | None, dict[str, Tensor] | None]:
    import torch

    from lib.estimators.calls import check_points
    from lib.estimators.loading import from_factory, load_points, load_weights, weights_at

    device = _device(options.device)
    x, y = load_points(options.data)
    network = from_factory(options.model)
    initial = None if options.initial is None else weights_at(network, options.initial)
    if options.weights is not None:
        load_weights(network, options.weights)
    floating = (p.dtype for p in network.parameters() if p.is_floating_point())
    x = x.to(next(floating, torch.get_default_dtype()))
    check_points(x)
    return network.to(device), x.to(device), None if y is None else y.to(device), initial


def _device(name: str) -> Any:
    import torch

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(
            f"--device must be a torch device that is there, such as cpu, got {name!r} ({first})."
        ) from error
    return device


def _measured(
    options: argparse.Namespace, network: nn.Module, x: Tensor, y: Tensor | None, initial: dict[str, Tensor] | None
) -> list[Measure]:
    from lib.estimators.measures import measures

    return measures(
        network,
        x,
        y,
        epsilon=options.epsilon,
        samples=options.samples,
        radius=options.radius,
        steps=options.steps,
        initial=initial,
        seed=options.seed,
        advance=_Bar(len(x)) if sys.stderr.isatty() else None,
    )


class _Bar:
    """Draw on a terminal how many points a measure has done."""

    def __init__(self, total: int) -> None:
        self.total, self.start = total, 0.0

    def __call__(self, name: str, done: int) -> None:
        if done == 0:
            self.start = time.monotonic()
        filled = _BAR * done // self.total
        line = f"{name:28} [{'#' * filled}{'.' * (_BAR - filled)}] {done} of {self.total} points"
        if 0 < done < self.total:
            left = int((time.monotonic() - self.start) * (self.total - done) / done)
            line += f" · {left // 60}:{left % 60:02d} left"
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        if done == self.total:
            _clear()


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _as_table(options: argparse.Namespace, network: nn.Module, x: Tensor, found: list[Measure]) -> str:
    weights = sum(parameter.numel() for parameter in network.parameters())
    lines = [
        f"{options.model}: {weights:,} parameters, {x[0].numel():,} inputs, {x.dtype}".replace("torch.", "")
        + f" on {x.device}; {len(x):,} points of {options.data}",
        "",
        f"{'':28} {'mean':>12} {'±':>9} {'least':>12} {'most':>12} {'seconds':>9} {'MiB':>7}",
    ]
    for one in found:
        values = [one.mean, one.values.min(), one.values.max()]
        mean, least, most = (f"{float(value):12.5g}" for value in values)
        error = "" if one.error is None else f"{one.mean_error:.2g}"
        seconds = "" if one.cost is None else f"{one.cost.seconds:.3g}"
        memory = "" if one.cost is None or one.cost.bytes is None else f"{one.cost.bytes / 2**20:.0f}"
        spread = f"{least} {most}" if one.values.ndim > 1 and one.name != "accuracy" else " " * 25
        lines.append(f"{one.name:28} {mean} {error:>9} {spread} {seconds:>9} {memory:>7}".rstrip())
    undefined = [one.name for one in found if bool(one.values.isnan().any())]
    if undefined:
        lines += ["", f"undefined (nan) at some points, that are zero or not finite: {', '.join(undefined)}"]
    return "\n".join(lines)


def _as_json(options: argparse.Namespace, network: nn.Module, x: Tensor, found: list[Measure]) -> str:
    import torch

    content = {
        "model": options.model,
        "weights": options.weights,
        "initial": options.initial,
        "data": options.data,
        "points": len(x),
        "inputs": x[0].numel(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "dtype": str(x.dtype).removeprefix("torch."),
        "device": str(x.device),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "epsilon": options.epsilon,
        "seed": options.seed,
        "measures": [
            {
                "name": one.name,
                "mean": _finite(one.mean),
                "standard_error": _finite(one.mean_error),
                "values": _finite(one.values.tolist()),
                "standard_errors": None if one.error is None else _finite(one.error.tolist()),
                "seconds": None if one.cost is None else one.cost.seconds,
                "bytes": None if one.cost is None else one.cost.bytes,
            }
            for one in found
        ],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return numbers for JSON, which has none that are not finite: those become null."""
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if value is None or not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
