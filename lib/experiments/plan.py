"""The experiments whose rows are published under results/: which tasks each of them has, in which round of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lib.experiments.adversarial import adversarial
from lib.experiments.configuration import Configuration
from lib.experiments.convolutional import convolutional
from lib.experiments.early import EarlyTraining
from lib.experiments.initial_law import InitialLaw
from lib.experiments.noise_fitting import NoiseFitting
from lib.experiments.regimes import regime_depths, regime_directions, regime_map, regime_powers, regime_slopes
from lib.experiments.untrained import UntrainedNetwork
from lib.experiments.width_adjusted import war
from lib.rows import Task, seeds

WIDTHS = tuple(2**k for k in range(4, 15))
DEPTHS = (2, 4, 6, 8, 10)
# Up to here a round has all of its seeds, beyond its first five: wider networks cost more, and vary less.
_NARROW, _FEW = 256, 5
_MNIST = 60_000
_STEPS = 50 * 938  # updates of the paper's training: 50 epochs of MNIST in batches of 64


def _cells(
    initializers: Iterable[str],
    depths: Iterable[int],
    widths: Iterable[int],
    round: int,
    few: bool = False,
    **settings,
) -> list[Configuration]:
    """Return every combination and seed, at the paper's settings and on raw MNIST unless the settings say otherwise.

    With `few`, narrow networks too have the round's first five seeds only.
    """
    fixed = {"dataset": "mnist", "scaling": "raw", **settings}
    return [
        Configuration(initializer=initializer, depth=depth, width=width, seed=seed, **fixed)
        for initializer in initializers
        for depth in depths
        for width in widths
        for seed in seeds("", round, _FEW if few or width > _NARROW else None)
    ]


def pilot(round: int = 1) -> list[Configuration]:
    """Return Fig. 4a on MNIST at the paper's settings, small: He, raw pixels, three seeds. Decides nothing."""
    return _cells(["he"], DEPTHS, WIDTHS[:4], round=0) if round == 1 else []


def setting(round: int = 1) -> list[Configuration]:
    """Return what the paper leaves open, input scaling and momentum, crossed: does a finding hold in every setting?"""
    return [
        configuration
        for scaling in ("raw", "standard", "unit")
        for momentum in (0.0, 0.9)
        for initializers, depths, widths in (
            (["he", "lecun"], [2, 6, 10], [16, 64]),
            (["he", "lecun"], [2], [256]),
            (["power-2"], [2], [16, 64, 256]),
        )
        for configuration in _cells(initializers, depths, widths, round, few=True, scaling=scaling, momentum=momentum)
    ]


def grid(round: int = 1) -> list[Configuration]:
    """Return width × depth × initialization on raw pixels without momentum: Figs. 4a and 5."""
    cells = [
        *_cells(["he", "lecun"], DEPTHS, WIDTHS[:5], round),
        *_cells(["ntk"], DEPTHS, WIDTHS[:4], round),
        *_cells(["he"], [6, 8], [512], round),
    ]
    if round > 1:
        # L = 5 from m = 12 on is a fourth depth at which the peak's place can be tested.
        cells += [*_cells(["ntk"], DEPTHS, [256], round), *_cells(["he"], [5], [12, *WIDTHS[:5]], round)]
    return cells


def nonlazy(round: int = 1) -> list[Configuration]:
    """Return two-layer networks in the lazy (He) and the non-lazy (m^-2) regime: Figs. 2, 3 and 4b."""
    return _cells(["he", "power-2"], [2], WIDTHS[:7], round)


