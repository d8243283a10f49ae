"""What each estimator does with each kind of module of `zoo`, proved cell by cell: `results/modules.json`.

    python tests/support/module_matrix.py

regenerates the file. A cell is "exact" or "sampled" if the number agrees with another way to it, is the same for an
example alone and in a batch of 64, and the module is left as it was; else it is "refused: " and why.
"""

from __future__ import annotations

import copy
import io
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from zoo import ZOO  # noqa: E402

from lib import estimators  # noqa: E402
from lib.estimators.expected_norm import ball_factor, expected_gaussian_norm  # noqa: E402
from lib.estimators.trust import gap  # noqa: E402
from lib.networks import FCN  # noqa: E402

FILE = ROOT / "results" / "modules.json"
POINTS, ALIKE = 64, 1e-6
EXACT, SAMPLED = "exact", "sampled"
POINTWISE: dict[str, Callable] = {
    "perturbation_stability": estimators.perturbation_stability,
    "rms_stability": estimators.rms_stability,
    "relative_stability": estimators.relative_stability,
    "monte_carlo_stability": lambda n, x: estimators.monte_carlo_stability(n, x, samples=200)[0],
    "finite_stability": lambda n, x: estimators.finite_stability(n, x, 0.5, samples=50)[0],
    "jacobian": estimators.jacobian,
    "jacobian_spectrum": estimators.jacobian_spectrum,
    "local_lipschitz": lambda n, x: estimators.local_lipschitz(n, x, 0.1, steps=2),
}
IN_WEIGHTS = ("tangent_kernel", "kernel_drift", "linearization_error", "lazy_training_ratio", "relative_change")
TWO_LAYERS: dict[str, Callable] = {
    "neurons": lambda n: estimators.neurons(n)[1],
    "direction_similarity": estimators.direction_similarity,
    "similarity_spectrum": estimators.similarity_spectrum,
    "effective_directions": estimators.effective_directions,
    "distinct_directions": estimators.distinct_directions,
    "isotropic": lambda n: estimators.isotropic(n).weights[0].detach(),
    "null_distribution": lambda n: estimators.null_distribution(n, estimators.effective_directions, draws=2),
    "path_norm": estimators.path_norm,
    "random_feature_norm": lambda n: estimators.random_feature_norm(n, copy.deepcopy(n.state_dict())),
    "spectral_norm_product": estimators.spectral_norm_product,
}


