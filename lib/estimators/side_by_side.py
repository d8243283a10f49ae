"""Measures of several networks as tables in words, one column a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from lib.estimators.costs import Cost, with_cost
from lib.estimators.measures import Measure
from lib.estimators.published import alike
from lib.prose import significant

if TYPE_CHECKING:
    from torch import Tensor, nn

_ESTIMATORS = {
    "perturbation_stability": "P, J, relative",
    "finite_stability": "P at finite ε",
    "local_lipschitz": "local Lipschitz",
    "tangent_kernel": "tangent kernel",
    "lazy_training_ratio": "κ",
}


def values_side_by_side(found: Mapping[str, Sequence[Measure]]) -> pd.DataFrame:
    """Return the mean of each measure, with its standard error where it was sampled: one line a measure."""

    def told(one: Measure) -> str:
        error = "" if one.mean_error is None else f" ± {significant(one.mean_error, 2)}"
        return significant(one.mean, 3) + error

    return _table(found, told)


def costs_side_by_side(found: Mapping[str, Sequence[Measure]]) -> pd.DataFrame:
    """Return seconds and memory of each measure that was computed for itself: one line a measure."""

    def price(one: Measure) -> str | None:
        if one.cost is None:
            return None
        memory = "" if one.cost.bytes is None else f", {one.cost.bytes / 2**20:,.0f} MiB"
        return f"{significant(one.cost.seconds, 2)} s{memory}"

    return _table(found, price)


def scores_side_by_side(
    found: Mapping[str, Sequence[Measure]], theirs: Mapping[str, tuple[tuple[float, float], Cost]]
) -> pd.DataFrame:
    """Return P and the local Lipschitz constant beside another library's two numbers: one line a network.

    Args:
        found: what was measured of each network, "P, exact" and the local Lipschitz constant among it.
        theirs: of some of them loss sensitivity and CLEVER score, and what they cost.
    """
    lines = []
    for name, ((sensitivity, distance), cost) in theirs.items():
        P, lipschitz = (next(m for m in found[name] if m.name.startswith(word)) for word in ("P, exact", "local Lip"))
        numbers = {"P": P.mean, "local Lipschitz": lipschitz.mean, "loss sensitivity": sensitivity, "CLEVER": distance}
        told = {title: significant(number) for title, number in numbers.items()}
        seconds = {"seconds, P": significant(P.cost.seconds, 2), "seconds, theirs": significant(cost.seconds, 2)}
        lines.append({"network": name, **told, **seconds})
    return pd.DataFrame(lines)


def ways_side_by_side(
    found: Mapping[str, Sequence[Measure]],
    models: Mapping[str, tuple[nn.Module, Tensor]],
    others: Mapping[str, Callable[[nn.Module, Tensor], Tensor]],
) -> pd.DataFrame:
    """Measure P by other ways too: one line a model and way, ours ("lib, exact") first.

    Columns: model, way, seconds (an example), mib (memory; NaN where the system does not tell), apart (the largest
    relative deviation from the exact P at an example).

    Args:
        found: what was measured of each model; "P, exact" is among it.
        models: each with the points; they are left in eval mode, which the other ways have to be told.
        others: from a model and points to P, (n,).
    """
    lines = []
    for name, (model, x) in models.items():
        exact = next(one for one in found[name] if one.name == "P, exact")
        lines.append(_line(name, "lib, exact", len(x), exact.cost, 0.0))
        model.eval()
        for way, other in others.items():
            values, cost = with_cost(lambda other=other, model=model, x=x: other(model, x), x.device)
            lines.append(_line(name, way, len(x), cost, float((values / exact.values[0] - 1).abs().max())))
    return pd.DataFrame(lines)


def _line(model: str, way: str, count: int, cost: Cost, apart: float) -> dict[str, object]:
    mib = float("nan") if cost.bytes is None else cost.bytes / 2**20
    return {"model": model, "way": way, "seconds": cost.seconds / count, "mib": mib, "apart": apart}


def kinds_side_by_side(modules: pd.DataFrame) -> pd.DataFrame:
    """Return the published matrix of modules in words: kinds that all estimators treat alike share a line."""
    together = alike(modules[list(_ESTIMATORS)]).drop(columns="count")
    reasons = (
        together.pop("reason").str.split(", but it raised").str[0].str.replace("network must ", "must ", regex=False)
    )
    names = together.pop("modules").map("; ".join)
    told = names + reasons.map(lambda text: f" — {text}" if text else "")
    return together.rename(columns=_ESTIMATORS).assign(**{"kinds of modules, and what is asked of those refused": told})


def _table(found: Mapping[str, Sequence[Measure]], text: Callable[[Measure], str | None]) -> pd.DataFrame:
    columns = {
        name: {one.name: words for one in measured if (words := text(one)) is not None}
        for name, measured in found.items()
    }
    return pd.DataFrame(columns).fillna("").rename_axis("measure").reset_index()