def samples(round: int = 1) -> list[Configuration]:
    """Return He at L = 6 on fewer images for equally many steps: does the peak of P move with n?"""
    rows = []
    for count in (1_000, 4_000, 16_000, _MNIST):
        steps = -(-count // 64)
        whole = count == _MNIST
        rows += _cells(
            ["he"],
            [6],
            WIDTHS[:6] if round > 1 else WIDTHS[:5],
            round,
            samples=None if whole else count,
            epochs=_epochs(steps),
            schedule="paper" if whole else "proportional",
        )
    return rows


def _epochs(steps: int) -> int:
    """Return how many epochs of so many steps come nearest to the steps of the paper's training."""
    return round(_STEPS / steps)


def fashion(round: int = 1) -> list[Configuration]:
    """Return a second data set: Fashion-MNIST, He and LeCun."""
    fixed = {"round": round, "dataset": "fashion-mnist"}
    if round == 1:
        return _cells(["he", "lecun"], [2, 6, 10], [16, 64], **fixed)
    return [*_cells(["he"], DEPTHS, WIDTHS[:4], **fixed), *_cells(["lecun"], [2, 6, 10], WIDTHS[:4], **fixed)]


def wide(round: int = 1) -> list[Configuration]:
    """Return eight of the paper's eleven widths, to 2^11, and L = 3 under He, which has a plateau from m = 270 on."""
    if round == 1:
        return []
    return [
        *_cells(["he", "lecun", "ntk"], DEPTHS, [512], round),
        *_cells(["he", "lecun"], DEPTHS, [1024], round),
        *_cells(["he"], [3], WIDTHS[:7], round),
        *_cells(["he"], DEPTHS, [2048], round),
    ]


def precision(round: int = 2) -> list[Configuration]:
    """Return pairs of trainings that differ in their products' precision alone: does bf16 change what is found?"""
    if round == 1:
        return []
    return [
        configuration
        for precision in ("fp32", "bf16")
        for initializers, depths, widths in (
            (["he", "lecun", "ntk"], [2, 6, 10], [256]),
            (["power-2"], [2], [256, 512]),
            (["he", "lecun", "ntk"], [6], [512]),
        )
        for configuration in _cells(initializers, depths, widths, round, few=True, precision=precision)
    ]


def constant(round: int = 1) -> list[Configuration]:
    """Return m^-2 at L = 2 for 200 epochs at a constant learning rate: does κ grow without bound?"""
    return [] if round == 1 else _cells(["power-2"], [2], [16, 64, 256], round, epochs=200, schedule="constant")


def budget(round: int = 1) -> list[Configuration]:
    """Return He and m^-2 at L = 2 on digits, learning rate × epochs crossed: is laziness settled at initialization?"""
    return [
        configuration
        for lr in (1e-3, 1e-2, 1e-1)
        for epochs in (5, 50, 500)
        for configuration in _cells(
            ["he", "power-2"],
            [2],
            [256],
            round,
            few=True,
            dataset="digits",
            lr=lr,
            epochs=epochs,
            schedule="constant",
        )
    ]


def random_labels(round: int = 1) -> list[NoiseFitting]:
    """Return random labels fitted by networks with at least twice as many weights as points: the laws of robustness."""
    counts = (128, 256, 512, 1024)
    cells = [
        *[(n, d, k, 2) for n in counts for d in (16, 32, 64) for k in (4, 8, *WIDTHS[:7])],
        *[(n, 32, k, 3) for n in counts for k in WIDTHS[:5]],
    ]
    tasks = [NoiseFitting(n, d, k, depth, seed) for n, d, k, depth in cells for seed in seeds(NoiseFitting.kind, round)]
    return [task for task in tasks if task.parameters >= 2 * task.samples]


def paper_he(round: int = 1) -> list[Configuration]:
    """Return the paper's own widths for He, Figs. 4a and 5a: meant for a CUDA device, as what follows."""
    return _cells(["he"], DEPTHS, _beyond(round), round)


def paper_lecun(round: int = 1) -> list[Configuration]:
    """Return the same for LeCun, Fig. 5b."""
    return _cells(["lecun"], DEPTHS, _beyond(round), round)


def paper_nonlazy(round: int = 1) -> list[Configuration]:
    """Return the same for m^-2 at L = 2, Figs. 3b and 4b."""
    return _cells(["power-2"], [2], _beyond(round), round)


def paper_widest(round: int = 1) -> list[Configuration]:
    """Return the two largest widths of all three, 2^13 and 2^14."""
    return [*_cells(["he", "lecun"], DEPTHS, WIDTHS[9:], round), *_cells(["power-2"], [2], WIDTHS[9:], round)]


def _beyond(round: int) -> tuple[int, ...]:
    """Return the widths, below the two largest, that no laptop trains: in round 2 `wide` goes up to 2^11."""
    return WIDTHS[5:9] if round == 1 else WIDTHS[8:9]


def early(round: int = 1) -> list[EarlyTraining]:
    """Return two-layer networks from m^-c in early training: Theorem 3 at n = 5, 10, 20 and every width from 4n²."""
    return [
        EarlyTraining(f"power-{c:g}", width, count, seed)
        for c in (1.5, 2, 3)
        for count in (5, 10, 20)
        for width in WIDTHS
        if width >= 4 * count**2
        for seed in seeds(EarlyTraining.kind, round)
    ]


def drawn(round: int = 1) -> list[InitialLaw]:
    """Return networks at initialization drawn in law, 20 batches of 100,000 a cell: the exact law and its rates."""
    return [
        InitialLaw(initializer, width, depth, seed)
        for initializer in ("he", "lecun", "ntk", "gamma-0.8", "gamma-1.2", "gamma-1.5")
        for depth in DEPTHS
        for width in (16, 64, 256, 1024)
        for seed in seeds(InitialLaw.kind, round)
    ]


def untrained(round: int = 1) -> list[UntrainedNetwork]:
    """Return whole networks at NTK initialization, 20 a cell: how P and the norms of J depend on m and L (Table 2)."""
    return [
        UntrainedNetwork("ntk", width, depth, seed)
        for depth in DEPTHS
        for width in WIDTHS[:6]
        for seed in seeds(UntrainedNetwork.kind, round)
    ]


# Each gives the tasks of a round; the first round's, which pages show, where none is asked for.
EXPERIMENTS: dict[str, Callable[..., list[Task]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        pilot,
        setting,
        grid,
        nonlazy,
        samples,
        fashion,
        wide,
        precision,
        constant,
        budget,
        early,
        regime_slopes,
        regime_powers,
        regime_map,
        regime_depths,
        regime_directions,
        random_labels,
        drawn,
        untrained,
        convolutional,
        adversarial,
        war,
        paper_he,
        paper_lecun,
        paper_nonlazy,
        paper_widest,
    )
}