def row(name: str) -> dict[str, str]:
    """Return one row of the matrix, after proving its cells."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.jit.optimized_execution(False):
        warnings.simplefilter("ignore")  # of torch, about its own old ways to script and to quantize
        torch.manual_seed(0)
        network, shape = ZOO[name]()
        weight = next(network.parameters(), torch.empty(0))
        x = torch.randn(POINTS, *shape, dtype=torch.float64).to(
            weight.dtype if weight.is_floating_point() and name != "bfloat16 inside" else torch.float32
        )
        before = _state(network)
        cells = {column: _cell(network, x, column) for column in (*POINTWISE, *IN_WEIGHTS, *TWO_LAYERS)}
        assert _same(before, _state(network)), f"{name} was changed"
    return {"module": name, **cells}


def matrix() -> list[dict[str, str]]:
    """Return all rows."""
    return [row(name) for name in ZOO]


def _cell(network: nn.Module, x: torch.Tensor, column: str) -> str:
    try:
        if column in POINTWISE:
            return _pointwise(network, x, column)
        if column in TWO_LAYERS:
            value = TWO_LAYERS[column](network)
            same = network if isinstance(network, FCN) else FCN.from_modules([network])
            assert gap(value, TWO_LAYERS[column](same)) <= ALIKE if column != "random_feature_norm" else value > 0
            return SAMPLED if column in ("isotropic", "null_distribution") else EXACT
        return _in_weights(network, x, column)
    except ValueError as error:
        return f"refused: {str(error).split(';')[0].rstrip('.')}"


def _pointwise(network: nn.Module, x: torch.Tensor, column: str) -> str:
    measure = POINTWISE[column]
    batch, alone = measure(network, x), measure(network, x[-1:])
    expected, allowed = _derivative(network, x[-1:])
    if column == "relative_stability":
        batch = estimators.perturbation_stability(network, x)[:, -1] * x[-1].double().norm()
        batch = batch / estimators.spectrum.outputs(network, x)[:, -1].double().norm(dim=-1)
        assert gap(alone, batch) <= 10 * max(ALIKE, torch.finfo(x.dtype).eps), (column, alone, batch)
        return EXACT
    assert gap(batch[:, -1], alone[:, 0]) <= ALIKE, (column, batch[:, -1], alone)
    value = alone[:, 0].double()
    values = torch.linalg.svdvals(expected).square()
    d = x[0].numel()
    p = ball_factor(d) * expected_gaussian_norm(values)
    if column == "finite_stability":
        wanted = _finite(network, x[-1:])
        assert bool(((value - wanted).abs() <= 0.5 * wanted + 1e-12).all()), (column, value, wanted)
        return SAMPLED
    if column == "monte_carlo_stability":
        assert bool(((value - p).abs() <= 0.3 * p + 1e-12).all()), (column, value, p)
        return SAMPLED
    if column == "local_lipschitz":
        assert bool((value >= values[:, 0].sqrt() * (1 - allowed)).all()), (column, value, values)
        return SAMPLED
    wanted = {
        "perturbation_stability": p,
        "rms_stability": (values.sum(dim=-1) / (d + 2)).sqrt(),
        "jacobian": expected,
        "jacobian_spectrum": values.flip(-1),
    }[column]
    assert gap(value, wanted) <= 2 * allowed, (column, value, wanted)
    return EXACT


def _derivative(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return J at one point by differences, (R, o, d), and how exact they are: in float64 where the module can."""
    twin, point, step, allowed = copy.deepcopy(network).eval() if not _exported(network) else network, x, 1e-2, 3e-2
    if not _exported(network):
        try:
            twin, point, step, allowed = twin.double(), x.double(), 1e-5, 1e-5
            assert twin(point.clone()).dtype == torch.float64
        except (RuntimeError, AssertionError):
            twin, point, step, allowed = copy.deepcopy(network).eval(), x, 1e-2, 0.1
    coordinates = torch.eye(x[0].numel(), dtype=point.dtype).view(-1, *x.shape[1:]) * step
    with torch.no_grad():
        columns = [(twin(point + c) - twin(point - c)).double() / (2 * step) for c in coordinates]
    j = torch.stack([column[..., 0, :] for column in columns], dim=-1)
    rounding = {torch.float16: 1e-2, torch.bfloat16: 5e-2, torch.float32: 1e-4}.get(x.dtype, 0.0)
    return (j if j.ndim == 3 else j.unsqueeze(0)), max(allowed, rounding)


