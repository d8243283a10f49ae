"""Entries that published rows decide: κ in Fig. 3, the shape of P over width, unsaid settings, the spread of seeds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby, pairwise

import numpy as np
import pandas as pd

from lib.errata.entry import Entry
from lib.experiments.trainings import published_trainings
from lib.figures.laziness import setting_name
from lib.prose import significant, with_interval
from lib.theory.bounds import theorem1
from lib.training import learning_rate
from lib.trends import Interval, complete_curve, log_interval, mean_interval
from lib.verdicts.register import read

# Fewer seeds decide nothing.
_SEEDS = 5
_SHAPES = {(): "flat", (1,): "rises", (-1,): "falls", (1, -1): "rises, then falls"}
# A growth from 0 that is linear in the rates gains 0.6 after epoch 10; the margins are claim 50's.
_LINEAR = (0.43, 0.75)


def _at_epochs(*experiments: str, **cell: object) -> pd.DataFrame:
    rows = published_trainings(*experiments)
    rows = rows[rows["reached"].isna()]
    for name, value in cell.items():
        rows = rows[rows[name] == value]
    return rows


def steps_over_width(rows: pd.DataFrame, column: str) -> dict[tuple[int, int], Interval]:
    """Return the factor from each width to the next, seed by seed, with its interval."""
    table = complete_curve(rows, column)
    return {(a, b): log_interval((table[b] / table[a]).to_numpy()) for a, b in pairwise(sorted(table))}


def shape(steps: Mapping[tuple[int, int], Interval]) -> str:
    """Name a curve by its steps: only five seeds and two steps beyond their spread name anything."""
    if len(steps) < 2 or any(step.seeds < _SEEDS for step in steps.values()):
        return "undecided"
    signs = [1 if step.low > 1 else -1 if step.high < 1 else 0 for step in steps.values()]
    return _SHAPES.get(tuple(sign for sign, _ in groupby(s for s in signs if s)), "goes up and down")


def kappa_in_figure_3() -> Entry:
    """Entry 6: κ over epochs and widths, text or caption. κ of β = m^-2 on raw MNIST by width."""
    rows = _at_epochs("setting", "nonlazy", initializer="power-2", dataset="mnist", depth=2, scaling="raw", momentum=0)
    ends = rows[rows["epoch"] == 50]
    table = pd.DataFrame(
        [
            {"m": int(width)}
            | {
                f"epoch {e}": significant(log_interval(part.loc[part["epoch"] == e, "kappa"]).mean)
                for e in (1, 5, 10, 25, 50)
            }
            | {
                "accuracy": f"{part.loc[part['epoch'] == 50, 'test_accuracy'].mean():.3f}",
                "seeds": part["seed"].nunique(),
            }
            for width, part in rows.groupby("width")
        ]
    )
    late = rows.pivot(index=["width", "seed"], columns="epoch", values="kappa")
    gained = (1 - late[10.0] / late[25.0]).groupby("width").apply(mean_interval)
    not_linear = all(s.low > _LINEAR[1] or s.high < _LINEAR[0] for s in gained if s.seeds >= _SEEDS)
    widest = int(ends["width"].max())
    growth = log_interval((late.loc[widest, 50.0] / late.loc[widest, 25.0]).to_numpy())
    rates = np.array([learning_rate(e, 1e-3) for e in range(1, 51)])
    texts = {
        "left": f"{rates[25:].sum() / rates[:25].sum():.1%}",
        "left_share": f"{rates[25:].sum() / rates[:25].sum():.3f}",
        "gained": with_interval(gained[widest], ".3f"),
        "growth": f"a factor {with_interval(growth, '.3f')}",
        "growth_at": f"m = {widest}, {growth.seeds} seeds",
        "kappa_widths": ", ".join(f"{width:g}" for width in sorted(ends["width"].unique())),
        "growth_kind": "That is no linear growth but an escape from near zero"
        if not_linear
        else "Some width is compatible with that",
    }
    over_time = "over time the caption, in our rows" if not_linear else "over time both describe one curve"
    kind, over_the_width = {
        "undecided": ("undecided", "over the width at most one is true, and too few widths are published"),
        "rises": ("neither", "over the width κ rises at every step of our rows"),
        "falls": ("one is right", "over the width the text, in our rows"),
        "rises, then falls": ("one is right", "over the width the caption, in our rows"),
    }.get(shape(steps_over_width(ends, "kappa")), ("neither", "over the width our rows do neither"))
    return Entry(kind, f"{over_time}; {over_the_width}", texts, table)


def shapes_of_P() -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the shape of P over the width under He by depth beside how far the bound moves, and words (entry 10)."""
    rows = _at_epochs(
        "grid", "nonlazy", "setting", epoch=50, initializer="he", dataset="mnist", scaling="raw", momentum=0
    )
    lines = []
    for depth, part in rows[rows["test_accuracy"] >= read().vocabulary["trained_accuracy"]].groupby("depth"):
        P = complete_curve(part, "P")
        low, high = min(P), max(P)
        bound = [theorem1(int(m), int(depth), 784, 10, "he") for m in sorted(P)]
        lines.append(
            {
                "L": int(depth),
                "widths": f"{low} to {high}",
                "bound: largest / smallest": f"{max(bound) / min(bound):.3g}",
                "P: last / first": with_interval(log_interval((P[high] / P[low]).to_numpy())),
                "P: shape": shape(steps_over_width(part, "P")),
                "seeds": len(P),
            }
        )
    table = pd.DataFrame(lines)
    fewest = int(table["seeds"].min())
    return table, {
        "confirmed": f"{(table['P: shape'] == 'rises, then falls').sum()} of {len(table)}",
        "ten_seeds": f"{fewest}",
        "ten_note": "Fewer than five seeds decide nothing, so the last column names nothing yet."
        if fewest < _SEEDS
        else "The registered tests of claims 56 and 61 decide on these rows.",
    }


