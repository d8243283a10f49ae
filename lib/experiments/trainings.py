"""The published trainings of several experiments as one table: one line a measurement, each training once."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from lib.rows import ROUNDS, Task, in_round, published, round_of

# What a chapter asks of a table that is empty until rows are published.
_SETTINGS = ["dataset", "scaling", "momentum", "initializer", "depth", "width", "samples", "seed"]
_MEASURED = ["P", "relative_stability", "kappa", "train_loss", "train_accuracy", "test_accuracy"]
_COLUMNS = ["key", *_SETTINGS, "epoch", "reached", "moment", "final_accuracy", *_MEASURED]


def published_trainings(*experiments: str, rounds: Collection[int] = ROUNDS) -> pd.DataFrame:
    """Return the measurements of all trainings that the experiments have published, without the failed ones.

    Experiments that share a configuration share its row, and an experiment whose rows are not there yet adds none.
    Beside the columns of `Store.frame`: moment, when a line was measured: "start", "end", "epoch 10", or "loss 0.5"
    for the step at which the training loss first fell to a half; final_accuracy, the test accuracy at its end.

    Args:
        experiments: names of files under results/.
        rounds: of evidence (`lib.rows.rounds`).
    """
    frames = []
    for name in experiments:
        with contextlib.suppress(FileNotFoundError):
            frames.append(in_round(published(name).frame(), *rounds))
    if not frames:
        return pd.DataFrame(columns=_COLUMNS)
    rows = with_moments(pd.concat(frames, ignore_index=True))
    return rows[rows["failure"].isna()].drop_duplicates(["key", "epoch", "reached"], ignore_index=True)


def published_traces(*experiments: str) -> pd.DataFrame:
    """Return the traces of all trainings that the experiments have published: one line an epoch.

    The columns are the key and the configuration of the row, epoch, lr, loss (the running loss of the epoch), kappa,
    and relative_change, a list of the layers'. Rows of schema 1, the first round's, have no trace; where none has one,
    there is no line.

    Args:
        experiments: names of files under results/.
    """
    lines, seen = [], set()
    for name in experiments:
        with contextlib.suppress(FileNotFoundError):
            for row in published(name):
                trace = row.get("trace")
                if trace and row["key"] not in seen and round_of(row["configuration"]) in ROUNDS:
                    seen.add(row["key"])
                    table = pd.DataFrame(trace)
                    lines.append(table.assign(key=row["key"], **row["configuration"]))
    settings = ["scaling", "momentum", "initializer", "depth", "width", "seed"]
    columns = ["key", *settings, "epoch", "lr", "loss", "kappa", "relative_change"]
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=columns)


def count_there(tasks: Iterable[Task], rows: pd.DataFrame) -> str:
    """Write how many of the planned tasks have a row in a table: "12 of 90"."""
    planned, there = {task.key for task in tasks}, set(rows["key"])
    return f"{len(planned & there):,} of {len(planned):,}"


def with_moments(rows: pd.DataFrame) -> pd.DataFrame:
    """Return measurements of trainings with two more columns: moment and final_accuracy (see `published_trainings`)."""
    rows = rows if "reached" in rows else rows.assign(reached=np.nan)  # the pilot's rows have no moments of equal loss
    moments = [_moment(*when) for when in zip(rows.epoch, rows.epochs, rows.reached, strict=True)]
    final = rows[[moment == "end" for moment in moments]].set_index("key")["test_accuracy"]
    final = final[~final.index.duplicated()]  # a training may stand in several experiments
    return rows.assign(moment=moments, final_accuracy=rows["key"].map(final))


def _moment(epoch: float, epochs: int, reached: float | None) -> str:
    if pd.notna(reached):
        return f"loss {reached:g}"
    return "start" if epoch == 0 else "end" if epoch == epochs else f"epoch {epoch:g}"
