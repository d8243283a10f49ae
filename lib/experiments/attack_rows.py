"""Adversarial trainings as tables: the published ones, a reader's own, how they went, and the λ that is chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import pandas as pd

from lib.experiments.adversarial import AdversarialTraining, adversarial
from lib.experiments.live import swept
from lib.experiments.width_adjusted import WidthAdjustedTraining
from lib.rows import ROUNDS, in_round, published
from lib.rows.frame import frame

# What a trained network is measured by, in the columns of its rows.
MEASURED = ("test_accuracy", "natural_accuracy", "robust_accuracy", "stability", "divergence_slope", "P")
_SETTINGS = [field.name for field in fields(WidthAdjustedTraining)]
_MORE = ["relative_stability", "held_out_robust_accuracy", "lambda", "tuned_lambda", "tuning_seconds", "wide_seconds"]
_COLUMNS = ["key", "kind", *_SETTINGS, "selection", "epoch", *MEASURED, *_MORE]
# Training images of the live run: with those held out nearly all digits.
_FEW = 1_200
_CELL = ["dataset", "architecture", "width", "seed"]

Rows = list[Mapping[str, Any]]


def attack_rows(*experiments: str) -> Rows:
    """Return the rows that "adversarial" or "war" have published, failed ones left out.

    An experiment whose rows are not there yet adds none, and neither does a network of TRADES whose grid over λ is not
    whole: the best of half a grid is another λ.
    """
    rows: Rows = []
    for name in experiments:
        with contextlib.suppress(FileNotFoundError):
            rows += in_round(published(name).rows(), *ROUNDS)
    there = {row["key"] for row in rows}
    lacking = {_network(vars(task)) for task in adversarial(max(ROUNDS)) if task.key not in there}
    return [row for row in rows if row["failure"] is None and _network(row["configuration"]) not in lacking]


def _network(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a network and its objective, whatever its λ; a width adjusted training has no grid."""
    kind = settings.get("kind", AdversarialTraining.kind)
    return (kind, *(settings.get(name) for name in ("objective", *_CELL)))


def attack_frame(rows: Rows) -> pd.DataFrame:
    """Return one line a measurement: a training's best epoch on held-out images, on test images, and its last.

    Beside the settings and measurements of the rows: curve, how a training is told from others of its width ("λ = 6",
    "Madry", "WAR", "WAR, rate 2"), TRADES first, by its λ. Without rows the table is empty and has its columns.
    """
    table = frame(rows) if rows else pd.DataFrame(columns=_COLUMNS)
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, *_COLUMNS])))
    table = table.sort_values(["objective", "strength"], ascending=[False, True], kind="stable", ignore_index=True)
    return table.assign(curve=[_curve(line) for line in table.to_dict("records")])


def joined(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return tables as one, those without lines left out: they would make the others' numbers objects."""
    there = [table for table in tables if len(table)]
    return pd.concat(there, ignore_index=True) if there else tables[0]


def trace_frame(rows: Rows) -> pd.DataFrame:
    """Return one line an epoch of every training: λ, natural risk, regularization, and ρ, the second over the first.

    Of a width adjusted training goal is the ρ that it was adapted to. Settings and curve stand beside them.
    """
    tables = [pd.DataFrame(row["trace"]).assign(key=row["key"], **row["configuration"]) for row in rows if row["trace"]]
    names = ["epoch", "lr", "lambda", "natural", "regularization", "held_out_robust_accuracy", "goal", "rho", "curve"]
    if not tables:
        return pd.DataFrame(columns=["key", *_SETTINGS, *names])
    table = pd.concat(tables, ignore_index=True)
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, "goal", *_SETTINGS])))
    curve = [_curve(line) for line in table.to_dict("records")]
    return table.assign(rho=table["regularization"] / table["natural"], curve=curve)


