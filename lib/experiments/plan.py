"""The experiments whose rows are published under results/: which configurations each of them trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lib.experiments.configuration import Configuration
from lib.experiments.early import EarlyTraining
from lib.experiments.noise_fitting import NoiseFitting
from lib.experiments.regimes import regime_depths, regime_directions, regime_map, regime_powers, regime_slopes
from lib.experiments.task import Task

WIDTHS = tuple(2**k for k in range(4, 15))
DEPTHS = (2, 4, 6, 8, 10)
# The pilot looked at seeds 0, 1 and 2; what decides a claim must not have been seen when its rule was written.
_SEEDS = range(3, 8)
_MNIST = 60_000
_STEPS = 50 * 938  # updates of the paper's training: 50 epochs of MNIST in batches of 64


def _cells(
    initializers: Iterable[str], depths: Iterable[int], widths: Iterable[int], seeds: Iterable[int] = _SEEDS, **settings
) -> list[Configuration]:
    """Return every combination, at the paper's settings and on raw MNIST unless the settings say otherwise."""
    fixed = {"dataset": "mnist", "scaling": "raw", **settings}
    return [
        Configuration(initializer=initializer, depth=depth, width=width, seed=seed, **fixed)
        for initializer in initializers
        for depth in depths
        for width in widths
        for seed in seeds
    ]


def pilot() -> list[Configuration]:
    """Return Fig. 4a on MNIST at the paper's settings, small: He, raw pixels, three seeds. Decides nothing."""
    return _cells(["he"], DEPTHS, WIDTHS[:4], seeds=range(3))


def setting() -> list[Configuration]:
    """Return what the paper leaves open, input scaling and momentum, crossed: does a finding hold in every setting?"""
    return [
        configuration
        for scaling in ("raw", "standard", "unit")
        for momentum in (0.0, 0.9)
        for configuration in (
            *_cells(["he", "lecun"], [2, 6, 10], [16, 64], scaling=scaling, momentum=momentum),
            *_cells(["he", "lecun"], [2], [256], scaling=scaling, momentum=momentum),
            *_cells(["power-2"], [2], [16, 64, 256], scaling=scaling, momentum=momentum),
        )
    ]


def grid() -> list[Configuration]:
    """Return width × depth × initialization on raw pixels without momentum: Figs. 4a and 5."""
    return [
        *_cells(["he", "lecun"], DEPTHS, WIDTHS[:5]),
        *_cells(["ntk"], DEPTHS, WIDTHS[:4]),
        *_cells(["he"], [6, 8], [512]),
    ]


def nonlazy() -> list[Configuration]:
    """Return two-layer networks in the lazy (He) and the non-lazy (m^-2) regime: Figs. 2, 3 and 4b."""
    return _cells(["he", "power-2"], [2], WIDTHS[:7])


def samples() -> list[Configuration]:
    """Return He at L = 6 on fewer images for equally many steps: does the peak of P move with n?"""
    rows = []
    for count in (1_000, 4_000, 16_000, _MNIST):
        steps = -(-count // 64)
        whole = count == _MNIST
        rows += _cells(
            ["he"],
            [6],
            WIDTHS[:5],
            samples=None if whole else count,
            epochs=round(_STEPS / steps),
            schedule="paper" if whole else "proportional",
        )
    return rows


def fashion() -> list[Configuration]:
    """Return a second data set: Fashion-MNIST, He and LeCun."""
    return _cells(["he", "lecun"], [2, 6, 10], [16, 64], dataset="fashion-mnist")


def budget() -> list[Configuration]:
    """Return He and m^-2 at L = 2 on digits, learning rate × epochs crossed: is laziness settled at initialization?"""
    return [
        configuration
        for lr in (1e-3, 1e-2, 1e-1)
        for epochs in (5, 50, 500)
        for configuration in _cells(
            ["he", "power-2"], [2], [256], dataset="digits", lr=lr, epochs=epochs, schedule="constant"
        )
    ]


def random_labels(seeds: Iterable[int] = _SEEDS) -> list[NoiseFitting]:
    """Return random labels fitted by networks with at least twice as many weights as points: the laws of robustness."""
    samples = (128, 256, 512, 1024)
    cells = [
        *[(n, d, k, 2) for n in samples for d in (16, 32, 64) for k in (4, 8, *WIDTHS[:7])],
        *[(n, 32, k, 3) for n in samples for k in WIDTHS[:5]],
    ]
    tasks = [NoiseFitting(n, d, k, depth, seed) for n, d, k, depth in cells for seed in seeds]
    return [task for task in tasks if task.parameters >= 2 * task.samples]


def paper_he() -> list[Configuration]:
    """Return the paper's own widths for He, Figs. 4a and 5a: meant for a CUDA device, as what follows."""
    return _cells(["he"], DEPTHS, WIDTHS[5:9])


def paper_lecun() -> list[Configuration]:
    """Return the same for LeCun, Fig. 5b."""
    return _cells(["lecun"], DEPTHS, WIDTHS[5:9])


def paper_nonlazy() -> list[Configuration]:
    """Return the same for m^-2 at L = 2, Figs. 3b and 4b."""
    return _cells(["power-2"], [2], WIDTHS[5:9])


def paper_widest() -> list[Configuration]:
    """Return the two largest widths of all three, 2^13 and 2^14."""
    return [*_cells(["he", "lecun"], DEPTHS, WIDTHS[9:]), *_cells(["power-2"], [2], WIDTHS[9:])]


def early() -> list[EarlyTraining]:
    """Return two-layer networks from m^-c in early training: Theorem 3 at n = 5, 10, 20 and every width from 4n²."""
    return [
        EarlyTraining(f"power-{c:g}", width, count, seed)
        for c in (1.5, 2, 3)
        for count in (5, 10, 20)
        for width in WIDTHS
        if width >= 4 * count**2
        for seed in _SEEDS
    ]


EXPERIMENTS: dict[str, Callable[[], list[Task]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        pilot,
        setting,
        grid,
        nonlazy,
        samples,
        fashion,
        budget,
        early,
        regime_slopes,
        regime_powers,
        regime_map,
        regime_depths,
        regime_directions,
        random_labels,
        paper_he,
        paper_lecun,
        paper_nonlazy,
        paper_widest,
    )
}
