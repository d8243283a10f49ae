"""The width scans: their tasks, their data, and the sign of S_w where it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lib.experiments import sweep
from lib.experiments.plan import EXPERIMENTS
from lib.experiments.regimes import WidthScan, build, measure, points
from lib.experiments.scans import published_scans
from lib.initializers import get
from lib.networks import FCN

NAMES = ("regime-slopes", "regime-powers", "regime-map", "regime-depths", "regime-directions")


def slopes(gamma: float, gamma_prime: float, widths: tuple[int, ...], seeds: int) -> np.ndarray:
    task = WidthScan("line", 2, gamma, gamma_prime, widths, seed=0)
    changes = np.array([[r["sup_change"][0] for r in measure(task, width, seeds)] for width in widths])
    return np.polyfit(np.log(widths), np.log(changes), 1)[0]


@pytest.mark.parametrize(("gamma", "low", "high"), [(0.5, -0.65, -0.35), (1.0, -0.12, 0.12), (1.75, 0.25, 0.45)])
def test_the_sign_of_s_w_at_three_known_points(gamma: float, low: float, high: float) -> None:
    """Luo et al. print -0.506, 0.007 and 0.372; every seed of small networks lies around them."""
    found = slopes(gamma, 0.0, (200, 800, 3200), seeds=3)
    assert (low < found).all() and (found < high).all()


def test_only_the_two_products_of_the_scales_matter() -> None:
    """(α, β_in, β_out) with equal κ and κ' move equally far: RD is a function of (γ, γ') alone."""
    from lib.estimators import relative_change
    from lib.initializers import Initializer
    from lib.training.flow import gradient_flow

    data, changes = points("line"), []
    for factor in (1.0, 7.0):
        law = Initializer("given", lambda m, d, o, f=factor: (0.1 * f, 0.0, 0.05 * f))
        network = FCN(100, 2, 2, 1, law, alpha=factor**2, dtype=torch.float64)
        start = [weight.detach().clone() for weight in network.weights]
        gradient_flow(network, data)
        changes.append(relative_change(network, start)[0])
    assert torch.allclose(*changes, rtol=1e-6)


def test_points_are_what_they_are_said_to_be() -> None:
    line = points("line")
    assert line.x[:, 0].tolist() == pytest.approx([-1 / 2, -1 / 6, 1 / 6, 1 / 2])
    assert line.x[:, 1].tolist() == [1] * 4
    assert line.y.tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1])
    signs, teacher = points("signs"), points("teacher")
    assert torch.equal(signs.x, teacher.x)
    assert torch.allclose(signs.x.norm(dim=1), torch.ones(8, dtype=torch.float64))
    assert signs.y.sum() == 0 and signs.y.abs().min() == 1
    assert teacher.y.min() > 0 and teacher.y.max() <= 8**0.5
    with pytest.raises(ValueError, match="data must be one of line, signs, teacher"):
        points("plane")


def test_a_replica_is_the_network_of_its_seed_and_small_gamma_starts_at_zero() -> None:
    task = WidthScan("line", 2, 1.2, 0.2, (10,), seed=7)
    assert torch.equal(
        build(task, 10, 2).weights[0][1], build(WidthScan("line", 2, 1.2, 0.2, (10,), 8), 10).weights[0][0]
    )
    power = FCN(10, 3, 8, 1, get("power-2"), seed=7, dtype=torch.float64)
    assert torch.allclose(build(WidthScan("teacher", 3, 4, 0, (10,), 7), 10).weights[1], power.weights[1])
    for gamma, at_zero in ((0.5, True), (0.6, False)):
        network = build(WidthScan("line", 2, gamma, 0, (10,), 0), 10)
        assert bool((network(points("line").x).abs() < 1e-12).all()) == at_zero


def test_the_experiments_are_what_the_register_says() -> None:
    tasks = {name: EXPERIMENTS[name]() for name in NAMES}
    assert all(set(range(3, 8)) <= {t.seed for t in listed} <= set(range(3, 10)) for listed in tasks.values())
    assert {(t.gamma, t.gamma_prime) for t in tasks["regime-map"]} == {
        (round(0.6 + 0.1 * i, 1), round(-0.4 + 0.1 * j, 1)) for i in range(9) for j in range(9)
    }
    assert min(t.gamma for t in tasks["regime-powers"]) == 0.5 and max(t.gamma for t in tasks["regime-powers"]) == 5
    assert {len(t.widths) for listed in tasks.values() for t in listed} == {5}
    assert {t.key for t in tasks["regime-slopes"]} < {t.key for t in tasks["regime-powers"]}
    assert all(t.seconds(5) > t.seconds(1) > 0 for listed in tasks.values() for t in listed[:1])


@pytest.mark.usefixtures("one_thread")
def test_a_scan_becomes_rows(store) -> None:
    tasks = [WidthScan("line", 2, 1.5, 0.1, (40, 80), seed) for seed in (0, 1)]
    tasks += [
        WidthScan("signs" if depth == 2 else "teacher", depth, 2, 0, (12,), 0, stop_at=0.01, max_steps=50)
        for depth in (2, 3)
    ]
    assert sweep(tasks, store) == 0
    frame = store.frame()
    line = frame[(frame.data == "line") & (frame.seed == 1)]
    assert line.width.tolist() == [40, 80] and line.reached.all() and (line.loss <= 1e-6).all()
    assert all(len(change) == 2 for change in line.sup_change)
    assert (line.kappa > 0).all() and (line.kernel_drift > 0).all() and (line.path_norm > 1).all()
    sphere = frame[frame.data != "line"]
    assert sphere.directions_null.notna().tolist() == [bool(d == 2) for d in sphere.depth]
    # A width's row does not depend on what it is stacked with.
    (alone,) = measure(tasks[1], 80, 1)
    assert alone["sup_change"] == line.sup_change.tolist()[1]


def test_published_rows_are_found_where_an_experiment_shares_them() -> None:
    frame, lacking = published_scans("regime-slopes", "regime-powers")
    assert lacking == {"regime-slopes": 0, "regime-powers": 0}
    there = set(range(3, 8)) | set(range(10, 15))  # of both rounds, in rows of regime-slopes alone
    assert there <= set(frame[frame.gamma == 0.5].seed) <= set(range(3, 17))
    assert (frame.RD[frame.reached] == frame.sup_change[frame.reached].str[0]).all()
    assert frame.RD[~frame.reached].isna().all()
    _, lacking = published_scans("regime-map")
    assert 0 <= lacking["regime-map"] <= 405


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("plane", 2, 1, 0, (10,), 0), "data must be one of"),
        (("line", 1, 1, 0, (10,), 0), "depth must be an integer of at least 2"),
        (("line", 2, 0, 0, (10,), 0), "gamma must be positive"),
        (("line", 2, 1, math.nan, (10,), 0), "gamma_prime must be a finite"),
        (("line", 2, 1, 0, (), 0), "widths must be increasing"),
        (("line", 2, 1, 0, (20, 10), 0), "widths must be increasing"),
        (("line", 2, 1, 0, (0, 10), 0), "width must be an integer of at least 1"),
        (("teacher", 3, 1, 0.1, (10,), 0), "gamma_prime must be 0 for depth 3"),
        (("line", 2, 0.5, 0, (11,), 0), "widths must be even"),
        (("line", 2, 1, 0, (10,), -1), "seed must be an integer"),
    ],
)
def test_bad_tasks(arguments: tuple, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        WidthScan(*arguments)