def attack_live(
    dataset: str,
    architecture: str,
    widths: Iterable[int],
    depth: int,
    epsilon: float,
    strengths: Iterable[float],
    seeds: int,
    epochs: int,
    lr: float,
    device: str = "cpu",
    keep: bool = False,
    objective: str = "trades",
) -> Rows:
    """Train width × λ now, of digits on nearly all images, and return the rows; `attack_frame` makes a table of them.

    Args:
        dataset: as in `AdversarialTraining`, as are all that are not explained.
        architecture: "fcn" or "cnn".
        widths: trained in all combinations with λ.
        depth: the same of all.
        epsilon: of the attack.
        strengths: the λ.
        seeds: replicas of each, with seeds 0, 1, ...
        epochs: of every training.
        lr: the learning rate of the first epochs.
        device: as in `train_live`, as is `keep`.
        keep: whether rows are kept.
        objective: of all trainings.

    Raises:
        ValueError, OSError, MemoryError: as raised by `lib.sweeps.sweep`.
    """
    how = {"objective": objective, "epochs": epochs, "lr": lr} | _samples(dataset)
    tasks = [
        AdversarialTraining(dataset, architecture, width, depth, epsilon, float(strength), seed, **how)
        for width in widths
        for strength in strengths
        for seed in range(seeds)
    ]
    return swept(tasks, device, keep)


def adjusted_live(
    like: AdversarialTraining,
    small: int,
    guesses: Iterable[Mapping[str, Any]],
    seeds: int,
    device: str = "cpu",
    keep: bool = False,
) -> Rows:
    """Train networks by the reconstruction of width adjusted regularization now, and return their rows.

    Args:
        like: the wide network's training; its λ and seed do not count.
        small: width of the small network.
        guesses: what the reconstruction guesses (`rate`, `reference`), one training a seed each.
        seeds: replicas of each, with seeds 0, 1, ...
        device: as in `attack_live`.
        keep: as there.

    Raises:
        ValueError, OSError, MemoryError: as `attack_live`.
    """
    settings = {field.name: getattr(like, field.name) for field in fields(like)} | {"strength": 0.0}
    first = WidthAdjustedTraining(**settings, small=small)
    tasks = [replace(first, seed=seed, **guess) for guess in guesses for seed in range(seeds)]
    return swept(tasks, device, keep)


def live_training(dataset: str, *settings: Any, **more: Any) -> AdversarialTraining:
    """Return an `AdversarialTraining` on the images of a live run."""
    return AdversarialTraining(dataset, *settings, **more | _samples(dataset))


def chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Return, of each network's grid over λ, the line whose λ held-out images choose: of equals, the smallest λ.

    Args:
        table: TRADES of one selection, from `attack_frame`.
    """
    ranked = table.sort_values(["held_out_robust_accuracy", "strength"], ascending=[False, True])
    return ranked.drop_duplicates(_CELL).sort_values(_CELL, ignore_index=True)


def ways_to_tune(table: pd.DataFrame) -> pd.DataFrame:
    """Return, of each network that is wider than the narrowest, one line for each way to find its λ, named in `way`.

    "grid search" takes the λ of the highest robust accuracy on held-out images, "λ reused" that of the narrowest
    network of the same seed and data; width adjusted trainings have the name of their curve.

    Args:
        table: of one selection, from `attack_frame`.
    """
    adjusted = table[table["kind"] == WidthAdjustedTraining.kind]
    trades = table[(table["kind"] == AdversarialTraining.kind) & (table["objective"] == "trades")]
    best = chosen(trades)
    by = ["dataset", "architecture"]
    narrowest = best.groupby(by)["width"].transform("min") if len(best) else best["width"]
    small = best.loc[best["width"] == narrowest, [*by, "seed", "strength"]]
    reused = trades.merge(small, on=[*by, "seed", "strength"])
    found = joined(
        best.assign(way="grid search"), reused.assign(way="λ reused"), adjusted.assign(way=adjusted["curve"])
    )
    least = found.groupby(by)["width"].transform("min") if len(found) else found["width"]
    return found[(found["width"] > least) | (found["kind"] == WidthAdjustedTraining.kind)].reset_index(drop=True)


def _samples(dataset: str) -> dict[str, int]:
    return {"samples": _FEW} if dataset == "digits" else {}


def _curve(line: Mapping[str, Any]) -> str:
    if line["kind"] == WidthAdjustedTraining.kind:
        if line["reference"] == "end":
            return "WAR, ρ of the end"
        return "WAR" if line["rate"] == 1 else f"WAR, rate {line['rate']:g}"
    return "Madry" if line["objective"] == "cross_entropy" else f"λ = {line['strength']:g}"