def unsaid_settings() -> Entry:
    """Entry 11: theory and experiment. P of one He network in the six settings that the paper leaves open."""
    rows = _at_epochs("setting", epoch=50, initializer="he", depth=2, width=256)
    groups = rows.groupby(["scaling", "momentum"])
    table = pd.DataFrame(
        [
            {
                "setting": setting_name(*setting),
                "P": with_interval(log_interval(part["P"])),
                "relative stability": f"{part['relative_stability'].mean():.2f}",
                "κ": f"{part['kappa'].mean():.2f}",
                "accuracy": f"{part['test_accuracy'].mean():.3f}",
                "seeds": part["seed"].nunique(),
            }
            for setting, part in groups
        ]
    )
    means = groups["P"].apply(lambda part: log_interval(part).mean)
    spread = groups["P"].apply(lambda part: np.log(part).std(ddof=1)).max()
    kappa = groups["kappa"].mean()
    factor = means.max() / means.min()
    texts = {
        "setting_factor": f"{factor:.1f}",
        "setting_low": setting_name(*means.idxmin()),
        "setting_high": setting_name(*means.idxmax()),
        "setting_spread": f"{np.exp(spread) - 1:.1%}",
        "kappa_low": f"{kappa.min():.2f}",
        "kappa_high": f"{kappa.max():.2f}",
    }
    outcome = f"they speak of different problems; what is not said moves $\\mathcal P$ by a factor of {factor:.1f}"
    return Entry("both stand", outcome, texts, table).unless(groups["seed"].nunique().min() >= _SEEDS)


def which_expectation() -> Entry:
    """Entry 12: over W, over W(0) or over neither. The spread of P between networks of one cell, by epoch."""
    rows = _at_epochs("setting", initializer="he", depth=2, width=256, scaling="raw", momentum=0)
    between = rows.groupby("epoch")["P"].agg(lambda P: np.log(P).std(ddof=1))
    table = pd.DataFrame(
        [
            {
                "epoch": f"{epoch:g}",
                "P, mean": f"{part['P'].mean():.3f}",
                "spread between networks": f"{between[epoch]:.1%}",
                "seeds": part["seed"].nunique(),
            }
            for epoch, part in rows.groupby("epoch")
        ]
    )
    texts = {"between_start": f"{between.loc[0]:.1%}", "between_end": f"{between.loc[50]:.1%}"}
    outcome = "$\\mathbf W$ and $\\mathbf W(0)$ are one; the third is a number for each network, which Theorem 3 needs"
    return Entry("both stand", outcome, texts, table)