def _in_weights(network: nn.Module, x: torch.Tensor, column: str) -> str:
    if column == "tangent_kernel":
        batch, alone = estimators.tangent_kernel(network, x), estimators.tangent_kernel(network, x[-1:])
        o = alone.shape[-1]
        assert gap(batch[:, -o:, -o:], alone) <= ALIKE
        assert bool((torch.linalg.eigvalsh(alone) >= -1e-9 * alone.abs().max()).all())
        return EXACT
    alone = _exported(network) or isinstance(network, torch.jit.ScriptModule)
    moved = network if alone else copy.deepcopy(network)
    initial = {k: v.detach().clone() for k, v in moved.state_dict().items() if isinstance(v, torch.Tensor)}
    kept = [(p, p.data.clone()) for p in moved.parameters()]
    try:
        for parameter, _ in kept:
            parameter.data += 0.1 * torch.randn(parameter.shape, dtype=torch.float64).to(parameter)
        measure = getattr(estimators, column)
        if column == "kernel_drift":
            value = measure(moved, initial, x[:4])
            if moved is not network:
                now, then = (estimators.tangent_kernel(n, x[:4]) for n in (moved, network))
                wanted = torch.linalg.matrix_norm(now - then) / torch.linalg.matrix_norm(then)
                assert gap(value, wanted) <= ALIKE or float((value - wanted).abs().max()) < 1e-9, (value, wanted)
            return EXACT
        if column == "linearization_error":
            value = measure(moved, initial, x[:4])
            if moved is not network:
                wanted = _linearization(network, moved, x[:4])
                assert float((value - wanted).abs().max()) <= 1e-3 * (1 + float(wanted.max())), (value, wanted)
            return EXACT
        value = measure(moved, initial)
        pairs = [(p.detach().double(), initial[n].double()) for n, p in moved.named_parameters() if p.ndim >= 2]
        axis = 1 if isinstance(moved, FCN) else 0
        change = torch.stack([(p - s).flatten(axis).norm(dim=-1) for p, s in pairs], dim=-1)
        size = torch.stack([s.flatten(axis).norm(dim=-1) for _, s in pairs], dim=-1)
        wanted = change.sum(-1) / size.sum(-1) if column == "lazy_training_ratio" else change / size
        assert gap(value, wanted) <= ALIKE
        return EXACT
    finally:
        for parameter, values in kept:
            parameter.data.copy_(values)


def _linearization(start: nn.Module, end: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the linearisation error by differences in the weights."""
    start, end = (copy.deepcopy(n).double().eval() for n in (start, end))
    between, f = copy.deepcopy(start), []
    for t in (0.0, 1e-6, -1e-6, 1.0):
        for p, a, b in zip(between.parameters(), start.parameters(), end.parameters(), strict=True):
            p.data = a.data + t * (b.data - a.data)
        with torch.no_grad():
            f.append(between(x.double().clone()).reshape(-1, len(x) * 2))
    slope = (f[1] - f[2]) / 2e-6
    return (f[3] - f[0] - slope).norm(dim=-1) / (f[3] - f[0]).norm(dim=-1)


def _finite(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the mean change over 200 uniform draws from a ball of radius 0.5, one call a draw."""
    twin = network if _exported(network) else copy.deepcopy(network).eval()
    d, changes = x[0].numel(), []
    for _ in range(200):
        direction = torch.randn(d, dtype=torch.float64)
        delta = 0.5 * torch.rand(1).double() ** (1 / d) * direction / direction.norm()
        with torch.no_grad():
            f = [twin(p.clone()).double() for p in (x, (x.double() + delta.view(x.shape)).to(x.dtype))]
        changes.append((f[1] - f[0]).reshape(-1, 2).norm(dim=-1))
    return torch.stack(changes).mean(dim=0)


def _exported(network: nn.Module) -> bool:
    return isinstance(network, torch.fx.GraphModule)


def _state(network: nn.Module) -> list[object]:
    """Return everything that measuring must leave alone, and whether the module can be copied and saved."""
    tensors = [
        t if torch.nn.parameter.is_lazy(t) else t.detach().clone()
        for t in network.state_dict().values()
        if isinstance(t, torch.Tensor)
    ]
    modes = [module.training for module in network.modules()]
    flags = [(p.requires_grad, p.grad is None) for p in network.parameters()]
    kept = [sorted(module.__dict__) for module in network.modules()]
    counters = [getattr(module, "calls", None) for module in network.modules()]
    able = []
    for action in (copy.deepcopy, lambda n: torch.save(n, io.BytesIO())):
        try:
            action(network)
            able.append(True)
        except Exception:
            able.append(False)
    return [tensors, modes, flags, kept, counters, able]


def _same(one: list, other: list) -> bool:
    same = all(a is b or torch.equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    return same and one[1:] == other[1:]


if __name__ == "__main__":
    torch.set_num_threads(1)  # everything here is small
    rows = []
    for number, name in enumerate(ZOO):
        print(f"{number + 1}/{len(ZOO)} {name}", file=sys.stderr, flush=True)
        rows.append(row(name))
    FILE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
