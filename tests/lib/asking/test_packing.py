"""What the page of questions knows of convolutional and attacked networks once rows of them are published."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from lib.asking.packing import ATTACKED, CHOICES, MOMENTS, QUANTITIES, Setting, pack
from lib.asking.questions import Choice, component
from lib.experiments.adversarial import adversarial
from lib.experiments.convolutional import convolutional
from lib.experiments.width_adjusted import war
from lib.rows import Task
from lib.verdicts.archive import Archive
from lib.verdicts.cells import Cells
from lib.verdicts.claims import Register
from lib.verdicts.register import read
from lib.verdicts.selection import Choice as Selection
from lib.verdicts.verdict import find

ROUNDS = {1: range(3, 8), 2: range(8, 16)}


def pool(kind: str, tasks: Iterable[Task], measurements: Any) -> Cells:
    rows = []
    for number, task in enumerate(tasks):
        row = {"key": f"{number:016d}", "configuration": task.asdict(), "failure": None}
        rows.append((f"line {number}", {**row, "measurements": measurements(task)}))
    return Cells(kind, rows)


def trained(task: Task) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "reached": None, "P": task.depth * (1 + epoch) + task.seed / 100, "test_accuracy": 0.9}
        for epoch in (0, 15)
    ]


def attacked(task: Task) -> list[dict[str, Any]]:
    """Stability falls with the width, by a point a doubling and more; networks of λ = 18 learn nothing."""
    accuracy = 0.1 if task.strength == 18 else 0.9
    seen = {"test_accuracy": accuracy, "natural_accuracy": accuracy, "robust_accuracy": 0.05}
    seen |= {"stability": round(0.9 - 0.02 * np.log2(task.width) + task.seed / 1000, 3), "P": 2.0}
    return [{**seen, "selection": choice, "epoch": 1} for choice in CHOICES]


@pytest.fixture(scope="module")
def pools() -> dict[str, Cells]:
    return {
        "convolutional": pool("convolutional", convolutional(2), trained),
        "adversarial": pool("adversarial", [*adversarial(2), *war(2)], attacked),
    }


@pytest.fixture(scope="module")
def register() -> Register:
    return read()


def values(packed: Mapping[str, Any], name: str, moment: str) -> np.ndarray:
    at, unit = list(packed["moments"]).index(moment), packed["quantities"][name]["unit"]
    kept, first = (5, 3) if unit is None else (4, 0)
    planes = np.frombuffer(gzip.decompress(base64.b64decode(packed["values"][name])), np.uint8).reshape(kept, -1)
    words = np.zeros((planes.shape[1], 8), np.uint8)
    words[:, first : first + kept] = planes.T
    words = words.view("<u8")[:, 0].reshape(len(packed["moments"]), -1)[at]
    return words.view("<f8") if unit is None else np.where(words > 0, (words - 1.0) / unit, np.nan)


def test_every_network_is_there_with_its_setting_and_name(pools, register) -> None:
    packed = pack(pools, ROUNDS, register)
    cells, seeds = packed["networks"]
    assert len(cells) == len(seeds) == len(convolutional(2)) + len(adversarial(2))
    labels = [setting["label"] for setting in packed["settings"]]
    assert labels[0] == "MNIST, convolutional, standardized pixels, momentum 0.9, 20,000 images"
    assert "Fashion-MNIST, trained under attack, raw pixels, momentum 0.9, 20,000 images" in labels
    names = {one["name"]: one["label"] for one in packed["initializers"]}
    assert names["cnn-madry"] == "convolutional, Madry" and names["fcn-6"] == "fully connected, λ = 6"
    P, stability = values(packed, "P", "epoch_50"), values(packed, "stability", "held-out")
    for network, cell in enumerate(cells):
        setting, _, depth, width = packed["cells"][cell]
        if packed["settings"][setting]["kind"] == "convolutional":
            assert P[network] == pytest.approx(depth * 16 + seeds[network] / 100, rel=2e-9) and np.isnan(
                stability[network]
            )
        else:
            assert stability[network] == pytest.approx(0.9 - 0.02 * np.log2(width) + seeds[network] / 1000, abs=6e-4)
    # No two networks of a setting and name have the same size and seed.
    places = [(*packed["cells"][cell], seed) for cell, seed in zip(cells, seeds, strict=True)]
    assert len(set(places)) == len(places)


def test_what_is_measured_under_attack_is_there_with_its_rows_alone(pools, register) -> None:
    packed = pack({"convolutional": pools["convolutional"]}, ROUNDS, register)
    assert packed["moments"] == MOMENTS and list(packed["quantities"]) == list(QUANTITIES)
    assert [setting["learned"] for setting in packed["settings"]] == [("epoch_50", 0.8)] * 2
    both = pack(pools, ROUNDS, register)
    assert list(both["quantities"]) == [*QUANTITIES, *ATTACKED] and list(both["moments"]) == [*MOMENTS, *CHOICES]
    assert both["settings"][-1]["learned"] == (None, 0.5)


@pytest.mark.parametrize("name", ["fcn-1", "fcn-18", "cnn-madry"])
def test_the_registered_tests_are_asked_of_the_rows_that_are_chosen(name: str, pools, register) -> None:
    archive = Archive(dict(pools), register)
    setting = Setting("mnist", "raw", 0.9, 20_000, "adversarial")
    choice = Choice(setting.sweeps, name, "held-out", "stability", "width", log=False, trained=True, samples=20_000)
    finding = find(component("falls", choice, register), register, archive, Selection(2, 0.8))
    if name == "fcn-18":
        assert finding.results == ()
        return
    (curve,), (result,) = finding.curves, finding.results
    assert len(curve.levels) == (5 if name == "fcn-1" else 4) and len(curve.seeds) == 5
    assert result.decision.outcome() == "supported"
    assert result.effect == pytest.approx(-0.02 * (len(curve.levels) - 1), abs=2e-3)
